/** Every command with what it needs, with what is not there, in the wrong state, without a daemon, with a wrong flag. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { cli, cliWith, type Terminal } from '../../../support/cli.ts'
import { commandPaths, runs } from '../../../support/command-tree.ts'
import { type Home, makeHome, makeRepository, type Ran, tdfWith, until } from '../../../support/daemon/home.ts'
import { ROWS, type Row } from './rows.ts'

let home: Home
let nobody: Home
let repo: ReturnType<typeof makeRepository>
const tasks = { DONE: '', LIVE: '', ASKS: '', NONE: 'nonesuch' }

beforeAll(async () => {
  home = makeHome()
  nobody = makeHome()
  repo = makeRepository()
  await home.start()
  const submit = async (script: string, ...more: string[]) =>
    (await cli(home, 'submit', '--repo', repo.dir, '-q', ...more, '--', 'sh', '-c', script)).out.trim()
  tasks.DONE = await submit('echo out; echo hi > N; git add -A; git commit -qm n', '--label', 'a=b')
  tasks.ASKS = await submit('true', '--interactive')
  tasks.LIVE = await submit('echo begun; sleep 600')
  await until('it is over', async () => (await home.task(tasks.DONE)).step === null, 60_000)
  await until('it asks', async () => (await home.task(tasks.ASKS)).step === 'awaiting_followup', 60_000)
  await until('it runs', async () => (await home.task(tasks.LIVE)).step === 'running', 60_000)
}, 120_000)
afterAll(async () => {
  await home.remove()
  await nobody.remove()
  repo.remove()
})

type Name = 'ok' | 'notFound' | 'wrongState' | 'down'

/** The commands that have such a case, each with its words. */
function cases(name: Name): [string, readonly string[], Row][] {
  return Object.entries(ROWS).flatMap(([path, row]) => {
    const words = row[name]
    return typeof words === 'string' ? [] : [[path, words, row] as [string, readonly string[], Row]]
  })
}

const named = (words: readonly string[]) =>
  words.map(word => (word === 'REPO' ? repo.dir : ((tasks as Record<string, string>)[word] ?? word)))

/** `--json` goes before a `--`, behind which everything is the command of the task. */
function lineOf(path: string, words: readonly string[], ...options: string[]): string[] {
  const all = named(words)
  const dashes = all.indexOf('--')
  return [...path.split(' '), ...(dashes < 0 ? [...all, ...options] : all.toSpliced(dashes, 0, ...options))]
}

function run(where: Home, { isChild }: Row, line: readonly string[]): Promise<Ran> {
  const place: Terminal = { cwd: repo.dir }
  return isChild ? tdfWith(where, place, ...line) : cliWith(where, place, ...line)
}

async function expectError({ code, out, err }: Ran, exit: number, name: RegExp): Promise<void> {
  expect([code, out]).toEqual([exit, ''])
  const { error } = JSON.parse(err.trim().split('\n').at(-1) ?? '')
  expect(error.code).toMatch(name)
  await runs(error.hint)
}

it('has a row for every command of the tree, and no other', () => {
  expect(Object.keys(ROWS).sort()).toEqual(commandPaths().sort())
})

describe('with what it needs', () => {
  it.each(cases('ok'))('tdf %s', async (path, words, row) => {
    const table = await run(home, row, lineOf(path, words))
    expect(table).toMatchObject({ code: row.exit ?? 0 })
    if (row.isText) return expect(table.err).toBe('')
    // What `apply` and `pull` did is taken back, so that they can do it again.
    execFileSync('git', ['clean', '-fdq'], { cwd: repo.dir })
    const json = await run(home, row, lineOf(path, words, '--json'))
    expect(json.code).toBe(row.exit ?? 0)
    expect(() => JSON.parse(json.out)).not.toThrow()
    expect(json.out.trim().split('\n').length === 1 || words.includes('-n') || path === 'config schema').toBe(true)
  })
})

describe('of what is not there', () => {
  it.each(cases('notFound'))('tdf %s', async (path, words, row) => {
    await expectError(await run(home, row, lineOf(path, words, '--json')), 3, /^NOT_FOUND$/)
  })
})

