/** Every command with a task that is there, one that is not, one in the wrong state, no daemon, and a wrong flag. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../src/protocol/control.ts'
import { cli as tdf, cliWith as tdfWith } from '../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../support/home.ts'

let home: Home
let nobody: Home
let repo: ReturnType<typeof makeRepository>
let done: string
let live: string

beforeAll(async () => {
  home = makeHome()
  nobody = makeHome()
  repo = makeRepository()
  await home.start()
  const submit = (script: string, ...more: string[]) =>
    tdf(home, 'submit', '--repo', repo.dir, '-q', ...more, '--', 'sh', '-c', script)
  done = (await submit('echo out; echo hi > N; git add -A; git commit -qm n', '--wait')).out.trim()
  await until('it is over', async () => (await home.task(done)).step === null)
  live = (await submit('echo begun; sleep 600')).out.trim()
  await until('it runs', async () => (await home.task(live)).step === 'running')
})
afterAll(async () => {
  await home.remove()
  await nobody.remove()
  repo.remove()
})

/** TASK stands for the task that is over. */
const ON_TASK = [
  ['show', 'TASK'],
  ['why', 'TASK'],
  ['logs', 'TASK'],
  ['wait', 'TASK'],
  ['watch', 'TASK'],
  ['diff', 'TASK'],
  ['diff', 'TASK', '--stat'],
]
const ELSEWHERE = [
  ['retry', 'TASK'],
  ['cancel', 'TASK'],
  ['send', 'TASK', 'more'],
  ['apply', 'TASK'],
  ['pull', 'TASK'],
]
const MORE = [
  ['shell', 'TASK'],
  ['rm', 'TASK'],
]
const NO_TASK = [
  ['ls'],
  ['ls', '--all', '--status', 'completed'],
  ['events'],
  ['errors'],
  ['node', 'ls'],
  ['node', 'show', 'local'],
  ['daemon', 'status'],
]

const named = (args: string[], task: string) => args.map(word => (word === 'TASK' ? task : word))
const errorOf = (err: string) => JSON.parse(err.trim().split('\n').at(-1) ?? '').error

describe('with what it needs', () => {
  it.each([...ON_TASK, ...NO_TASK].map(args => [args.join(' '), args] as const))('tdf %s', async (_, args) => {
    const table = await tdf(home, ...named(args, done))
    expect(table).toMatchObject({ code: 0 })
    expect(table.out).not.toBe('')
    if (args[0] === 'logs' || args[0] === 'diff') return
    const json = await tdf(home, ...named(args, done), '--json')
    expect(json).toMatchObject({ code: 0, err: '' })
    expect(() => JSON.parse(json.out)).not.toThrow()
  })

  it('takes a prefix and @last', async () => {
    expect((await tdf(home, 'show', done.slice(0, 6), '-q')).out).toBe(`${done}\n`)
    expect((await tdf(home, 'show', '@last', '-q')).out).toBe(`${live}\n`)
  })

  it('lists ids, lines and tables, and nothing is a list too', async () => {
    expect((await tdf(home, 'ls', '-q')).out.trim().split('\n').sort()).toEqual([done, live].sort())
    const lines = (await tdf(home, 'ls', '-o', 'ndjson')).out.trim().split('\n')
    expect(lines.map(line => (JSON.parse(line) as TaskJson).schema)).toEqual(['tdf.task.v1', 'tdf.task.v1'])
    expect((await tdf(home, 'ls', '-o', 'wide')).out).toMatch(/^ID +STATUS .*BRANCH/)
    expect((await tdf(home, 'ls', '--status', 'parked', '--json')).out).toBe('[]\n')
  })

  it('waits for less than the end', async () => {
    expect((await tdf(home, 'wait', live, '--for', 'running', '--json')).code).toBe(0)
    expect((await tdf(home, 'wait', live, '--for', 'step=running', '--timeout', '5s')).code).toBe(0)
  })

  it('stops waiting after a time, and the task goes on', async () => {
    const { code, err } = await tdf(home, 'wait', live, '--timeout', '200ms', '--json')
    expect([code, errorOf(err).code]).toEqual([124, 'WAIT_TIMEOUT'])
    expect((await home.task(live)).status).toBe('in_progress')
  })

  it('writes events one a line, from where somebody was', async () => {
    const { out } = await tdf(home, 'events', '-o', 'ndjson')
    const events = out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(Object.keys(events[0])).toEqual(['seq', 'at', 'type', 'taskId', 'nodeName', 'step', 'attempt', 'data'])
    const rest = await tdf(home, 'events', '-o', 'ndjson', '--since', String(events.at(-2).seq))
    expect(rest.out.trim().split('\n')).toHaveLength(1)
  })

  it('reads tasks from stdin, and says of each what came of it', async () => {
    const { code, err } = await tdfWith(home, { input: `${done}\nnothing\n` }, 'cancel', '-')
    expect(code).toBe(5)
    expect(err).toContain('WRONG_STATE')
    expect(err).toContain('NOT_FOUND')
  })
})

describe('of a task that is not there', () => {
  it.each([...ON_TASK, ...ELSEWHERE, ...MORE].map(args => [args.join(' '), args] as const))(
    'tdf %s',
    async (_, args) => {
      const { code, out, err } = await tdfWith(home, { cwd: repo.dir }, ...named(args, 'nonesuch'), '--json')
      expect([code, out, errorOf(err).code]).toEqual([3, '', 'NOT_FOUND'])
      expect(errorOf(err).hint).toMatch(/^tdf /)
    },
  )

  it('tdf node show', async () => {
    expect((await tdf(home, 'node', 'show', 'nonesuch')).code).toBe(3)
  })
})

