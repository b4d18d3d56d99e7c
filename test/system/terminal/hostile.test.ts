/** What nodes, repositories and agents wrote, in a real terminal: every byte that reaches it is one of ours. */
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdfWith, until } from '../../support/daemon/home.ts'
import { HOSTILE, hostileProxy, MARK, OBEYED, OWN } from '../../support/daemon/hostile-proxy.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')
const all = Object.values(HOSTILE).join('')

let home: Home
let repo: ReturnType<typeof makeRepository>
let proxy: Awaited<ReturnType<typeof hostileProxy>>
let terminal: Tmux
let live: string

beforeAll(async () => {
  home = makeHome('[nodes]\nmax_workspaces = 4\n')
  repo = makeRepository()
  await home.start()
  const submit = async (script: string, ...more: string[]) => {
    const words = ['submit', '-q', '--title', `t${all.replaceAll('\0', '')}`, ...more, '--', 'sh', '-c', script]
    return (await tdfWith(home, { cwd: repo.dir }, ...words)).out.trim()
  }
  const hostile = String.raw`printf 'hi \033]52;c;AAAA\007 \033[2J \r over\n'; printf x > "$(printf 'a\033[31mb')"`
  const done = await submit(`${hostile}; git add -A; git commit -qm "$(printf 'm\\033[2J')"`)
  live = await submit(`${hostile}; sleep 600`)
  await until('one is over', async () => (await home.task(done)).step === null, 120_000)
  await until('one runs', async () => (await home.task(live)).step === 'running', 120_000)
  proxy = await hostileProxy(home)
}, 300_000)
afterAll(async () => {
  await proxy.stop()
  await home.remove()
  repo.remove()
}, 60_000)
afterEach(() => terminal.close())

function isHarmless(written: string): void {
  const left = written.replaceAll(OWN, '')
  expect(OBEYED.exec(left)?.[0] ?? null, JSON.stringify(left.slice(0, 2_000))).toBeNull()
  for (const text of ['\x1b[3J', '\x1bc', 'pwn', 'AAAA']) expect(written).not.toContain(text)
  expect(terminal.title()).not.toContain('pwn')
}

it('is harmless on every screen of the dashboard', async () => {
  terminal = openTmux(proxy.env, 120, 40)
  const written = terminal.record()
  terminal.type(`node ${program} watch; echo "left with $?"`)
  const { keys, sees } = terminal
  await sees('● live')
  await sees(MARK)
  keys('G', 'Enter')
  await sees('[log]')
  for (const pane of ['check', 'diff', 'events', 'prompt']) {
    keys('Tab')
    await sees(`[${pane}]`)
    await sees(/─ t|EVIL|poisoned/)
  }
  // What follows an escape at once is read as one key with it.
  keys('Escape')
  await sees('STATE')
  keys('g', 'x')
  await sees('y/N')
  keys('n', '2')
  await sees(/ready +EVIL/)
  keys('d')
  await sees('y/N')
  keys('n', '3')
  await sees(/task\.step/)
  keys('1', 's')
  await sees('s goes back')
  await sees(/^ over/m)
  keys('s')
  await sees('● live')
  keys('q')
  await sees('left with 0')
  isHarmless(written())
}, 300_000)

it('is harmless beside the live line of a task', async () => {
  terminal = openTmux(proxy.env, 100, 24)
  const written = terminal.record()
  terminal.type(`node ${program} watch ${live}; echo "left with $?"`)
  await terminal.sees(/● running the agent +\w+ .*EVIL/)
  await terminal.sees(new RegExp(`^${live} +EVIL`, 'm'))
  terminal.keys('C-c')
  await terminal.sees('left with 130')
  isHarmless(written())
}, 180_000)
