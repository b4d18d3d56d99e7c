/**
 * The built program in a real terminal at four sizes, dark, light and without colours: list, an open task, failure card, node
 * pane, form of a new task and `tdf top`, as golden frames. `npm run golden` does not write them; `vitest -u` on this file does.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ScreenTaskJson } from '../../../src/protocol/screen.ts'
import { type FakeControl, fakeControl } from '../../fakes/control.ts'
import { until } from '../../support/daemon/home.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'
import { aNode, aRow } from '../../support/screen/tui.tsx'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')
const golden = path.join(import.meta.dirname, '..', '..', 'golden', 'terminal')

const DAY_MS = 24 * 3_600_000
/** Ages of days and a half: the frames are the same however slow the machine is. */
const daysAgo = (days: number) => new Date(Date.now() - (days + 0.5) * DAY_MS - 1_800_000).toISOString()
const node = { name: 'box1', provider: 'static', size: 'medium', location: 'fsn1', autoProvisioned: false }
const session = { status: 'running', exitCode: null, signal: null, resumeRef: null, agentVersion: null, model: null }
const FAILED = 'f5d8s3k1fg'
const RUNNING = 'k7f3q2x9ab'
const QUEUED = 'h5d8s3k1fg'

const tasks = (): ScreenTaskJson[] => [
  aRow({
    id: RUNNING,
    title: 'remove the legacy payment adapter',
    status: 'in_progress',
    step: 'running',
    node,
    session: { ...session, agent: 'claude', id: 's1' },
    stepEnteredAt: daysAgo(1),
    createdAt: daysAgo(1),
  }),
  aRow({
    id: FAILED,
    title: 'make the search faster',
    agent: 'codex',
    status: 'failed',
    step: null,
    verdict: 'check_failed',
    session: { ...session, agent: 'codex', id: 's2', status: 'exited' },
    result: {
      branch: 'tdf/faster',
      commit: '9e1f0c6b5a4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f',
      ahead: 2,
      filesChanged: 3,
      insertions: 41,
      deletions: 12,
      summary: null,
      salvaged: false,
      check: { command: 'npm test', exitCode: 1, base: null },
    },
    error: {
      code: 'CHECK_FAILED',
      message: 'the check ended with exit code 1',
      hint: `tdf logs ${FAILED} --failed`,
      step: 'salvage',
      class: 'permanent',
    },
    createdAt: daysAgo(4),
    completedAt: daysAgo(3),
  }),
  aRow({ id: QUEUED, title: 'migrate the tests to vitest', stepEnteredAt: daysAgo(2), createdAt: daysAgo(2) }),
  aRow({
    id: 'm4c2j8z6pq',
    title: 'update the dependencies',
    status: 'completed',
    step: null,
    verdict: 'verified',
    createdAt: daysAgo(6),
    completedAt: daysAgo(5),
  }),
  aRow({
    id: 'u4c2j8z6pq',
    title: 'try another colour',
    status: 'completed',
    step: null,
    verdict: 'unverified',
    createdAt: daysAgo(7),
    completedAt: daysAgo(6),
  }),
]

const WHYS = {
  [QUEUED]: 'It waits for a slot: box1: 3 of 3 slots are in use; it is number 24 of 28 in the queue.',
}
const LOGS = {
  [RUNNING]: 'read src/pay/adapter.ts\nEdit src/pay/adapter.ts\n',
  [FAILED]: 'changed the index\n',
  [`${FAILED} check`]:
    '> site@1.0.0 test\n\n ✓ search.test.ts (4)\n ✗ speed.test.ts: 812 ms, at most 500\n\n1 failed, 4 passed\n',
}

let folder: string
let control: FakeControl
let terminal: Tmux
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-frames-'))
  const load = { cpuPercent: 92, memoryPercent: 71, diskPercent: 38, at: new Date(Date.now() + DAY_MS).toISOString() }
  const nodes = [
    aNode({
      name: 'box1',
      provider: 'static',
      workspaces: 3,
      size: 'medium',
      location: 'fsn1',
      load,
      createdAt: daysAgo(9),
    }),
    aNode({
      name: 'tdf-3f9a',
      provider: 'hetzner',
      status: 'creating',
      workspaces: 0,
      pricePerHour: 0.0083,
      createdAt: daysAgo(8),
    }),
  ]
  control = await fakeControl(path.join(folder, 's'), { tasks: tasks(), nodes, whys: WHYS, logs: LOGS })
})
afterAll(async () => {
  await control.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
})
afterEach(() => terminal.close())

const LOOKS = {
  dark: { TDF_TUI__THEME: 'dark' },
  light: { TDF_TUI__THEME: 'light' },
  plain: { NO_COLOR: '1' },
} as const
type LookName = keyof typeof LOOKS

interface Window {
  columns: number
  rows: number
  /** The colour behind the text that the terminal answers with; none: it does not answer. */
  paper?: string
  env: Record<string, string>
}

function open(look: LookName, columns: number, rows: number, words: string): Tmux {
  return start({ columns, rows, env: LOOKS[look] }, words)
}

function start({ columns, rows, paper, env: more }: Window, words: string): Tmux {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, TDF_HOME: folder, TDF_HOST: control.socket, TZ: 'UTC' }
  terminal = openTmux({ ...env, ...more }, columns, rows)
  if (paper !== undefined) terminal.paper(paper)
  terminal.type(`clear; node ${program} ${words}`)
  return terminal
}