describe('of a task in the wrong state', () => {
  it.each([
    ['retry', ['retry', 'LIVE'], 'WRONG_STATE'],
    ['rm', ['rm', 'LIVE'], 'WRONG_STATE'],
    ['diff', ['diff', 'LIVE'], 'NO_RESULT'],
    ['apply', ['apply', 'LIVE'], 'NO_RESULT'],
    ['pull', ['pull', 'LIVE'], 'NO_RESULT'],
    ['cancel', ['cancel', 'DONE'], 'WRONG_STATE'],
    ['send', ['send', 'DONE', 'more'], 'WRONG_STATE'],
    ['shell', ['shell', 'DONE'], 'WRONG_STATE'],
  ])('tdf %s', async (_, args, expected) => {
    const words = args.map(word => (word === 'LIVE' ? live : word === 'DONE' ? done : word))
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, ...words, '--json')
    expect([code, errorOf(err).code]).toEqual([5, expected])
  })

  it('tdf node rm of a node that has work, or is configured', async () => {
    const { code, err } = await tdf(home, 'node', 'rm', 'local', '--json')
    expect([code, errorOf(err).code]).toEqual([5, 'WRONG_STATE'])
  })
})

describe('without a daemon', () => {
  it.each(
    [...ON_TASK, ...ELSEWHERE, ...MORE, ...NO_TASK, ['daemon', 'stop']].map(args => [args.join(' '), args] as const),
  )('tdf %s', async (_, args) => {
    const { code, out, err } = await tdfWith(nobody, { cwd: repo.dir }, ...named(args, 'abcd'), '--json')
    expect([code, out, errorOf(err).code]).toEqual([69, '', 'DAEMON_UNREACHABLE'])
    expect(errorOf(err).hint).toBe('tdf daemon run')
  })

  it('tdf version works all the same', async () => {
    const { code, out } = await tdf(nobody, 'version', '--json')
    expect([code, JSON.parse(out).daemon]).toEqual([0, null])
  })
})

describe('with a wrong flag', () => {
  it.each(
    [...ON_TASK, ...ELSEWHERE, ...MORE, ...NO_TASK, ['submit', 'x'], ['config', 'show']].map(
      args => [args.join(' '), args] as const,
    ),
  )('tdf %s', async (_, args) => {
    const { code, out, err } = await tdf(nobody, ...named(args, 'abcd'), '--no-such-flag')
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/unknown option '--no-such-flag'/)
  })

  it.each([
    ['ls', ['ls', '--status', 'sleeping']],
    ['wait', ['wait', 'TASK', '--timeout', '5']],
    ['wait --for', ['wait', 'TASK', '--for', 'lunch']],
    ['output', ['ls', '-o', 'xml']],
    ['a command', ['lst']],
    ['an argument', ['ls', 'too', 'many']],
  ])('of %s', async (_, args) => {
    expect((await tdf(home, ...named(args, done))).code).toBe(2)
  })

  it('is an error as JSON, too', async () => {
    const { code, err } = await tdf(home, 'ls', '--no-such-flag', '--json')
    expect([code, errorOf(err).code]).toEqual([2, 'USAGE'])
  })
})

describe('the rest of a life', () => {
  it('a task is tried again, and forgotten with its result', async () => {
    expect((await tdf(home, 'retry', done, '--json')).code).toBe(0)
    const waited = JSON.parse((await tdf(home, 'wait', done, '--json')).out) as TaskJson
    expect([waited.attempt, waited.status]).toEqual([2, 'completed'])
    await until('it is over', async () => (await home.task(done)).step === null)
    expect((await tdf(home, 'prune', '--older-than', '30d')).code).toBe(0)
    expect((await tdf(home, 'rm', done)).code).toBe(0)
    expect((await tdf(home, 'show', done)).code).toBe(3)
  })

  it('the same key is the same task', async () => {
    const submit = (script: string) =>
      tdf(home, 'submit', '--repo', repo.dir, '--idempotency-key', 'k1', '--json', '--', 'sh', '-c', script)
    const first = JSON.parse((await submit('true')).out) as TaskJson
    const again = await submit('true')
    expect([again.code, JSON.parse(again.out).id]).toEqual([0, first.id])
    const other = await submit('false')
    expect([other.code, errorOf(other.err).code]).toEqual([5, 'IDEMPOTENCY_CONFLICT'])
  })

  it('a dry run changes nothing', async () => {
    const before = (await tdf(home, 'ls', '-q')).out
    const { code, out } = await tdf(home, 'submit', '--repo', repo.dir, '-n', '--json', '--', 'true')
    expect([code, JSON.parse(out).id]).toEqual([0, null])
    expect((await tdf(home, 'ls', '-q')).out).toBe(before)
  })

  it('a node is drained and taken back', async () => {
    expect(JSON.parse((await tdf(home, 'node', 'drain', 'local', '--json')).out).status).toBe('draining')
    expect(JSON.parse((await tdf(home, 'node', 'drain', 'local', '--undo', '--json')).out).status).toBe('ready')
  })
})
