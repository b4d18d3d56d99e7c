/** `tdf land` with real processes: results onto their branch, of a folder and of a url, checked on what is there by now. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { tdf, tdfWith, workingRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home } = withDaemon()
const place = mkdtempSync(path.join(tmpdir(), 'tdf-land-'))
let server: GitServer
beforeAll(async () => {
  server = await gitServer(place, null)
})
afterAll(async () => {
  await server.close()
  rmSync(place, { recursive: true, force: true })
})

let served = 0
/** A repository behind a url, which takes pushes. */
function servedRepository() {
  const repo = workingRepository()
  const bare = path.join(place, `repo-${++served}.git`)
  repo.git('clone', '-q', '--bare', repo.dir, bare)
  repo.git('--git-dir', bare, 'config', 'http.receivepack', 'true')
  repo.git('remote', 'add', 'origin', bare)
  const main = () => repo.git('--git-dir', bare, 'rev-parse', 'main')
  return { ...repo, bare, main, url: `${server.url}/${path.basename(bare)}` }
}

async function made(repo: string, script: string, ...options: string[]): Promise<TaskJson> {
  const { out, err } = await tdf(home, 'submit', '--repo', repo, '-w', '--json', ...options, '--', 'sh', '-ec', script)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

async function land(...words: string[]): Promise<{ code: number | null; landings: TaskJson['landing'][] }> {
  const { code, out, err } = await tdf(home, 'land', ...words, '--json')
  if (out === '') throw new Error(err)
  return { code, landings: (JSON.parse(out) as TaskJson[]).map(({ landing }) => landing) }
}

describe('a result of a folder', () => {
  it('lands as it is where its branch has not moved, and merged and checked where it has', async () => {
    const repo = workingRepository()
    const one = await made(repo.dir, 'echo one > one.txt', '--check', 'test -f README.md')
    const two = await made(repo.dir, 'echo two > two.txt', '--check', 'test -f one.txt || test ! -f base.txt')
    repo.commit({ 'base.txt': 'b\n' })
    const { code, landings } = await land(one.id, two.id)
    expect([code, landings.map(landing => landing?.state)]).toEqual([0, ['landed', 'landed']])
    expect(repo.git('ls-files')).toBe('README.md\nbase.txt\none.txt\ntwo.txt')
    expect(repo.git('status', '--porcelain')).toBe('')
    expect(repo.git('rev-parse', 'HEAD')).toBe(landings[1]?.commit)
    // Two merges, and nothing twice.
    expect(repo.git('log', '--merges', '--format=%s').split('\n')).toEqual([
      expect.stringContaining(`Merge task ${two.id}`),
      expect.stringContaining(`Merge task ${one.id}`),
    ])
    const check = await home.task(landings[1]?.checkTask ?? '')
    expect([check.verdict, check.labels.landing, check.result?.commit]).toEqual([
      'verified',
      two.id,
      landings[1]?.commit,
    ])
    expect((await land(one.id)).code).toBe(0)
    expect((await tdf(home, 'show', one.id, '--json')).out).toContain('"landed"')
  })

  it('in conflict leaves its lane with the files named, and the next one lands', async () => {
    const repo = workingRepository()
    const one = await made(repo.dir, 'echo one > README.md')
    const two = await made(repo.dir, 'echo two > README.md')
    const three = await made(repo.dir, 'echo three > three.txt')
    const { code, landings } = await land(one.id, two.id, three.id)
    expect([code, landings.map(landing => landing?.state)]).toEqual([10, ['landed', 'left', 'landed']])
    expect(landings[1]?.error).toEqual({ code: 'CONFLICT', message: 'it conflicts in README.md' })
    expect((await home.task(two.id)).result).toEqual(two.result)
    const why = await tdf(home, 'why', two.id)
    expect(why.out).toContain('it was not landed on main: it conflicts in README.md')
    expect(repo.git('show', 'main:README.md')).toBe('one')
  })

  it('that passes alone and fails with what is there now is not landed', async () => {
    const repo = workingRepository()
    const task = await made(repo.dir, 'echo x > x.txt', '--check', 'test ! -f y.txt')
    const tip = repo.commit({ 'y.txt': 'y\n' })
    const { code, landings } = await land(task.id)
    expect([code, landings[0]?.state, landings[0]?.error?.code]).toEqual([10, 'left', 'CHECK_FAILED'])
    expect(repo.git('rev-parse', 'main')).toBe(tip)
    expect((await land(task.id, '--no-check')).code).toBe(0)
    expect(repo.git('ls-files')).toBe('README.md\nx.txt\ny.txt')
  })

  it('is one commit with --squash, upon all that came meanwhile', async () => {
    const repo = workingRepository()
    const task = await made(repo.dir, 'for n in 1 2; do echo $n > $n; git add -A; git commit -qm $n; done')
    repo.commit({ 'kept.txt': 'k\n' })
    repo.commit({ 'too.txt': 't\n' })
    repo.git('switch', '-q', '-c', 'elsewhere')
    expect((await land(task.id, '--squash')).code).toBe(0)
    expect(repo.git('log', '--format=%s', 'main').split('\n')).toEqual([
      task.title,
      'change too.txt',
      'change kept.txt',
      'first',
    ])
    expect(repo.git('ls-tree', '-r', '--name-only', 'main')).toBe('1\n2\nREADME.md\nkept.txt\ntoo.txt')
  })

  it('waits where its branch is checked out with changes, and lands by the same command again', async () => {
    const repo = workingRepository()
    const task = await made(repo.dir, 'echo x > x.txt')
    writeFileSync(path.join(repo.dir, 'README.md'), 'mine\n')
    const refused = await tdf(home, 'land', task.id, '--json')
    expect([refused.code, JSON.parse(refused.err).error.code]).toEqual([5, 'WRONG_STATE'])
    expect((await tdf(home, 'why', task.id)).out).toContain('first in the lane onto main')
    repo.git('checkout', '-q', 'README.md')
    // The branch moves while nobody looks: it is merged anew.
    repo.commit({ 'late.txt': 'l\n' })
    expect((await land(task.id)).code).toBe(0)
    expect(repo.git('ls-files')).toBe('README.md\nlate.txt\nx.txt')
  })

  it('moves a branch that is checked out together with its files, also by a git that lists work trees in lines alone', async () => {
    const repo = workingRepository()
    const task = await made(repo.dir, 'echo x > x.txt')
    // As git before 2.36 (git-worktree(1), -z).
    const old = path.join(place, 'old-git')
    mkdirSync(old)
    const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
    const script = `#!/bin/sh\ncase " $* " in *" worktree list "*" -z "*) exit 129;; esac\nexec ${real} "$@"\n`
    writeFileSync(path.join(old, 'git'), script, { mode: 0o755 })
    const env = { PATH: `${old}:${process.env.PATH}` }
    expect((await tdfWith(home, { env }, 'land', task.id)).code).toBe(0)
    expect(repo.git('status', '--porcelain')).toBe('')
    expect(repo.git('ls-files')).toBe('README.md\nx.txt')
  })

  it('is only looked at with --dry-run', async () => {
    const repo = workingRepository()
    const task = await made(repo.dir, 'echo x > x.txt')
    const { code, out } = await tdfWith(home, { cwd: repo.dir }, 'land', task.id, '-n', '--onto', 'main')
    expect([code, out]).toEqual([0, expect.stringContaining('fits')])
    expect((await home.task(task.id)).landing).toBe(null)
  })
})

describe('a result of a url', () => {
  it('is pushed to where its branch is by now, and never over what came meanwhile', async () => {
    const repo = servedRepository()
    const task = await made(repo.url, 'echo x > x.txt', '--check', 'true')
    const theirs = repo.commit({ 'theirs.txt': 't\n' })
    repo.git('push', '-q', 'origin', 'main')
    const { code, landings } = await land(task.id)
    expect([code, landings[0]?.state, landings[0]?.tip]).toEqual([0, 'landed', theirs])
    expect(repo.main()).toBe(landings[0]?.commit)
    repo.git('fetch', '-q', 'origin')
    expect(repo.git('ls-tree', '-r', '--name-only', 'origin/main')).toBe('README.md\ntheirs.txt\nx.txt')
  })

  it('is checked anew when the branch moved under the check', async () => {
    const repo = servedRepository()
    const task = await made(repo.url, 'echo x > x.txt')
    const signal = path.join(place, `moved-${served}`)
    // The first check moves the branch itself.
    const push = `test -f ${signal} || { touch ${signal}; git -C ${repo.dir} push -q origin main; }`
    const theirs = repo.commit({ 'theirs.txt': 't\n' })
    const { code, landings } = await land(task.id, '--check', push)
    expect([code, landings[0]?.state, landings[0]?.tip]).toEqual([0, 'landed', theirs])
    const checks = (await home.client.call<TaskJson[]>({ path: '/tasks?limit=50' })).filter(
      ({ labels }) => labels.landing === task.id,
    )
    expect(checks.map(({ verdict }) => verdict)).toEqual(['verified', 'verified'])
  })

  it('whose branch is protected stays where it is, and a pull request is named', async () => {
    const repo = servedRepository()
    writeFileSync(path.join(repo.bare, 'hooks/pre-receive'), '#!/bin/sh\necho protected branch; exit 1\n', {
      mode: 0o755,
    })
    const task = await made(repo.url, 'echo x > x.txt')
    const before = repo.main()
    const { code, landings } = await land(task.id)
    expect([code, landings[0]?.state, landings[0]?.error?.code]).toEqual([10, 'left', 'PUSH_FAILED'])
    expect(landings[0]?.error?.message).toMatch(/protected branch[\s\S]*tdf push \w+ --pr/)
    expect(repo.main()).toBe(before)
  })
})