/** The terminal may have read half of a picture by now: two looks have to see the same. */
async function frame(name: string, columns: number): Promise<void> {
  let seen = ''
  await until('the picture holds still', () => {
    const before = seen
    seen = terminal.styled()
    return seen === before
  })
  const lines = terminal.lines().map(line => line.trimEnd())
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(path.join(golden, `${name}-${columns}.txt`))
}

/** Of what is on the screen: which colours, as the numbers of their sequences, and which other looks. */
function looks(): { colours: string[]; others: string[] } {
  const numbers = new Set(terminal.looks().flatMap(look => look.slice(1, -1).match(/38;5;\d+|\d+/g) ?? []))
  const isColour = (number: string) => /^(3[0-7]|9[0-7]|38;5;\d+)$/.test(number)
  return {
    colours: [...numbers].filter(isColour).sort(),
    others: [...numbers].filter(number => !isColour(number) && !NORMAL.includes(number)).sort(),
  }
}

describe.each([
  [50, 10],
  [80, 24],
  [120, 40],
  [200, 50],
] as const)('at %i×%i', (columns, rows) => {
  it.each(['dark', 'light', 'plain'] as const)(
    'shows the same in a %s terminal',
    async look => {
      const { sees, keys } = open(look, columns, rows, 'watch')
      await sees(columns < 72 ? '✗ check' : 'npm test: ✗ speed')
      if (columns >= 72) await sees('Edit src/pay/adapter.ts')
      if (columns >= 110) await sees('$0.42 today')
      if (rows >= 20) await sees('│ Edit src/pay')
      await frame('list', columns)
      const { colours, others } = looks()
      expect(others).toEqual(['1', '7'])
      if (look === 'plain') expect(colours).toEqual([])
      else expect([look, colours]).toEqual([look, look === 'dark' ? DARK : LIGHT])
      keys('/')
      keys('-l', 'legacy')
      keys('Enter')
      await sees(/ 1\/1 *$/m)
      keys('Enter')
      await sees('[log]')
      await sees('Edit src/pay')
      await frame('detail', columns)
      keys('Escape')
      await sees('enter open')
      keys('/', 'C-u')
      keys('-l', 'search')
      keys('Enter')
      await sees('/search')
      await sees(/ 1\/1 *$/m)
      keys('Enter')
      await sees('make the search')
      keys('Tab')
      await sees('[check]')
      await sees('1 failed, 4 passed')
      await sees('--failed')
      await frame('failed', columns)
      keys('2')
      await sees('[2 nodes]')
      keys('Enter')
      await sees('tasks on it'.slice(0, rows < 20 ? 0 : 11) || 'heard')
      await frame('node', columns)
      keys('1', 'n')
      await sees('a new task')
      keys('-l', 'fix the login')
      await sees(/prompt +fix the login/)
      keys('Tab')
      await sees('› agent')
      keys('-l', 'codex')
      await sees(/agent +codex/)
      await frame('new', columns)
      keys('Escape')
      await sees('enter open')
      keys('q')
      await until('it has left', () => !terminal.isAlternate())
    },
    180_000,
  )

  it.each(['dark', 'plain'] as const)(
    'shows the machines by tdf top in a %s terminal',
    async look => {
      const { sees } = open(look, columns, rows, 'top --once; echo "left with $?"')
      await sees('left with 0')
      const lines = terminal.lines().map(line => line.trimEnd())
      const shown = lines.slice(
        lines.findIndex(line => /^\d+ machines/.test(line)),
        lines.indexOf('left with 0'),
      )
      await expect(`${shown.join('\n')}\n`).toMatchFileSnapshot(path.join(golden, `top-${columns}.txt`))
      const { colours } = looks()
      expect(colours.every(colour => look === 'dark' && DARK.includes(colour))).toBe(true)
    },
    180_000,
  )
})

describe('a theme of auto', () => {
  it.each([
    ['light', { paper: '#fdf6e3' }, {}],
    ['light', { paper: '#fdf6e3' }, { COLORFGBG: '15;0' }],
    ['dark', { paper: '#002b36' }, { COLORFGBG: '0;15' }],
    ['light', {}, { COLORFGBG: '0;15' }],
    ['dark', {}, {}],
  ] as const)(
    'is %s where the terminal answers %j and its environment says %j, and the answer is no key',
    async (look, paper, env) => {
      const { sees, keys } = start({ columns: 120, rows: 40, env, ...paper }, 'watch; echo "left with $?"')
      await sees('$0.42 today')
      await sees('Edit src/pay/adapter.ts')
      await until('it has its colours', () => looks().colours.join() === (look === 'dark' ? DARK : LIGHT).join())
      expect(terminal.lines()[0]).toContain('[1 tasks]')
      keys('q')
      await sees(/left with 0\n\S*[$#] *$/m)
      expect(terminal.history()).not.toContain('rgb:')
    },
    180_000,
  )
})

/** The ends of looks. */
const NORMAL = ['0', '39', '49']
/** green, red, cyan, yellow, gray; and what stands for them on white. */
const DARK = ['31', '32', '33', '36', '90']
const LIGHT = ['38;5;130', '38;5;160', '38;5;241', '38;5;25', '38;5;28']
