/** Many tasks in a real terminal with a real daemon behind it: groups, what waits for what, schedules, and budgets in the header. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ScheduleJson } from '../../../src/protocol/upkeep.ts'
import { type GitServer, gitServer } from '../../support/daemon/git-server.ts'
import { tdfWith, until } from '../../support/daemon/home.ts'
import { withDaemon } from '../../support/daemon/with-daemon.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const here = import.meta.dirname
const program = path.join(here, '..', '..', '..', 'dist', 'tdf.js')
const place = mkdtempSync(path.join(tmpdir(), 'tdf-many-'))
const spender = path.join(here, '..', '..', 'fakes', 'programs', 'remembering-agent.mjs')
const { home, repo } = withDaemon(`
[runner]
agent = "slow"
reconcile_interval = "1s"
[nodes]
max_workspaces = 4
[budgets]
day = 2
[agents.slow]
type = "command"
command = ["sh", "-c", "echo at work; sleep 600"]
[agents.quick]
type = "command"
command = ["sh", "-c", "echo done > quick.txt"]
[agents.spender]
type = "claude"
command = ${JSON.stringify([process.execPath, spender, path.join(place, 'notes')])}
`)

const submit = async (...args: string[]) => (await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', ...args)).out.trim()
const isOver = (id: string) => until(`${id} is over`, async () => (await home.task(id)).step === null, 120_000)
const nightly = () => home.client.call<ScheduleJson>({ path: '/schedules/nightly' })

let server: GitServer
let parser: string
let terminal: Tmux
beforeAll(async () => {
  execFileSync('git', ['clone', '--quiet', '--bare', repo.dir, path.join(place, 'shop.git')])
  server = await gitServer(place, null)
  const racers = (await submit('make it faster', '--n', '2', '--agent', 'quick', '--group', 'faster')).split('\n')
  for (const id of racers) await isOver(id)
  await isOver(await submit('cost 1.7', '--agent', 'spender', '--title', 'look at the logs', '--group', 'logs'))
  parser = await submit('write the parser')
  await submit('document it', '--after', parser)
  const lines = path.join(place, 'files.txt')
  writeFileSync(lines, 'one.ts\ntwo.ts\nthree.ts\n')
  await submit('mend {}', '--each', lines, '--group', 'warnings', '--at-most', '1')
  const added = ['schedule', 'add', 'nightly', '30 2 * * *', 'update what is old', '--agent', 'quick']
  await tdfWith(home, { cwd: repo.dir }, ...added, '--tz', 'UTC', '--repo', `${server.url}/shop.git`)
  await until('the parser is written', async () => (await home.task(parser)).step === 'running', 120_000)
}, 300_000)
afterAll(async () => {
  await server.close()
  rmSync(place, { recursive: true, force: true })
})
afterEach(() => terminal.close())

function open([columns, rows]: readonly [number, number], ...args: string[]): Tmux {
  terminal = openTmux(home.env, columns, rows)
  terminal.type(`node ${program} watch ${args.join(' ')}`)
  return terminal
}

describe.each([[60, 20] as const, [100, 30] as const, [160, 45] as const])('at %i×%i', (...size) => {
  it('folds tasks by their groups, and has what is held below what holds it', async () => {
    const { keys, sees } = open(size)
    await sees('write the parser')
    keys('b')
    await sees(/▸ faster .* ✓ 2 {3}won by [12] \(quick\)/)
    await sees(/▸ warnings .*▶ 1 {2}○ 2/)
    await sees(/▸ logs .* 1 task /)
    expect(terminal.lines().join('\n')).toMatch(/ write the parser[^\n]*\n[^\n]* └ document it/)
    keys('/')
    keys('-l', 'mend')
    keys('Enter')
    await sees('1/1')
    await sees('mend two.ts')
    keys('Enter')
    await sees(/▾ warnings /)
    await sees('4')
    expect(terminal.lines().filter(line => /^..\S [a-z ]+ {3,}mend \S+\.ts/.test(line))).toHaveLength(3)
    for (const line of terminal.lines()) expect(line.length).toBeLessThanOrEqual(size[0])
    // Node writes its warnings over the picture.
    expect(terminal.lines().join('\n')).not.toContain('MaxListeners')
    keys('Enter')
    await sees(/▸ warnings /)
    keys('x')
    await sees('cancel 3 tasks of warnings?')
    keys('n', 'i')
    await sees('warnings is a group')
    keys('q')
  }, 180_000)

  it('shows schedules, and what came of one', async () => {
    const { keys, sees } = open(size)
    await sees('● live')
    keys('4')
    await sees(/● active +nightly +in \d+[hm]/)
    keys('Enter')
    await sees('30 2 * * * UTC')
    await sees('its tasks')
    for (const line of terminal.lines()) expect(line.length).toBeLessThanOrEqual(size[0])
    keys('Escape')
    await sees('[4 schedules]')
    keys('q')
  }, 180_000)

  it('has the budget that is nearest to its limit in its header', async () => {
    const { sees, keys } = open(size)
    await sees('$1.70 of $2 today')
    keys('q')
  }, 180_000)
})

it('is told of groups what no task says', async () => {
  open([60, 20])
  const group = { atMost: null, winner: null, ended: { completed: 1 }, costUsd: null }
  expect(await home.client.call({ path: '/groups?name=faster&name=warnings&name=logs&name=nothing' })).toEqual([
    { ...group, name: 'faster', kind: 'race', winner: expect.stringMatching(/^\w{10}$/), ended: { completed: 2 } },
    { ...group, name: 'warnings', kind: 'each', atMost: 1, ended: {} },
    { ...group, name: 'logs', kind: 'set', costUsd: 1.7 },
  ])
})

it('runs a schedule, pauses it and lets it go on, once it was asked; with --read-only it says why not', async () => {
  const first = open([100, 30], '--read-only')
  await first.sees('● live')
  first.keys('4')
  await first.sees('nightly')
  first.keys('r')
  await first.sees('read only: run does nothing here')
  first.keys('q')
  first.close()
  const { keys, sees } = open([100, 30])
  await sees('● live')
  keys('4')
  await sees('nightly')
  keys('r')
  await sees('submit the task of nightly now?')
  keys('n')
  expect((await nightly()).runs).toEqual([])
  keys('r')
  await sees('y/N')
  keys('y')
  await sees(/submitted \w+ for nightly/)
  const [run] = (await nightly()).runs
  await isOver(run?.task ?? '')
  await sees(/~ unverified/)
  await sees('1 good')
  keys('Enter')
  await sees(`${run?.task} unverified`)
  keys('p')
  await sees('pause nightly')
  keys('y')
  await sees('= paused')
  expect((await nightly()).state).toBe('paused')
  keys('p')
  await sees('let nightly go on')
  keys('y')
  await sees('● active')
  expect((await nightly()).state).toBe('active')
  keys('q')
}, 180_000)

it('says how many tasks rest once a budget is used', async () => {
  const { sees, keys } = open([100, 30])
  await sees('$1.70 of $2 today')
  await submit('cost 1', '--agent', 'spender')
  await sees(/\$2\.70 of \$2 today: \d rest/)
  keys('q')
}, 180_000)
