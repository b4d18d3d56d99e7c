/** What travels to a box that has had tasks on the same repository before: only what it does not have. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { cliWith } from '../../../support/cli.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'
import { type ByteCounter, byteCounter } from '../../../support/machines/byte-counter.ts'
import { startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

const SETTINGS = `[nodes]
cpu_threshold_percent = 100
memory_threshold_percent = 100
[runner]
workspace_ready_poll_interval = "500ms"
[[providers.static.nodes]]
name = "box"
`
const LARGE_BYTES = 2_000_000
const SMALL_BYTES = 100_000
const LIMIT_MS = 120_000

let home: Home
let server: GitServer
let counter: ByteCounter
let state: string
const dir = mkdtempSync(path.join(tmpdir(), 'tdf-thin-'))
afterFile(() => rmSync(dir, { recursive: true, force: true }))

beforeAll(async () => {
  const agent = await startAgentProcess({ name: 'box' })
  state = agent.state
  counter = await byteCounter(agent.url)
  home = makeHome(`${SETTINGS}url = "${counter.url}"\ntoken = "${agent.token}"\n`)
  server = await gitServer(dir, null)
  await home.start()
}, 180_000)
afterAll(async () => {
  await home.remove()
  await server.close()
}, 60_000)

const ENV = {
  ...{ PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' },
  ...{ GIT_AUTHOR_NAME: 'you', GIT_AUTHOR_EMAIL: 'you@localhost' },
  ...{ GIT_COMMITTER_NAME: 'you', GIT_COMMITTER_EMAIL: 'you@localhost' },
}
const git = (cwd: string, ...args: string[]) => execFileSync('git', args, { cwd, env: ENV, encoding: 'utf8' }).trim()

function repository(name: string): string {
  const folder = path.join(dir, name)
  git(dir, 'init', '-q', '-b', 'main', folder)
  writeFileSync(path.join(folder, 'large'), randomBytes(LARGE_BYTES))
  commit(folder, 'first')
  return folder
}

function commit(folder: string, text: string): void {
  writeFileSync(path.join(folder, 'a'), `${text}\n`)
  git(folder, 'add', '-A')
  git(folder, 'commit', '-q', '-m', text)
}

/** Runs on the box; the commit and tree that it had, and how much was sent there for it. */
async function run(repo: string, script = '') {
  counter.sent()
  const look = `git fsck --strict --no-progress >&2 && git rev-parse HEAD && git status --short && sha1sum large a`
  const words = ['submit', '--repo', repo, '--node', 'box', '--json', '--wait', '--', 'sh', '-ec', `${look}\n${script}`]
  const { out, err } = await cliWith(home, {}, ...words)
  const task: TaskJson = JSON.parse(out || err)
  expect(task).toMatchObject({ status: 'completed', error: null })
  return { task, sent: counter.sent(), had: (await cliWith(home, {}, 'logs', task.id)).out }
}

const hasIn = (folder: string) =>
  `${git(folder, 'rev-parse', 'HEAD')}\n${execFileSync('sha1sum', ['large', 'a'], { cwd: folder })}`

/** Where the box keeps what it has, as it stands. */
const kept = () =>
  (existsSync(path.join(state, 'sources')) ? readdirSync(path.join(state, 'sources')) : []).map(name =>
    path.join(state, 'sources', name),
  )

function links(): number[] {
  return kept().flatMap(folder => {
    const packs = path.join(folder, 'objects', 'pack')
    return readdirSync(packs).map(name => statSync(path.join(packs, name)).nlink)
  })
}

describe.each([
  ['a folder', (folder: string) => folder],
  ['a url', (folder: string) => `${server.url}/${path.basename(folder)}/.git`],
])('of %s', (kind, addressOf) => {
  it('the second task costs what is new, and its agent has all of it', { timeout: LIMIT_MS }, async () => {
    const folder = repository(`second ${kind}`.replaceAll(' ', '-'))
    const first = await run(addressOf(folder))
    expect(first.sent).toBeGreaterThan(LARGE_BYTES)
    // An agent owns the files of its workspace: none of them is one of these, too.
    expect(links()).toEqual(links().map(() => 1))
    commit(folder, 'second')
    const second = await run(addressOf(folder), 'echo work > new; git add new; git commit -qm work')
    expect(second.had).toBe(hasIn(folder))
    expect(second.sent).toBeLessThan(SMALL_BYTES)
    // What an agent did is in no other one's workspace.
    const third = await run(addressOf(folder), `! git cat-file -e ${second.task.result?.commit}`)
    expect(third.sent).toBeLessThan(SMALL_BYTES)
    // It goes home as ever.
    git(folder, 'config', 'user.name', 'you')
    expect(await cliWith(home, { cwd: folder }, 'pull', second.task.id)).toMatchObject({ code: 0 })
  })

  it('all of it comes again where the box lost what it said it has', { timeout: LIMIT_MS }, async () => {
    const folder = repository(`lost ${kind}`.replaceAll(' ', '-'))
    const before = new Set(kept())
    await run(addressOf(folder))
    commit(folder, 'second')
    const [cache = ''] = kept().filter(name => !before.has(name))
    rmSync(path.join(cache, 'objects', 'pack'), { recursive: true })
    const second = await run(addressOf(folder))
    expect(second.had).toBe(hasIn(folder))
    expect(second.sent).toBeGreaterThan(LARGE_BYTES)
    commit(folder, 'third')
    const third = await run(addressOf(folder))
    expect(third.sent).toBeLessThan(SMALL_BYTES)
    rmSync(cache, { recursive: true })
    commit(folder, 'fourth')
    expect((await run(addressOf(folder))).sent).toBeGreaterThan(LARGE_BYTES)
  })
})
