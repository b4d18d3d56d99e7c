/** What `show` and the end of a wait say, as people read it. The golden file is the review. */
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { table } from '../../../../commands/cli/table.ts'
import { timelineText } from '../../../../commands/tasks/list-run.ts'
import { taskColumns, taskDetails, taskLine } from '../../../../commands/tasks/task-text.ts'
import type { EventJson, TaskJson } from '../../../../src/protocol/control.ts'
import { eventText } from '../../../../src/text/events.ts'
import { cardText, failureCard } from '../../../../src/text/failure.ts'
import { narrator, toldText } from '../../../../src/text/progress/narration.ts'
import { stageOf } from '../../../../src/text/steps.ts'
import { byUrgency } from '../../../../src/text/urgency.ts'
import { estimateText } from '../../../../src/text/waiting.ts'

const golden = (name: string) => path.join(import.meta.dirname, '../../../golden/text', `${name}.txt`)
const NOW = Date.UTC(2026, 10, 24, 18)
const at = (second: number) => new Date(NOW + second * 1_000).toISOString()

const TASK: TaskJson = {
  schema: 'tdf.task.v1',
  id: '7kq2m4n8pa',
  attempt: 1,
  title: 'fix the flaky login test',
  prompt: 'fix the flaky login test\n\nIt fails once in ten runs.',
  agent: 'claude',
  repo: { url: '/home/you/site', ref: 'main', baseCommit: 'a'.repeat(40) },
  outputBranch: 'tdf/7kq2-fix-the-flaky-login-test',
  labels: { team: 'web' },
  priority: 0,
  status: 'in_progress',
  step: 'running',
  stepEnteredAt: at(-130),
  stepAttempt: 1,
  wakeAt: at(20),
  after: [],
  from: [],
  group: null,
  score: null,
  pick: null,
  waitingFor: 'the agent to finish',
  parkedUntil: null,
  node: { name: 'local', provider: 'local', size: null, location: null, autoProvisioned: false },
  workspace: { id: '7kq2m4n8pa-1-1', status: 'ready' },
  session: null,
  agentsUsed: [],
  fallback: null,
  verdict: null,
  result: null,
  saved: [],
  leftOut: [],
  artifacts: [],
  fit: null,
  landing: null,
  usage: { inputTokens: 120_000, outputTokens: 4_200, costUsd: 0.42 },
  totalUsage: { inputTokens: 120_000, outputTokens: 4_200, costUsd: 0.42 },
  maxCostUsd: null,
  maySpawn: null,
  parent: null,
  machineCost: null,
  error: null,
  cleanup: null,
  push: null,
  pr: null,
  schedule: null,
  scheduled: null,
  source: null,
  attempts: [],
  continued: null,
  createdAt: at(-140),
  startedAt: at(-130),
  completedAt: null,
  updatedAt: at(-130),
}

const RESULT = {
  branch: TASK.outputBranch,
  commit: 'b'.repeat(40),
  ...{ ahead: 1, filesChanged: 2, insertions: 9, deletions: 1, summary: null, salvaged: false },
}
const OVER = {
  step: null,
  stepEnteredAt: null,
  wakeAt: null,
  waitingFor: null,
  cleanup: 'done',
  completedAt: at(-5),
} as const

const FAILED: TaskJson = {
  ...TASK,
  ...OVER,
  status: 'failed',
  verdict: 'check_failed',
  result: { ...RESULT, check: { command: 'npm test', exitCode: 1, base: 'a'.repeat(40) } },
  error: {
    code: 'CHECK_FAILED',
    message: 'the check "npm test" ended with exit code 1',
    hint: 'tdf logs 7kq2m4n8pa --failed',
    step: 'salvage',
    class: 'permanent',
  },
}
const TASKS: Record<string, TaskJson> = {
  'that runs': TASK,
  'that was submitted this moment': { ...TASK, step: 'node_selection', status: 'queued', createdAt: at(1), node: null },
  'that is parked': { ...TASK, status: 'parked', step: 'agent_session', parkedUntil: at(7_200) },
  'that is done': { ...TASK, ...OVER, status: 'completed', verdict: 'unverified', result: { ...RESULT, check: null } },
  'whose check failed': FAILED,
  'that was cancelled': {
    ...TASK,
    ...OVER,
    ...{ status: 'cancelled', verdict: 'cancelled' },
    error: {
      code: 'CANCELLED',
      message: 'it was cancelled',
      hint: 'tdf retry 7kq2m4n8pa',
      step: 'running',
      class: 'permanent',
    },
  },
}

function event(second: number, type: string, data: Record<string, unknown>, attempt = 1): EventJson {
  return { seq: second + 1_000, at: at(second), type, taskId: TASK.id, nodeName: 'local', step: null, attempt, data }
}
const step = (second: number, from: string | null, to: string | null, attempt = 1) =>
  event(second, 'task.step', { from, to, ms: 1_500 }, attempt)

