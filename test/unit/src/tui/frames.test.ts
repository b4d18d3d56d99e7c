/** The dashboard as a person sees it, at four sizes. `npm run golden` writes the frames anew; look at them. */
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PushJson, WhyJson } from '../../../../src/protocol/control.ts'
import { ago, aNode, anEvent, aRow, aSchedule, type Shown, show } from '../../../support/screen/tui.tsx'

const golden = path.join(import.meta.dirname, '..', '..', '..', 'golden', 'frames')

const result = {
  branch: 'tdf/m4c-update-dependencies',
  commit: '9e1f0c6b5a4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f',
  ahead: 2,
  filesChanged: 3,
  insertions: 41,
  deletions: 12,
  summary: 'Updated eleven packages and the one call that had changed.',
  salvaged: false,
  check: { command: 'npm test', exitCode: 0, base: '2f1c9a0b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a' },
}
const node = { name: 'box1', provider: 'static', size: 'medium', location: 'fsn1', autoProvisioned: false }
const session = {
  agent: 'claude',
  id: 's1',
  status: 'running',
  exitCode: null,
  signal: null,
  resumeRef: null,
  agentVersion: null,
  model: null,
}

const TASKS = [
  aRow({
    id: 'k7f3q2x9ab',
    status: 'in_progress',
    step: 'running',
    node,
    session,
    stepEnteredAt: ago(845_000),
    usage: { inputTokens: 1_204_000, outputTokens: 18_400, costUsd: 0.42 },
  }),
  aRow({
    id: 'q2m8w4r6td',
    title: 'write the release notes',
    status: 'in_progress',
    step: 'awaiting_followup',
    node,
    stepEnteredAt: ago(200_000),
  }),
  aRow({
    id: 'b9x4v7n2ce',
    title: 'split the billing module',
    agent: 'codex',
    status: 'delegated',
    step: 'workspace_creation',
    node,
    stepEnteredAt: ago(4_000),
  }),
  aRow({ id: 'h5d8s3k1fg', title: 'remove the old feature flags', stepEnteredAt: ago(130_000) }),
  aRow({
    id: 'p6t1y9w3hj',
    title: '日本語の見出しを直す ✨',
    status: 'queued',
    step: 'node_provisioning',
    stepEnteredAt: ago(42_000),
  }),
  aRow({
    id: 'n3r7g5m8kl',
    title: 'migrate the tests to vitest',
    status: 'parked',
    step: 'running',
    parkedUntil: ago(-3_600_000),
    stepEnteredAt: ago(7_200_000),
  }),
  aRow({
    id: 'm4c2j8z6pq',
    title: 'update the dependencies',
    status: 'completed',
    step: null,
    verdict: 'verified',
    result,
    completedAt: ago(3_700_000),
    cleanup: 'done',
  }),
  aRow({
    id: 'w8e5t2b4rs',
    title: 'make the search faster',
    status: 'failed',
    step: null,
    verdict: 'check_failed',
    result: { ...result, check: { command: 'npm test', exitCode: 1, base: null } },
    completedAt: ago(90_000_000),
    error: {
      code: 'CHECK_FAILED',
      message: 'the check ended with exit code 1',
      hint: 'tdf logs w8e5t2b4rs --failed',
      step: 'salvage',
      class: 'permanent',
    },
  }),
  aRow({
    id: 'v1u6i3o9tu',
    title: 'try another colour',
    status: 'cancelled',
    step: null,
    verdict: 'cancelled',
    completedAt: ago(172_800_000),
  }),
]

const LOAD = { cpuPercent: 92, memoryPercent: 71, diskPercent: 38, at: ago(4_000) }
const NODES = [
  aNode({ name: 'box1', provider: 'static', workspaces: 3, size: 'medium', location: 'fsn1', load: LOAD }),
  aNode({
    name: 'tdf-3f9a',
    provider: 'hetzner',
    status: 'creating',
    workspaces: 1,
    size: 'small',
    location: 'nbg1',
    pricePerHour: 0.0083,
    waitingFor: 'the server to start',
  }),
  aNode({
    name: 'tdf-77c1',
    provider: 'hetzner',
    status: 'held',
    workspaces: 0,
    size: 'small',
    location: 'hel1',
    pricePerHour: 0.0083,
    waitingFor: 'the work of 1 task on it to be saved',
  }),
]

