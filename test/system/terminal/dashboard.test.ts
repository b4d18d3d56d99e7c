/** The dashboard in a real terminal, with a real daemon behind it: what one sees, and what is left when one leaves. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdfWith, until } from '../../support/daemon/home.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')

let home: Home
let repo: ReturnType<typeof makeRepository>
let terminal: Tmux
let daemon: Awaited<ReturnType<Home['start']>>

async function submit(title: string, script: string): Promise<string> {
  const { out } = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--title', title, '--', 'sh', '-c', script)
  return out.trim()
}

let slow: string
beforeAll(async () => {
  home = makeHome('[nodes]\nmax_workspaces = 2\n')
  repo = makeRepository()
  daemon = await home.start()
  slow = await submit('count to a thousand', 'for n in $(seq 1000); do echo number $n; sleep 1; done')
  const quick = await submit('write a note', 'echo hi > note.txt; printf "\\033]0;evil\\007\\033[2Jshown\\n"')
  await until('one is done', async () => (await home.task(quick)).status === 'completed', 120_000)
  await until('one runs', async () => (await home.task(slow)).step === 'running', 120_000)
}, 300_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
}, 60_000)
afterEach(() => terminal.close())

function open(columns: number, rows: number, ...args: string[]): Tmux {
  terminal = openTmux(home.env, columns, rows)
  terminal.type(`echo before; node ${program} watch ${args.join(' ')}; echo "left with $?"`)
  return terminal
}

/** The shell has its screen, its cursor and its modes. */
async function isClean(code: number): Promise<void> {
  await terminal.sees(`left with ${code}`)
  expect([terminal.isAlternate(), terminal.hasCursor()]).toEqual([false, true])
  expect(terminal.lines().join('\n')).toContain('before')
  terminal.type('stty -a | grep -o " icanon\\| echo " | tr "\\n" " "; echo modes')
  await terminal.sees(/ icanon +echo +modes/)
}

const SIZES = [
  [80, 24],
  [120, 40],
  [50, 10],
] as const

describe.each(SIZES)('at %i×%i', (columns, rows) => {
  it('shows the tasks, opens one, shows its log, and leaves a clean terminal', async () => {
    const { keys, sees } = open(columns, rows)
    await sees('[1 tasks]')
    await sees('running')
    expect(terminal.isAlternate()).toBe(true)
    const lines = terminal.lines()
    expect(lines).toHaveLength(rows)
    expect(lines.at(-2)).toContain('q quit')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    keys('g', 'Enter')
    await sees(/number \d+/)
    keys('Escape')
    await sees('[1 tasks]')
    keys('2')
    await sees('local')
    keys('?')
    await sees('keys for the nodes')
    keys('q', 'q')
    await isClean(0)
  }, 180_000)
})

it('is drawn anew in every size that the window takes', async () => {
  const { sees, resize } = open(100, 30)
  await sees('count to a thousand')
  for (const [columns, rows] of [
    [60, 12],
    [140, 40],
    [40, 8],
    [80, 24],
  ] as const) {
    resize(columns, rows)
    if (columns < 50) await sees('window too small')
    else await until('it fills the window', () => terminal.lines().at(-2)?.includes('q quit') === true)
    expect(terminal.lines().filter(line => line.includes('[1 tasks]')).length).toBe(columns < 50 ? 0 : 1)
  }
  terminal.keys('q')
  await isClean(0)
}, 180_000)

it('comes back from Ctrl-Z', async () => {
  const { sees, keys, type } = open(80, 24)
  await sees('[1 tasks]')
  keys('C-z')
  await sees('Stopped')
  expect([terminal.isAlternate(), terminal.hasCursor()]).toEqual([false, true])
  type('fg')
  await sees('[1 tasks]')
  keys('2')
  await sees('[2 nodes]')
  keys('q')
  await until('it has left', () => !terminal.isAlternate())
  expect(terminal.hasCursor()).toBe(true)
}, 180_000)

