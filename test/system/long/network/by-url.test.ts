/** Repositories by url with real servers: who may read them, how often they are asked, and what of it a node sees. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventJson, TaskJson } from '../../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, hasEnded, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { filesWith, processesWith } from '../../../support/machines/search.ts'

const TOKEN = 'tok-5d1c8e0b7a'
const BASIC = Buffer.from(`x-access-token:${TOKEN}`).toString('base64')

let place: string
let repo: ReturnType<typeof makeRepository>
let server: GitServer
let home: Home

beforeEach(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-url-'))
  repo = makeRepository()
  git('clone', '--quiet', '--bare', repo.dir, path.join(place, 'repo.git'))
  git('remote', 'add', 'origin', path.join(place, 'repo.git'))
})
afterEach(async () => {
  await home?.remove()
  await server?.close()
  repo.remove()
  rmSync(place, { recursive: true, force: true })
})

function git(...args: string[]): string {
  const as = ['-c', 'user.name=you', '-c', 'user.email=you@localhost']
  return execFileSync('git', [...as, ...args], {
    cwd: repo.dir,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
}

/** A server, and a daemon with its configuration; `host` stands for the server in it. */
async function begin(token: string | null, config: (host: string) => string, env: Record<string, string> = {}) {
  server = await gitServer(place, token)
  home = makeHome(config(new URL(server.url).host))
  await home.start(env)
}

const tokens = (host: string) => `[repositories]\ntokens = { ${JSON.stringify(host)} = "CODE_TOKEN" }\n`
const QUICK = '[runner]\nretry_base_delay = "50ms"\nretry_max_delay = "100ms"\n'
const url = () => `${server.url}/repo.git`

async function submit(words: readonly string[], script: string): Promise<string> {
  const { out, err } = await tdf(home, 'submit', '--repo', url(), '-q', ...words, '--', 'sh', '-c', script)
  if (out === '') throw new Error(err)
  return out.trim()
}

async function over(id: string): Promise<TaskJson> {
  await until(`${id} is over`, async () => (await home.task(id)).step === null, 120_000)
  return home.task(id)
}

const events = (id: string, type: string) =>
  home.client.call<EventJson[]>({ path: `/tasks/${id}/events` }).then(all => all.filter(event => event.type === type))

describe('a private repository', () => {
  it('that may not be read fails before a slot is asked for, with the commands that mend it; then the same task completes, and no token is on the node', async () => {
    await begin(TOKEN, tokens)
    const id = await submit([], 'while [ ! -e "$HOME/go" ]; do sleep 0.1; done; git log -1 --format=%s > done.txt')
    expect(await over(id)).toMatchObject({
      ...{ status: 'failed', verdict: 'permission_denied', node: null, workspace: null },
      error: { code: 'SOURCE_DENIED', hint: `tdf secret set CODE_TOKEN && tdf retry ${id}`, step: 'node_selection' },
    })
    expect((await events(id, 'task.step')).map(({ data }) => data.to)).not.toContain('workspace_creation')

    expect((await tdfWith(home, { input: TOKEN }, 'secret', 'set', 'CODE_TOKEN')).code).toBe(0)
    expect((await tdf(home, 'retry', id)).code).toBe(0)
    await until('it runs', async () => (await home.task(id)).step === 'running')
    expect(server.seen().withToken).toBe(true)
    for (const word of [TOKEN, BASIC]) {
      expect(processesWith(word)).toEqual([])
      expect(filesWith(word, path.join(home.dir, 'state', 'agent'))).toBe('')
    }
    writeFileSync(path.join(home.dir, 'go'), '')
    const task = await over(id)
    expect(task).toMatchObject({
      status: 'completed',
      attempt: 2,
      repo: { url: url(), baseCommit: git('rev-parse', 'main') },
    })
    for (const word of [TOKEN, BASIC]) {
      expect(filesWith(word, path.join(home.dir, 'state', 'results'))).toBe('')
      expect(filesWith(word, path.join(home.dir, 'state', 'agent'))).toBe('')
      expect(JSON.stringify([task, await events(id, 'task.step')])).not.toContain(word)
    }
    expect(server.seen().inArguments).toEqual([])
  })

  it('is read with the credential helper of the user that runs the daemon, and with no question on any terminal; none of its hooks runs', async () => {
    await begin(TOKEN, () => '')
    const helper = `!f() { echo username=you; echo password=${TOKEN}; }; f`
    const [hooks, ran] = [path.join(home.dir, 'hooks'), path.join(home.dir, 'ran')]
    mkdirSync(hooks)
    // It sees every ref that git writes, and says no.
    writeFileSync(path.join(hooks, 'reference-transaction'), `#!/bin/sh\ntouch '${ran}'; exit 1\n`, { mode: 0o755 })
    const config = `[credential]\n\thelper = "${helper}"\n[core]\n\thooksPath = ${hooks}\n`
    writeFileSync(path.join(home.dir, '.gitconfig'), config)
    expect(await over(await submit([], 'echo hi > hi.txt'))).toMatchObject({ status: 'completed' })
    expect([server.seen().withToken, existsSync(ran)]).toEqual([true, false])
  })

  it('is tried dry with the name of what it would be read with', async () => {
    await begin(TOKEN, tokens)
    const plan = async () => (await tdf(home, 'submit', '--repo', url(), '--dry-run', '--', 'true')).out
    expect(await plan()).toContain("the daemon, with the git credentials of the daemon's user")
    await tdfWith(home, { input: TOKEN }, 'secret', 'set', 'CODE_TOKEN')
    expect(await plan()).toContain('the daemon, with the secret CODE_TOKEN')
  })

  it('names where a token would be set when nothing is', async () => {
    await begin(TOKEN, () => '')
    const { error } = await over(await submit([], 'true'))
    expect(error).toMatchObject({
      code: 'SOURCE_DENIED',
      hint: expect.stringMatching(/^tdf secret set \w+ && tdf retry/),
    })
    expect(error?.message).toContain('[repositories] tokens')
  })

  it('with a password in its address is refused without a word of it', async () => {
    await begin(TOKEN, () => '')
    const secret = url().replace('://', `://you:${TOKEN}@`)
    const { code, err } = await tdf(home, 'submit', '--repo', secret, '--', 'true')
    expect(code).toBe(1)
    expect(err).toContain('tdf secret set')
    expect(err).not.toContain(TOKEN)
    expect(filesWith(TOKEN, home.dir)).toBe('')
  })
})