const step = (seq: number, secondsAgo: number, from: string, to: string, ms: number) =>
  anEvent({ seq, at: ago(secondsAgo * 1_000), taskId: 'k7f3q2x9ab', data: { from, to, ms } })
const EVENTS = [
  step(1, 905, 'node_selection', 'workspace_creation', 40),
  step(2, 904, 'workspace_creation', 'workspace_ready', 180),
  step(3, 846, 'workspace_ready', 'agent_session', 58_000),
  step(4, 845, 'agent_session', 'running', 900),
  anEvent({
    seq: 5,
    at: ago(60_000),
    type: 'node.status',
    nodeName: 'tdf-3f9a',
    data: { from: 'ordered', to: 'creating', reason: null },
  }),
]
const LOG = Array.from(
  { length: 30 },
  (_, index) => `  ✓ test/auth/login-${index + 1}.test.ts (${index + 3} tests)\n`,
).join('')

const SAID = new Map([
  ['k7f3q2x9ab', '✓ test/auth/login-30.test.ts (32 tests)'],
  ['q2m8w4r6td', 'Which version are these notes for?'],
  ['w8e5t2b4rs', '✗ speed.test.ts: 812 ms, at most 500'],
])
const CHECK = `> site@1.0.0 test\n\n ✓ search.test.ts (4)\n ✗ speed.test.ts: 812 ms, at most 500\n\n1 failed, 4 passed\n`

const WHY: Record<string, string> = {
  h5d8s3k1fg: 'It waits for a slot: none of 3 nodes takes it; it is number 1 of 1 in the queue.',
  p6t1y9w3hj: 'It is at node_provisioning and waits for tdf-3f9a to be up.',
  k7f3q2x9ab: 'It is at running and waits for the agent to finish.',
  n3r7g5m8kl: 'It is parked until the usage limit of claude is lifted.',
}

function filled(columns: number, rows: number, isReadOnly = false): Shown {
  const shown = show({ columns, rows }, isReadOnly)
  const { dispatch } = shown.store
  dispatch({ kind: 'snapshot', snapshot: { seq: 5, tasks: TASKS, others: {}, nodes: NODES } })
  dispatch({ kind: 'history', events: EVENTS })
  const before = shown.store.get().rows
  const read = TASKS.map(task => ({ task, why: WHY[task.id] ?? null }))
  dispatch({ kind: 'rows', asked: before, rows: read })
  dispatch({ kind: 'said', lines: SAID })
  dispatch({ kind: 'spent', today: 0.42, budget: null, resting: 0 })
  return shown
}

function focus(shown: Shown, id: string): void {
  shown.store.dispatch({ kind: 'focus', id })
  const events = EVENTS.filter(({ taskId }) => taskId === id)
  const why: WhyJson = {
    taskId: id,
    status: 'in_progress',
    step: 'running',
    sentence: WHY[id] ?? '',
    since: null,
    until: null,
    next: null,
    nodes: [],
    estimate: 'about 6m more; usually 20m',
    expectedAt: null,
    usualMs: null,
    command: `tdf logs ${id} -f`,
  }
  shown.store.dispatch({
    kind: 'detail',
    id,
    facts: { events, why, prompt: 'Fix the flaky login test.\n\nIt fails about once in ten runs.', diff: DIFF },
  })
  shown.store.dispatch({ kind: 'log', id, of: 'log', isAnew: true, text: LOG })
}

const DIFF =
  'diff --git a/login.ts b/login.ts\nindex 1..2\n--- a/login.ts\n+++ b/login.ts\n@@ -1 +1 @@\n-wait(10)\n+await settled()\n'