it.each([
  ['C-c', 0],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)(
  'leaves a clean terminal on %s',
  async (how, code) => {
    const { sees, keys } = open(80, 24)
    await sees('[1 tasks]')
    if (how === 'C-c') keys(how)
    else process.kill(terminal.child(), how)
    await isClean(code)
  },
  180_000,
)

it('asks before it cancels, says so, and never does it with --read-only', async () => {
  const id = await submit('to be cancelled', 'sleep 600')
  await until('it runs', async () => (await home.task(id)).step === 'running', 120_000)
  const first = open(100, 30, '--read-only')
  await first.sees('to be cancelled')
  first.keys('x')
  first.keys('?')
  await first.sees('keys for the tasks')
  expect(first.lines().join('\n')).not.toContain('cancel;')
  first.keys('q', 'q')
  await isClean(0)
  terminal.close()
  const { sees, keys } = open(100, 30)
  await sees('to be cancelled')
  keys('/')
  await sees(/ \/$/m)
  terminal.keys('-l', 'cancelled')
  keys('Enter')
  await sees('1/1')
  keys('x')
  await sees(`cancel ${id}`)
  keys('n')
  keys('x')
  await sees('y/N')
  expect((await home.task(id)).status).toBe('in_progress')
  keys('y')
  await sees('being cancelled')
  await until('it is cancelled', async () => (await home.task(id)).status === 'cancelled', 120_000)
  keys('q')
  await isClean(0)
}, 300_000)

it('shows nothing harmful of what an agent printed', async () => {
  const { sees, keys } = open(100, 30)
  await sees('write a note')
  keys('G')
  await sees('│ shown')
  expect(terminal.title()).not.toContain('evil')
  expect(terminal.lines()[0]).toContain('[1 tasks]')
  keys('q')
  await isClean(0)
}, 180_000)

it('outlives its daemon and goes on with the next one', async () => {
  const { sees, keys } = open(100, 30)
  await sees('● live')
  await home.kill(daemon)
  await sees('daemon away')
  daemon = await home.start()
  await sees('● live')
  keys('q')
  await isClean(0)
}, 180_000)

it('is drawn without colours with NO_COLOR, and also where CI is set', async () => {
  terminal = openTmux({ ...home.env, NO_COLOR: '1', CI: 'true' }, 80, 24)
  terminal.type(`node ${program} watch; echo "left with $?"`)
  await terminal.sees('[1 tasks]')
  // Bold and inverse stay: the selection has to be seen.
  const numbers = terminal.looks().flatMap(look => look.slice(1, -1).split(';'))
  expect(numbers.filter(number => /^[39][0-7]$/.test(number))).toEqual([])
  expect(numbers).toContain('7')
  terminal.keys('q')
  await terminal.sees('left with 0')
}, 180_000)

it('has the times of a log before its lines after t, in the pager as well, and takes them away again', async () => {
  const pager = path.join(home.dir, 'pager-of-times')
  writeFileSync(pager, '#!/bin/sh\nhead -n 3 "$1"; read -r answer; echo "read $answer"\n', { mode: 0o755 })
  terminal = openTmux({ ...home.env, PAGER: pager }, 100, 30)
  terminal.type(`echo before; node ${program} watch; echo "left with $?"`)
  const { sees, keys } = terminal
  await sees('● live')
  keys('/')
  keys('-l', 'thousand')
  keys('Enter')
  await sees(/ 1\/1 *$/m)
  keys('Enter')
  await sees(/^ number \d+ *$/m)
  keys('t')
  await sees(/^ \d\d:\d\d:\d\d {2}number \d+ *$/m)
  keys('e')
  await sees(/^\d\d:\d\d:\d\d {2}number 1$/m)
  keys('Enter')
  await sees('[log]')
  keys('t')
  await sees(/^ number \d+ *$/m)
  keys('q')
  await isClean(0)
}, 180_000)

it('searches the log, shows all of it in a pager, and takes its keys from the configuration', async () => {
  const pager = path.join(home.dir, 'pager')
  writeFileSync(pager, '#!/bin/sh\nwc -l <"$1"; grep -n "^number 1$" "$1"; read -r answer; echo "read $answer"\n', {
    mode: 0o755,
  })
  terminal = openTmux(
    { ...home.env, PAGER: pager, TDF_TUI__KEYS__QUIT: '["Q"]', TDF_TUI__KEYS__PAGER: '["P"]' },
    100,
    30,
  )
  terminal.type(`echo before; node ${program} watch; echo "left with $?"`)
  const { sees, keys } = terminal
  await sees('Q quit')
  keys('/')
  keys('-l', 'thousand')
  keys('Enter')
  await sees('1/1')
  keys('Enter')
  await sees('[log]')
  await sees(/number (?:[4-9]|\d{2,})$/m)
  keys('/')
  keys('-l', 'number 3')
  keys('Enter')
  await sees(/\/number 3 +\d+ of \d+/)
  keys('n')
  await sees(/› ?number 3/)
  keys('P')
  await sees('1:number 1')
  expect(terminal.isAlternate()).toBe(false)
  // What is typed is for the pager, and the dashboard comes back with its keys.
  keys('-l', 'Q')
  keys('Enter')
  await sees('[log]')
  // At once, as one input: the first takes the search away, the second leaves the task.
  keys('Escape', 'Escape')
  await sees('1/1')
  keys('Q')
  await isClean(0)
  expect(terminal.lines().join('\n')).toContain('read Q')
}, 180_000)