describe('in the wrong state', () => {
  it.each(cases('wrongState'))('tdf %s', async (path, [code = '', ...words], row) => {
    const exit = /LOCKED|RUNNING/.test(code) ? 75 : 5
    await expectError(await run(home, row, lineOf(path, words, '--json')), exit, new RegExp(`^(${code})$`))
  })
})

describe('without a daemon', () => {
  it.each(cases('down'))('tdf %s', async (path, words, row) => {
    await expectError(await run(nobody, row, lineOf(path, words, '--json')), 69, /^DAEMON_UNREACHABLE$/)
  })

  it('says so in words, too', async () => {
    const { code, err } = await cli(nobody, 'ls')
    expect([code, err.split('\n').slice(1)]).toEqual([
      69,
      ['  hint: tdf daemon start', '  code: DAEMON_UNREACHABLE', ''],
    ])
  })

  it('tdf version and doctor work all the same', async () => {
    const version = await cli(nobody, 'version', '--json')
    expect([version.code, JSON.parse(version.out).daemon]).toEqual([0, null])
    expect((await cli(nobody, 'doctor')).code).toBe(1)
  })
})

describe('as csv', () => {
  const expectRefused = ({ code, out, err }: Ran, path: string) => {
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(new RegExp(`^error: csv is a form of lists, and tdf ${path} is none$`, 'm'))
  }

  it.each(cases('down'))('tdf %s is rows, or is refused before it does anything', async (path, words, row) => {
    const refused = await run(nobody, row, lineOf(path, words, '-o', 'csv'))
    if (refused.code !== 69) return expectRefused(refused, path)
    if (typeof row.ok === 'string') return
    expect((await run(home, row, lineOf(path, row.ok, '-o', 'csv'))).out).toMatch(/^[a-z_-]+(,|$)/m)
  })

  it.each(cases('ok').filter(([, , { down }]) => typeof down === 'string'))('tdf %s is so, too', async (...one) => {
    const [path, words, row] = one
    const ran = await run(nobody, row, lineOf(path, words, '-o', 'csv'))
    if (ran.code === 2) return expectRefused(ran, path)
    expect(ran.out).toMatch(/^[a-z_-]+(,|$)/m)
  })
})

describe('with a wrong flag', () => {
  it.each(commandPaths())('tdf %s', async path => {
    const { code, out, err } = await cli(nobody, ...path.split(' '), '--no-such-flag')
    expect([code, out]).toEqual([2, ''])
    expect(err).toBe(`error: unknown option '--no-such-flag'\n  hint: tdf ${path} --help\n  code: USAGE\n`)
  })

  it.each([
    ['ls', ['ls', '--status', 'sleeping'], /is not a valid status/],
    ['a time without a unit', ['wait', 'DONE', '--timeout', '5'], /is not a valid duration/],
    ['a goal', ['wait', 'DONE', '--for', 'lunch'], /done, running/],
    ['a form', ['ls', '-o', 'xml'], /xml/],
    ['a column', ['ls', '--columns', 'id,colour'], /unknown column "colour"; valid are: id, status/],
    ['an order', ['ls', '--sort', 'colour'], /unknown column "colour"/],
    ['a command', ['lst'], /'lst' \(did you mean list\?\)/],
    ['a command of a command', ['node', 'sho'], /'sho' \(did you mean show\?\)/],
    ['an option', ['ls', '--al'], /'--al' \(did you mean --all\?\)/],
    ['an argument', ['ls', 'too', 'many'], /too many arguments/],
    ['no tasks', ['cancel'], /which tasks\?/],
    ['tasks and a selection', ['cancel', 'DONE', '--label', 'a=b'], /not both/],
    ['a label', ['ls', '--label', 'x'], /key=value/],
  ])('of %s', async (_, words, message) => {
    const { code, out, err } = await cli(home, ...named(words), '--json')
    expect([code, out]).toEqual([2, ''])
    const { error } = JSON.parse(err)
    expect([error.code, error.message]).toEqual(['USAGE', expect.stringMatching(message)])
    await runs(error.hint)
  })
})

describe('the last of this file', () => {
  it('the daemon stops, and what ran is there at the next start', async () => {
    expect(JSON.parse((await cli(home, 'daemon', 'stop', '--json')).out)).toMatchObject({ home: home.dir })
    await home.start()
    expect(((await home.task(tasks.LIVE)) as TaskJson).status).toBe('in_progress')
  })
})
