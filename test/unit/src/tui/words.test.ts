/** What the dashboard says is true of its reader: the keys of the configuration, the times of the zone, the step that failed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_KEYS } from '../../../../src/core/dashboard-keys.ts'
import type { WhyJson } from '../../../../src/protocol/control.ts'
import type { ScreenTaskJson } from '../../../../src/protocol/screen.ts'
import { sentences, taskWaits } from '../../../../src/text/waiting.ts'
import { press } from '../../../../src/tui/input/press.ts'
import type { Action } from '../../../../src/tui/state/actions.ts'
import { firstModel, type Model } from '../../../../src/tui/state/model.ts'
import { reduce } from '../../../../src/tui/store.ts'
import { frame } from '../../../../src/tui/view/frame.ts'
import { anEvent, aRow, NOON } from '../../../support/screen/tui.tsx'

const next = (model: Model, ...actions: Action[]) => actions.reduce(reduce, model)
const text = (model: Model) => frame(model).flatMap(line => [...line.map(span => span.text), '\n'])
const SIZE = { columns: 200, rows: 40 }

function modelOf(tasks: readonly ScreenTaskJson[], keys = DEFAULT_KEYS, isReadOnly = false): Model {
  const snapshot = { seq: 1, tasks: [...tasks], others: {}, nodes: [] }
  const model = next(firstModel(NOON, SIZE, isReadOnly, keys), { kind: 'snapshot', snapshot })
  return tasks[0] ? next(model, { kind: 'focus', id: tasks[0].id }) : model
}

describe('a time', () => {
  const { TZ } = process.env
  beforeAll(() => {
    process.env.TZ = 'America/New_York'
  })
  afterAll(() => {
    if (TZ === undefined) delete process.env.TZ
    else process.env.TZ = TZ
  })

  const until = '2026-11-24T18:04:05.000Z'
  const parked = aRow({ status: 'parked', step: 'agent_session', parkedUntil: until })
  const why = { sentence: sentences.parked('claude', until, 'it goes on'), estimate: null, command: null } as WhyJson
  const facts = { why, events: [anEvent({ seq: 2, type: 'task.removed', taskId: parked.id, at: until })] }

  it.each<[string, Action[]]>([
    ['the preview', []],
    ['an open task', [{ kind: 'open', id: parked.id }]],
    ['the list', [{ kind: 'rows', asked: new Map(), rows: [{ task: parked, why: why.sentence }] }]],
  ])('is that of the zone in %s', (_, actions) => {
    const shown = text(next(modelOf([parked]), { kind: 'detail', id: parked.id, facts }, ...actions)).join('')
    expect(shown).toContain('parked until 2026-11-24 13:04:05')
    expect(shown).not.toMatch(/\dT\d\d:/)
  })

  it('is that of the zone where a fetch is tried again', () => {
    const repo = { url: 'https://example.org/site.git', ref: null, baseCommit: null }
    const waitingFor = taskWaits.sourceAgain(repo.url, 3, Date.parse(until))
    expect(text(modelOf([aRow({ step: 'node_selection', repo, waitingFor })])).join('')).toContain('24 13:04:05')
  })
})

describe('a key', () => {
  const keys = { ...DEFAULT_KEYS, continue: ['C'], send: ['m'], submit: ['N'] }
  const over = aRow({ status: 'completed', step: null, verdict: 'unverified' })
  const live = aRow({ status: 'in_progress', step: 'running' })
  const notice = (model: Model, key: string) =>
    next(model, ...press(model, key).flatMap(deed => ('act' in deed ? [deed.act] : []))).notice?.text

  it('is named as the configuration has it', () => {
    expect(notice(modelOf([over], keys), 'm')).toContain('; C continues it')
    expect(notice(modelOf([live], keys), 'C')).toContain(': m sends its agent something more')
    expect(text(modelOf([], keys)).join('')).toContain('no tasks yet; N or tdf submit')
  })

  it('that is not there or does nothing is not named', () => {
    const without = { ...keys, continue: [], submit: [] }
    expect(notice(modelOf([over], without), 'm')).toMatch(/its agent has ended$/)
    for (const model of [modelOf([], without), modelOf([], keys, true)]) {
      expect(text(model).join('')).toContain('no tasks yet; tdf submit "what to do" hands one over')
    }
  })
})

it('the fetch that failed is marked among the steps', () => {
  const error = { code: 'SOURCE_DENIED', step: 'node_selection', message: 'denied', hint: 'tdf secret set' } as const
  const failed = aRow({ status: 'failed', step: null, verdict: 'infrastructure', error: error as never })
  const data = { from: 'node_selection', to: null, ms: 1_000 }
  const events = [anEvent({ seq: 2, type: 'task.step', taskId: failed.id, data })]
  expect(text(next(modelOf([failed]), { kind: 'detail', id: failed.id, facts: { events } })).join('')).toContain(
    '✗ queued',
  )
})