const member = (name: string, kind: 'each' | 'race', key: string) => ({ group: { name, kind, key, winner: null } })
const after = (id: string, state: 'waiting' | 'failed') => ({ after: [{ id, state }] })
const GROUPED = [
  aRow({
    ...{ id: 'g100000000', title: 'mend src/login.ts', status: 'in_progress', step: 'running', node },
    ...member('warnings', 'each', 'src/login.ts'),
  }),
  aRow({
    ...{ id: 'g200000000', title: 'mend src/日本語.ts', ...member('warnings', 'each', 'src/日本語.ts') },
    ...after('g100000000', 'waiting'),
  }),
  aRow({
    ...{ id: 'g300000000', title: 'mend src/pay.ts', status: 'failed', step: null, verdict: 'agent_error' },
    ...{ ...member('warnings', 'each', 'src/pay.ts'), completedAt: ago(600_000) },
  }),
  aRow({
    ...{ id: 'g400000000', title: 'run all tests and mend what does not fit together' },
    ...{ ...member('warnings', 'each', 'reduce'), ...after('g300000000', 'failed') },
  }),
  aRow({
    ...{ id: 'r200000000', title: 'make the parser faster', agent: 'codex', status: 'completed', step: null },
    ...{ verdict: 'verified', result, completedAt: ago(900_000), ...member('faster', 'race', '2') },
  }),
  aRow({ id: 'x100000000', title: 'write the announcement', ...after('k7f3q2x9ab', 'waiting') }),
]

const RUNS = Array.from({ length: 30 }, (_, day) => ({
  planned: ago(34_000_000 + day * 86_400_000),
  task: day === 3 ? null : `m4c2j8z${String(day).padStart(3, '0')}`,
  status: day === 3 ? null : day === 0 ? 'in_progress' : 'completed',
  verdict: day === 3 || day === 0 ? null : day === 5 ? 'no_change' : 'verified',
  note: day === 3 ? 'left out: the task before it was not over' : null,
  lateMs: day === 7 ? 7_200_000 : 0,
}))
const SCHEDULES = [
  aSchedule({ runs: RUNS, jitterMs: 600_000 }),
  aSchedule({
    name: 'weekly-audit',
    cron: '@weekly',
    next: null,
    state: 'paused',
    why: 'three bad ends in a row: the last was check_failed',
    streak: -3,
    last: { id: 'w8e5t2b4rs', status: 'failed', verdict: 'check_failed', at: ago(90_000_000) },
  }),
  aSchedule({ name: '昼の点検', cron: '0 12 * * *', tz: 'Asia/Tokyo', last: null, streak: 0, next: ago(-540_000) }),
  aSchedule({
    name: 'hourly',
    cron: '@hourly',
    tz: 'UTC',
    streak: 0,
    next: ago(-5_000),
    last: { id: 'q2m8w4r6td', status: 'in_progress', verdict: null, at: ago(200_000) },
  }),
]

/** Times are those of the reader. */
const { TZ } = process.env
beforeAll(() => {
  process.env.TZ = 'UTC'
})
afterAll(() => {
  if (TZ === undefined) delete process.env.TZ
  else process.env.TZ = TZ
})

let shown: Shown
afterEach(() => shown.close())

const SIZES = [
  [50, 10],
  [80, 24],
  [120, 40],
  [200, 50],
] as const