describe('a server', () => {
  it('is asked for its objects once for ten tasks, and later for what is new alone', async () => {
    await begin(null, () => '[nodes]\nmax_workspaces = 10\n')
    const ids = await Promise.all(Array.from({ length: 10 }, () => submit([], 'echo hi > hi.txt')))
    for (const id of ids) expect(await over(id)).toMatchObject({ status: 'completed' })
    expect(server.fetches()).toBe(1)
    expect(readdirSync(path.join(home.dir, 'state', 'bundles'))).toHaveLength(1)
    expect(await over(await submit([], 'true'))).toMatchObject({ status: 'completed' })
    expect(server.fetches()).toBe(1)
    git('commit', '--quiet', '--allow-empty', '--message', 'second')
    git('push', '--quiet', 'origin', 'main')
    const later = await over(await submit([], 'true'))
    expect(later).toMatchObject({ status: 'completed', repo: { baseCommit: git('rev-parse', 'main') } })
    expect(server.fetches()).toBeGreaterThan(1)
  })

  it('that fails twice is asked again, and the task goes on', async () => {
    await begin(null, () => QUICK)
    server.faults.unavailable = 2
    const id = await submit([], 'true')
    expect(await over(id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect((await events(id, 'task.retry')).map(({ data }) => data.code)).toEqual([
      'SOURCE_UNAVAILABLE',
      'SOURCE_UNAVAILABLE',
    ])
  })

  it('that is slow is waited for, and why says so', async () => {
    await begin(null, () => '')
    let answer = () => {}
    server.faults.until = new Promise(resolve => (answer = resolve))
    const id = await submit([], 'true')
    expect((await tdf(home, 'why', id)).out).toContain(`${url()} to be fetched`)
    answer()
    expect(await over(id)).toMatchObject({ status: 'completed' })
  })

  it('that hangs ends the try at its deadline, with every process of it', async () => {
    await begin(null, () => '[runner]\nworkspace_ready_timeout = "4s"\nworkspace_ready_poll_interval = "1s"\n')
    server.faults.hangs = true
    const id = await submit([], 'true')
    await until('the try has ended', async () => (await events(id, 'task.retry')).length > 0)
    expect((await tdf(home, 'why', id)).out).toMatch(/since 20\d\d-/)
    await tdf(home, 'cancel', id)
    expect(await over(id)).toMatchObject({ status: 'cancelled', workspace: null })
    await until('no git is left', () => processesWith(url()).length === 0)
  })

  it('that hangs holds up neither a cancel, nor other tasks, nor the end of the daemon', async () => {
    await begin(null, () => '')
    server.faults.hangs = true
    const hanging = await submit([], 'true')
    await until('git asks', () => processesWith(url()).length > 0)
    const local = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--', 'true')
    expect(await over(local.out.trim())).toMatchObject({ status: 'completed' })
    expect((await tdf(home, 'cancel', hanging)).code).toBe(0)
    expect(await over(hanging)).toMatchObject({ status: 'cancelled' })
    await until('no git is left', () => processesWith(url()).length === 0)

    const next = await submit([], 'true')
    await until('git asks again', () => processesWith(url()).length > 0)
    expect((await tdf(home, 'daemon', 'stop')).code).toBe(0)
    await until('no git is left', () => processesWith(url()).length === 0)
    server.faults.hangs = false
    await home.start()
    expect(await over(next)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  it('is asked again by the daemon after one that was killed in the middle of a fetch', async () => {
    server = await gitServer(place, null)
    home = makeHome()
    const first = await home.start()
    server.faults.hangs = true
    const id = await submit([], 'true')
    await until('git asks', () => processesWith(url()).length > 0)
    await home.kill(first)
    expect(hasEnded(first)).toBe(true)
    server.faults.hangs = false
    await home.start()
    expect(await over(id)).toMatchObject({ status: 'completed', attempt: 1 })
  })
})

describe('a workspace of a repository by url', () => {
  it.each([
    ['no ref', null, 'main'],
    ['a branch', 'side', 'side'],
    ['a tag', 'v1', 'v1^{commit}'],
    ['a full ref', 'refs/pull/1/head', 'refs/pull/1/head'],
    ['a commit', 'COMMIT', 'side'],
    ['a short commit', 'SHORT', 'side'],
  ] as const)('begins from %s', async (_what, ref, is) => {
    git('checkout', '--quiet', '-b', 'side')
    git('commit', '--quiet', '--allow-empty', '--message', 'aside')
    git('tag', '--annotate', '--message', 'one', 'v1')
    git('update-ref', 'refs/pull/1/head', 'main')
    git('push', '--quiet', 'origin', 'side', 'v1', 'refs/pull/1/head')
    await begin(null, () => '')
    const wanted = (ref as string | null)
      ?.replace('COMMIT', git('rev-parse', 'side'))
      .replace('SHORT', git('rev-parse', '--short=9', 'side'))
    const id = await submit(
      wanted === undefined ? [] : ['--ref', wanted],
      'git describe --always --tags > at.txt; git remote get-url origin >> at.txt',
    )
    expect(await over(id)).toMatchObject({ status: 'completed', repo: { baseCommit: git('rev-parse', is) } })
    const { out } = await tdf(home, 'diff', id)
    expect(out).toContain(`+${url()}`)
    if (is !== 'main' && is !== 'refs/pull/1/head') expect(out).toContain('+v1')
  })

  it('is not made when the repository has no such ref, or no commit', async () => {
    execFileSync('git', ['init', '--quiet', '--bare', path.join(place, 'empty.git')])
    await begin(null, () => '')
    const id = await submit(['--ref', 'nowhere'], 'true')
    expect(await over(id)).toMatchObject({ workspace: null, error: { code: 'REF_UNKNOWN' } })
    const { out } = await tdf(home, 'submit', '--repo', `${server.url}/empty.git`, '-q', '--', 'true')
    expect(await over(out.trim())).toMatchObject({ workspace: null, error: { code: 'REF_UNKNOWN' } })
  })

  it('has the names of SHA-256 where the repository has', async () => {
    const dir = path.join(place, 'long.git')
    execFileSync('git', ['init', '--quiet', '--bare', '--object-format=sha256', '--initial-branch=main', dir])
    const as = ['-c', 'user.name=you', '-c', 'user.email=you@localhost', '--git-dir', dir]
    const tree = execFileSync('git', ['--git-dir', dir, 'mktree'], { input: '', encoding: 'utf8' }).trim()
    const made = execFileSync('git', [...as, 'commit-tree', '-m', 'first', tree], { encoding: 'utf8' }).trim()
    execFileSync('git', ['--git-dir', dir, 'update-ref', 'refs/heads/main', made])
    await begin(null, () => '')
    const words = ['submit', '--repo', `${server.url}/long.git`, '-q', '--', 'sh', '-c', 'echo hi > hi.txt']
    const { out } = await tdf(home, ...words)
    const task = await over(out.trim())
    expect(task).toMatchObject({ status: 'completed', repo: { baseCommit: made }, result: { filesChanged: 1 } })
  })

  it('is cloned by the node itself where the configuration says so', async () => {
    await begin(null, () => '[repositories]\nfetch = "node"\n')
    const id = await submit([], 'git remote get-url origin > at.txt')
    expect(await over(id)).toMatchObject({ status: 'completed' })
    expect(readdirSync(path.join(home.dir, 'state', 'bundles'))).toEqual([])
  })
})