const EVENTS = [
  event(-140, 'task.status', { from: null, to: 'queued', reason: 'submitted' }),
  step(-140, null, 'node_selection'),
  step(-139, 'node_selection', 'workspace_creation'),
  event(-139, 'task.status', { from: 'queued', to: 'delegated', reason: 'placed on local' }),
  step(-138, 'workspace_creation', 'workspace_ready'),
  step(-135, 'workspace_ready', 'agent_session'),
  step(-130, 'agent_session', 'running'),
  event(-120, 'task.status', { from: 'in_progress', to: 'parked', reason: 'claude has reached its usage limit' }),
  event(-110, 'task.status', { from: 'parked', to: 'in_progress', reason: 'it may go on' }),
  step(-20, 'running', 'salvage'),
  event(-15, 'task.saved', { checking: true, ms: 5_000 }),
  event(-5, 'task.status', { from: 'in_progress', to: 'failed', reason: 'the check failed' }),
  step(-5, 'salvage', 'cleanup'),
  step(-4, 'cleanup', null),
]

const TAIL = 'PASS home.test.ts\nFAIL login.test.ts\n  expected 200, got 401\n3 tests, 1 failed\n'

describe('a task in words', () => {
  it('is what tdf show prints', async () => {
    const texts = Object.entries(TASKS).map(([name, task]) => {
      const card = cardText(failureCard(task, TAIL))
      const told = taskDetails(task, NOW, card !== '') + timelineText(task, task === FAILED ? EVENTS : [])
      return `## a task ${name}\n\n${told}${card === '' ? '' : `\n${card}\n`}`
    })
    await expect(texts.join('\n')).toMatchFileSnapshot(golden('show'))
    expect(texts.join('\n')).not.toMatch(/-\d+s|\b0 min|\d{4}-\d\d-\d\dT/)
  })

  it('is a line of tdf ls, on a wide terminal and on a narrow one', async () => {
    const tasks = byUrgency(Object.values(TASKS), NOW)
    const columns = taskColumns(NOW)
    const shown = [120, 72].map(width =>
      table(
        tasks,
        columns.filter(({ wide }) => !wide),
        { width },
      ),
    )
    await expect([...shown, table(tasks, columns)].join('\n')).toMatchFileSnapshot(golden('list'))
  })

  it('is what a wait ends with', async () => {
    const texts = Object.entries(TASKS).map(([name, task]) => {
      return `## a task ${name}\n\n${taskLine(task, failureCard(task, TAIL))}\n`
    })
    await expect(texts.join('\n')).toMatchFileSnapshot(golden('ends'))
  })
})

describe('what happens to a task', () => {
  it('is told once each, and the engine has no word in it', async () => {
    const tell = narrator()
    const told = EVENTS.flatMap(one => {
      const line = tell(one, stageOf(TASK))
      return line ? [toldText(line)] : []
    })
    const events = EVENTS.map(one => `${one.type.padEnd(12)}  ${eventText(one)}`)
    await expect(`${[...told, '', ...events].join('\n')}\n`).toMatchFileSnapshot(golden('happened'))
  })

  it('of an earlier attempt is not told beside a later one, and a new one begins anew', () => {
    const tell = narrator(2)
    expect(tell(step(1, 'running', 'salvage', 1), null)).toBeNull()
    expect(tell(step(2, 'running', 'salvage', 2), null)).toMatchObject({ mark: '✓', text: 'agent ended' })
    tell(event(3, 'task.status', { from: 'in_progress', to: 'failed', reason: 'x' }, 2), null)
    expect(tell(step(4, 'agent_session', 'running', 3), null)).toMatchObject({ mark: '✓', text: 'agent started' })
  })

  it('before a machine was chosen is called by what it was', () => {
    const failing = () => {
      const tell = narrator()
      tell(event(1, 'task.status', { from: 'queued', to: 'failed', reason: 'x' }), null)
      return tell
    }
    expect(failing()(step(2, 'node_selection', 'cleanup'), 'fetch')).toMatchObject({
      mark: '✗',
      text: 'fetching the repository',
    })
    expect(failing()(step(2, 'node_selection', 'cleanup'), 'node_selection')?.text).toBe('waiting for a machine')
  })
})

describe('an estimate', () => {
  const expected = (second: number, usualMs: number | null) => ({ expectedAt: at(second), usualMs })

  it('is counted down, and says when it is passed', () => {
    const texts = [0, 60, 90, 119, 120, 130].map(second => estimateText(expected(120, 300_000), NOW + second * 1_000))
    expect(texts).toEqual([
      'about 2m more; usually 5m',
      'about 1m more; usually 5m',
      'about 30s more; usually 5m',
      'about 1s more; usually 5m',
      'longer than usual already; usually 5m',
      'longer than usual already; usually 5m',
    ])
  })

  it('of a place in the queue is when it comes', () => {
    expect(estimateText(expected(240, null), NOW)).toBe('about 4m, by what such runs took before')
    expect(estimateText(expected(-1, null), NOW)).toBe('any moment now')
    expect(estimateText({ expectedAt: null, usualMs: null }, NOW)).toBeNull()
  })
})