describe.each(SIZES)('at %i×%i', (columns, rows) => {
  const frame = async (name: string) =>
    expect(`${(await shown.lines()).join('\n')}\n`).toMatchFileSnapshot(path.join(golden, `${name}-${columns}.txt`))

  beforeEach(() => {
    shown = filled(columns, rows)
    shown.keys('j')
    focus(shown, 'k7f3q2x9ab')
  })

  it('shows tasks', () => frame('tasks'))

  it('shows one of them', async () => {
    shown.keys('enter')
    await frame('task')
  })

  it('shows why one failed', async () => {
    shown.keys('/', ...'search', 'enter')
    focus(shown, 'w8e5t2b4rs')
    shown.store.dispatch({ kind: 'log', id: 'w8e5t2b4rs', of: 'check', isAnew: true, text: CHECK })
    shown.keys('enter', 'tab')
    await frame('failed')
  })

  it('shows schedules', async () => {
    shown.store.dispatch({ kind: 'schedules', schedules: SCHEDULES })
    shown.keys('4', 'j')
    await frame('schedules')
  })

  it('shows one of them, with the tasks that it made', async () => {
    shown.store.dispatch({ kind: 'schedules', schedules: SCHEDULES })
    shown.keys('4', 'enter')
    await frame('schedule')
  })

  it('shows tasks by groups', async () => {
    const { dispatch } = shown.store
    dispatch({ kind: 'snapshot', snapshot: { seq: 6, tasks: [...TASKS, ...GROUPED], others: {}, nodes: NODES } })
    shown.keys('b')
    const each = {
      name: 'warnings',
      kind: 'each',
      atMost: 2,
      winner: null,
      ended: { completed: 61 },
      costUsd: 3.1,
    } as const
    const race = { ...each, name: 'faster', kind: 'race', atMost: null, winner: 'r200000000', ended: {} } as const
    dispatch({ kind: 'groups', groups: [each, race] })
    dispatch({ kind: 'cursor', id: 'group warnings' })
    shown.keys('enter')
    await frame('groups')
  })

  it('shows nodes', async () => {
    shown.keys('2', 'j')
    await frame('nodes')
  })

  it('shows one of them', async () => {
    shown.keys('2', 'enter')
    await frame('node')
  })

  it('shows the form of a new task', async () => {
    shown.keys('n', ...'fix the login', 'paste:\n', ...'and test it', 'tab', 'tab', ...'npm test')
    await frame('new')
  })

  it('shows events', async () => {
    shown.keys('3')
    await frame('events')
  })

  it('shows its keys', async () => {
    shown.keys('?')
    await frame('help')
  })

  it('fills every line to the edge and no further', async () => {
    for (const key of ['1', '2', '3', '4', '1', 'enter']) {
      shown.keys(key)
      const lines = await shown.lines()
      expect([lines.length, lines.at(-1)]).toEqual([rows, ''])
      expect(lines.at(-2)).toContain('q quit')
    }
  })
})

it('says so when the window is too small for it', async () => {
  shown = filled(50, 10)
  shown.screen.resize(40, 6)
  shown.store.dispatch({ kind: 'size', size: { columns: 40, rows: 6 } })
  expect((await shown.lines())[0]).toContain('window too small: 40×6')
})

it('says of a branch that was not pushed why, and what pushes it', async () => {
  const push: PushJson = {
    ...{
      state: 'failed' as const,
      remote: 'ssh://git.example/site',
      branch: result.branch,
      commit: result.commit,
      prUrl: null,
      pushedCommit: null,
    },
    ...{
      wantsPr: false,
      tries: 1,
      nextTryAt: null,
      error: 'the remote refused it: signed commits only',
      updatedAt: ago(9),
    },
  }
  const task = aRow({ status: 'completed', step: null, verdict: 'unverified', result, completedAt: ago(60_000), push })
  shown = show({ columns: 120, rows: 40 }, false)
  shown.store.dispatch({ kind: 'snapshot', snapshot: { seq: 5, tasks: [task], others: {}, nodes: NODES } })
  shown.store.dispatch({ kind: 'focus', id: task.id })
  shown.keys('enter')
  const lines = (await shown.lines()).join('\n')
  expect(lines).toContain('│ the remote refused it: signed commits only')
  expect(lines).toContain(`next:    tdf push ${task.id}`)
})

it('a task whose last attempt failed names an earlier one that was verified', async () => {
  const attempts = (['verified', 'agent_error'] as const).map((verdict, index) => ({
    ...{ attempt: index + 1, status: 'failed' as const, verdict, agent: 'claude', commit: null, branch: null },
    ...{ check: null, usage: null, startedAt: null, completedAt: null },
  }))
  const task = aRow({ status: 'failed', step: null, verdict: 'agent_error', attempt: 2, attempts, completedAt: ago(9) })
  shown = show({ columns: 120, rows: 40 }, false)
  shown.store.dispatch({ kind: 'snapshot', snapshot: { seq: 5, tasks: [task], others: {}, nodes: NODES } })
  shown.store.dispatch({ kind: 'focus', id: task.id })
  shown.keys('enter')
  expect((await shown.lines()).join('\n')).toContain(`earlier attempt 1 was verified: tdf pull ${task.id}@1`)
})
