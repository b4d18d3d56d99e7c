/** Wrong input and a bad place to run: a clear error with a way out, and nothing is lost. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Home, hasEnded, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

let repo: ReturnType<typeof makeRepository>
beforeAll(() => {
  repo = makeRepository()
})
afterAll(() => repo.remove())

const errorOf = (err: string) => JSON.parse(err.trim().split('\n').at(-1) ?? '').error

describe('submit', () => {
  let home: Home
  beforeAll(async () => {
    home = makeHome()
    await home.start()
  })
  afterAll(() => home.remove())

  it.each([
    ['a folder that is not there', ['--repo', '/nowhere/at/all', 'x'], 1, 'NO_REPOSITORY', /no such folder/],
    ['a folder that is no repository', ['--repo', '/proc', 'x'], 1, 'NO_REPOSITORY', /is not a git repository/],
    ['an unknown ref', ['--ref', 'no-such-branch', 'x'], 1, 'REF_UNKNOWN', /no-such-branch/],
    ['a ref that is an option', ['--ref=--upload-pack=touch /tmp/x', 'x'], 2, 'REF_UNSAFE', /upload-pack/],
    [
      'an output branch that is an option',
      ['--output-branch=--force', '--', 'true'],
      2,
      /REF_UNSAFE|BAD_REQUEST/,
      /--force|branch/,
    ],
    ['an empty prompt', ['   '], 2, 'EMPTY_PROMPT', /prompt/],
    ['a missing agent program', ['--agent', 'nonesuch', 'x'], 1, 'AGENT_UNKNOWN', /nonesuch/],
    ['a node that does not exist', ['--node', 'nonesuch', '--', 'true'], 1, 'NODE_UNKNOWN', /nonesuch/],
    ['a time limit without a unit', ['--timeout', '30', 'x'], 2, 'USAGE', /--timeout/],
    ['an empty idempotency key', ['--idempotency-key', '', 'x'], 2, 'USAGE', /--idempotency-key.*must not be empty/],
    ['a label without a value', ['--label', 'x', 'x'], 2, 'USAGE', /key=value/],
  ])('of %s', async (_, args, exit, code, message) => {
    const { code: got, out, err } = await tdfWith(home, { cwd: repo.dir }, 'submit', '--json', ...args)
    const error = errorOf(err)
    expect([got, out]).toEqual([exit, ''])
    expect(error.code).toMatch(code)
    expect(error.message).toMatch(message)
    expect(error.hint).toMatch(/^(tdf|git) /)
  })

  it('of a shallow clone names the way out', async () => {
    const shallow = path.join(home.dir, 'shallow')
    execFileSync('git', ['commit', '--allow-empty', '-qm', 'x'], { cwd: repo.dir, env: { ...process.env, ...WHO } })
    execFileSync('git', ['clone', '-q', '--depth=1', `file://${repo.dir}`, shallow])
    const { code, err } = await tdf(home, 'submit', '--repo', shallow, '--json', 'x')
    expect([code, errorOf(err).code]).toEqual([1, 'REPOSITORY_SHALLOW'])
    expect(errorOf(err).hint).toContain('fetch --unshallow')
  })

  it('of a repository without a commit', async () => {
    const empty = path.join(home.dir, 'empty')
    execFileSync('git', ['init', '-q', empty])
    const { code, err } = await tdf(home, 'submit', '--repo', empty, '--json', 'x')
    expect([code, errorOf(err).code]).toEqual([1, 'REF_UNKNOWN'])
  })

  it('left no task behind', async () => {
    expect((await tdf(home, 'ls', '--all', '--json')).out).toBe('[]\n')
  })

  it('reads a prompt from stdin, byte for byte', async () => {
    const text = 'first line\n\n  --not-an-option\n$(touch x) `y` "z"\n'
    const { code, out } = await tdfWith(
      home,
      { cwd: repo.dir, input: text },
      'submit',
      '-',
      '--agent',
      'nonesuch',
      '-n',
      '--json',
    )
    expect([code, out]).toEqual([1, ''])
    const args = ['submit', '--repo', repo.dir, '--json', '--title', 'a\u001b]0;evil\u0007b', '--wait', '--', 'cat']
    const task = JSON.parse((await tdf(home, ...args)).out)
    const shown = (await tdf(home, 'show', task.id)).out
    expect(shown).not.toContain('\u001b')
  })
})

const WHO = {
  ...{ GIT_AUTHOR_NAME: 'you', GIT_AUTHOR_EMAIL: 'you@x', GIT_COMMITTER_NAME: 'you', GIT_COMMITTER_EMAIL: 'you@x' },
}

describe('a daemon', () => {
  const homes: Home[] = []
  const newHome = (config = '') => {
    const home = makeHome(config)
    homes.push(home)
    return home
  }
  afterEach(async () => {
    for (const home of homes.splice(0)) await home.remove()
  })

  it('refuses a typo in its configuration, with the place and the right word', async () => {
    const home = newHome('[runner]\nidle_timeuot = "5m"\n')
    for (const args of [
      ['daemon', 'run'],
      ['config', 'check'],
    ]) {
      const { code, err } = await tdf(home, ...args, '--json')
      expect([code, errorOf(err).code]).toEqual([78, 'CONFIG_INVALID'])
      expect(errorOf(err).message).toMatch(/config\.toml:2:1 .*idle_timeuot.*did you mean "idle_timeout"/)
    }
  })

  it('refuses limits in an impossible order', async () => {
    const home = newHome('[runner]\nmax_execution = "30h"\nabsolute_execution = "24h"\n')
    const { code, err } = await tdf(home, 'config', 'check', '--json')
    expect(code).toBe(78)
    expect(errorOf(err).message).toMatch(/max_execution/)
  })

  it('refuses a state folder that another one holds, and that one goes on', async () => {
    const home = newHome()
    await home.start()
    const { code, err } = await tdf(home, 'daemon', 'run', '--json')
    expect([code, errorOf(err).code]).toEqual([75, 'STATE_LOCKED'])
    expect(errorOf(err).message).toMatch(/\d+/)
    expect((await tdf(home, 'daemon', 'status')).code).toBe(0)
    const third = await tdf(home, 'daemon', 'run')
    expect([third.code, third.out]).toEqual([75, ''])
  })

  it('refuses a corrupt database, says what to do, and changes nothing of it', async () => {
    const home = newHome()
    const daemon = await home.start()
    daemon.kill('SIGTERM')
    await until('it ended', () => hasEnded(daemon))
    const file = databaseOf(home)
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 4096, 12_288)
    writeFileSync(file, bytes)
    const { code, err } = await tdf(home, 'daemon', 'run', '--json')
    expect([code, errorOf(err).code]).toEqual([78, 'STATE_CORRUPT'])
    expect(errorOf(err).message).toContain(path.dirname(file))
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  it('refuses a state folder that it may not write', async () => {
    const home = newHome()
    mkdirSync(path.join(home.dir, 'state'))
    rmSync(path.join(home.dir, 'state'), { recursive: true })
    writeFileSync(path.join(home.dir, 'state'), 'a file')
    const { code, err } = await tdf(home, 'daemon', 'run', '--json')
    expect([code, errorOf(err).code]).toEqual([78, 'STATE_UNWRITABLE'])
  })

  it('starts again after a kill, over its own stale socket', async () => {
    const home = newHome()
    await home.kill(await home.start())
    await home.start()
    expect((await tdf(home, 'daemon', 'status')).code).toBe(0)
  })
})

function databaseOf(home: Home): string {
  const state = path.join(home.dir, 'state')
  const name = readdirSync(state).find(one => /^tdf.*\.db$/.test(one)) ?? ''
  return path.join(state, name)
}
