/** `tdf fit` and `tdf apply --3way` with real processes: results against a branch that went on. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { gitServer } from '../../../support/daemon/git-server.ts'
import { tdf, tdfWith, workingRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home } = withDaemon()
const place = mkdtempSync(path.join(tmpdir(), 'tdf-fit-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

async function made(repo: string, script: string, ...more: string[]): Promise<TaskJson> {
  const { out, err } = await tdf(home, 'submit', '--repo', repo, '-w', '--json', ...more, '--', 'sh', '-ec', script)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

const fitOf = async (...words: string[]): Promise<(TaskJson['fit'] | null)[]> => {
  const { out, err } = await tdf(home, 'fit', ...words, '--json')
  if (out === '') throw new Error(err)
  return (JSON.parse(out) as TaskJson[]).map(({ fit }) => fit)
}

describe('a result of a folder', () => {
  it('fits, is behind, in conflict or in already, as its branch goes on', async () => {
    const repo = workingRepository()
    const { id, fit } = await made(repo.dir, 'echo mine > a.txt')
    const other = await made(repo.dir, 'echo b > b.txt; git add -A; git commit -qm b')
    expect(fit).toBe(null)
    expect(await fitOf(id)).toEqual([expect.objectContaining({ state: 'fits', onto: 'refs/heads/main', with: [] })])
    repo.commit({ 'c.txt': 'c\n' })
    repo.commit({ 'd.txt': 'd\n' })
    const tip = repo.git('rev-parse', 'HEAD')
    expect(await fitOf(id)).toEqual([expect.objectContaining({ state: 'behind', moved: 2, commit: tip })])
    await tdfWith(home, { cwd: repo.dir }, 'pull', other.id, '--branch', 'theirs')
    repo.git('merge', '-q', '--squash', 'theirs')
    repo.git('commit', '-qm', 'the same by another commit')
    repo.commit({ 'a.txt': 'theirs\n' })
    const all = await tdfWith(home, { cwd: repo.dir }, 'fit')
    expect(all.out).toMatch(new RegExp(`${other.id} +is in already +main`))
    expect(all.out).toMatch(new RegExp(`${id} +conflicts in a\\.txt +main`))
    expect((await tdf(home, 'show', id)).out).toContain('conflicts in a.txt onto main')
    expect((await tdf(home, 'ls', '--columns', 'id,fit')).out).toMatch(new RegExp(`${id} +conflict\n`))
    repo.git('branch', 'before', 'HEAD~2')
    expect(await fitOf(id, '--onto', 'before')).toEqual([
      expect.objectContaining({ state: 'behind', onto: 'refs/heads/before' }),
    ])
  })

  it('is asked of for a whole group, of which what has no result is passed over', async () => {
    const repo = workingRepository()
    const first = await made(repo.dir, 'echo one > README.md', '--group', 'pair')
    const second = await made(repo.dir, 'echo two > README.md', '--group', 'pair')
    await made(repo.dir, 'true', '--group', 'pair')
    await made(repo.dir, 'echo other > README.md')
    const { out } = await tdf(home, 'fit', '--group', 'pair', '--json')
    const pairs = (JSON.parse(out) as TaskJson[]).map(({ id, fit }) => [id, fit?.with])
    expect(pairs.sort()).toEqual(
      [
        [first.id, [second.id]],
        [second.id, [first.id]],
      ].sort(),
    )
    expect(await tdf(home, 'fit', first.id, '--group', 'pair')).toMatchObject({ code: 2 })
    expect((await tdf(home, 'fit', '--group', 'nonesuch')).err).toContain('there is no task in a group "nonesuch"')
  })

  it('excludes another one that changes the same line', async () => {
    const repo = workingRepository()
    const one = await made(repo.dir, 'echo one > README.md')
    const two = await made(repo.dir, 'echo two > README.md')
    const three = await made(repo.dir, 'echo three > three.txt')
    expect((await fitOf(one.id, two.id, three.id)).map(fit => [fit?.state, fit?.with])).toEqual([
      ['fits', [two.id]],
      ['fits', [one.id]],
      ['fits', []],
    ])
    expect((await tdf(home, 'fit', one.id, two.id)).out).toContain(`fits, excludes ${two.id}`)
  })

  it('whose branch is not there, or has no name, is told which to name', async () => {
    const repo = workingRepository()
    const { id } = await made(repo.dir, 'echo x > x')
    const gone = await tdf(home, 'fit', id, '--onto', 'refs/heads/nowhere', '--json')
    expect([gone.code, JSON.parse(gone.err).error.code]).toEqual([1, 'REF_UNKNOWN'])
    const unnamed = await tdf(home, 'fit', id, '--onto', 'HEAD~9', '--json')
    expect([unnamed.code, JSON.parse(unnamed.err).error.code]).toEqual([2, 'USAGE'])
    rmSync(repo.dir, { recursive: true, force: true })
    const folder = await tdf(home, 'fit', id, '--json')
    expect([folder.code, JSON.parse(folder.err).error.code]).toEqual([1, 'NO_REPOSITORY'])
  })
})

it('a result of a url is held against what its server has now', async () => {
  const repo = workingRepository()
  repo.git('clone', '-q', '--bare', repo.dir, path.join(place, 'repo.git'))
  const server = await gitServer(place, null)
  try {
    const { id } = await made(`${server.url}/repo.git`, 'echo x > x')
    expect(await fitOf(id)).toEqual([expect.objectContaining({ state: 'fits', onto: 'refs/heads/main' })])
    repo.commit({ x: 'theirs\n' })
    repo.git('push', '-q', path.join(place, 'repo.git'), 'main')
    expect(await fitOf(id)).toEqual([expect.objectContaining({ state: 'conflict', files: ['x'], moved: 1 })])
  } finally {
    await server.close()
  }
})

describe('apply --3way', () => {
  it('merges what the branch moved on from, and leaves marks only where both changed the same', async () => {
    const repo = workingRepository()
    repo.commit({ 'list.txt': '1\n2\n3\n4\n5\n6\n7\n8\n9\n' })
    const task = await made(repo.dir, 'sed -i "s/^1$/one/" list.txt; sed -i "s/^9$/nine/" list.txt')
    repo.commit({ 'list.txt': '1\n2\n3\n4\n5\n6\n7\n8\n8b\n9\n' })
    const here = { cwd: repo.dir }
    const plain = await tdfWith(home, here, 'apply', task.id, '--json')
    expect([plain.code, JSON.parse(plain.err).error.hint]).toEqual([5, `tdf apply ${task.id}@1 --3way`])
    expect(repo.git('status', '--porcelain')).toBe('')
    const merged = await tdfWith(home, here, 'apply', task.id, '--3way', '--json')
    expect([merged.code, JSON.parse(merged.err).error.message]).toEqual([
      5,
      'applied, with conflicts to resolve in list.txt',
    ])
    expect(readFileSync(path.join(repo.dir, 'list.txt'), 'utf8')).toMatch(/^one\n2\n(.*\n)*<<<<<<< ours\n/)
    repo.git('reset', '-q', '--hard')
    repo.commit({ 'list.txt': '1\n2\n3\n3b\n4\n5\n6\n7\n8\n9\n' })
    expect((await tdfWith(home, here, 'apply', task.id, '--3way')).code).toBe(0)
    expect(readFileSync(path.join(repo.dir, 'list.txt'), 'utf8')).toBe('one\n2\n3\n3b\n4\n5\n6\n7\n8\nnine\n')
    writeFileSync(path.join(repo.dir, 'list.txt'), 'mine\n')
    const dirty = await tdfWith(home, here, 'apply', task.id, '--3way', '--json')
    expect([dirty.code, JSON.parse(dirty.err).error.message]).toEqual([
      5,
      expect.stringContaining('nothing was touched'),
    ])
    expect(readFileSync(path.join(repo.dir, 'list.txt'), 'utf8')).toBe('mine\n')
  })
})
