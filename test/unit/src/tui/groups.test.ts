/** The list by groups: what is folded, what is held below what, what a key does with a whole group. */
import { describe, expect, it } from 'vitest'
import type { GroupJson, ScreenTaskJson } from '../../../../src/protocol/screen.ts'
import { press } from '../../../../src/tui/input/press.ts'
import type { Action } from '../../../../src/tui/state/actions.ts'
import { firstModel, focusOf, type Model } from '../../../../src/tui/state/model.ts'
import { reduce } from '../../../../src/tui/store.ts'
import { frame } from '../../../../src/tui/view/frame.ts'
import { ago, aRow, NOON } from '../../../support/screen/tui.tsx'

const next = (model: Model, ...actions: Action[]) => actions.reduce(reduce, model)
const pressed = (model: Model, ...keys: string[]) =>
  keys.reduce((now, key) => next(now, ...press(now, key).flatMap(deed => ('act' in deed ? [deed.act] : []))), model)
const effects = (model: Model, key: string) =>
  press(model, key).flatMap(deed => ('effect' in deed ? [deed.effect] : []))
const text = (model: Model) =>
  frame(model).map(line =>
    line
      .map(span => span.text)
      .join('')
      .trimEnd(),
  )
/** Of the list, without its titles and what is below it. */
const list = (model: Model) => {
  const lines = text(model).slice(3)
  return lines.slice(0, lines.indexOf(''))
}

const waits = (id: string, state: 'waiting' | 'failed' | 'met' = 'waiting') => ({ id, state })
const inGroup = (key: string, kind: 'each' | 'race' = 'each', name = 'warnings') =>
  ({ group: { name, kind, key, winner: null } }) as const
const running = { status: 'in_progress', step: 'running' } as const
const over = (status: 'completed' | 'failed' | 'cancelled') => ({
  ...{ status, step: null, completedAt: ago(60_000) },
  verdict: ({ completed: 'unverified', failed: 'agent_error', cancelled: 'cancelled' } as const)[status],
})

const TASKS = [
  aRow({ id: 'aaaaaaaaaa', title: 'write the parser', ...running }),
  aRow({ id: 'bbbbbbbbbb', title: 'document it', after: [waits('aaaaaaaaaa')] }),
  aRow({ id: 'cccccccccc', title: 'release it', after: [waits('aaaaaaaaaa', 'met'), waits('bbbbbbbbbb')] }),
  aRow({ id: 'dddddddddd', title: 'mend one', ...inGroup('one'), ...over('failed') }),
  aRow({ id: 'eeeeeeeeee', title: 'mend two', ...inGroup('two'), ...running }),
  aRow({ id: 'ffffffffff', title: 'mend three', ...inGroup('three'), after: [waits('dddddddddd', 'failed')] }),
  aRow({ id: 'gggggggggg', title: 'mend four', ...inGroup('four'), ...over('completed') }),
]
const WARNINGS: GroupJson = {
  ...{ name: 'warnings', kind: 'each', atMost: 3, winner: null },
  ...{ ended: { completed: 61, failed: 1 }, costUsd: 1.2 },
}

function modelOf(tasks: readonly ScreenTaskJson[] = TASKS, size = { columns: 120, rows: 40 }): Model {
  const snapshot = { seq: 1, tasks: [...tasks], others: {}, nodes: [] }
  const model = next(firstModel(NOON, size, false), { kind: 'snapshot', snapshot })
  return next(pressed(model, 'b'), { kind: 'groups', groups: [WARNINGS] })
}
/** With the cursor on the group. */
const at = (model: Model) => next(model, { kind: 'cursor', id: 'group warnings' })

describe('the list by groups', () => {
  it('has a line for each group, with how its tasks stand, and the others as they are', () => {
    const lines = list(modelOf())
    expect(lines).toHaveLength(4)
    expect(lines.find(line => line.includes('warnings'))).toMatch(
      /^[› ] ▸ warnings {4,}▶ 1 {2}○ 1 {2}✗ 1 {2}✓ 61 {3}64 tasks {3}1 held {3}at most 3 at once {3}\$1\.20$/,
    )
  })

  it('has what is held below what holds it, and says what that is', () => {
    const lines = list(modelOf())
    const place = lines.findIndex(line => line.includes('write the parser'))
    expect(lines[place + 1]).toMatch(/○ queued +└ document it .* after write the parser \(running\)$/)
    expect(lines[place + 2]).toMatch(/○ queued {8}└ release it .* after document it \(queued\)$/)
  })

  it('unfolds a group by enter, with the held ones of it below theirs, and folds it again', () => {
    const open = pressed(at(modelOf()), 'enter')
    const lines = list(open)
    const place = lines.findIndex(line => line.includes('▾ warnings'))
    expect(lines[place + 1]).toContain('▶ running       mend two')
    const held = lines.findIndex(line => line.includes('mend three'))
    expect(lines[held - 1]).toContain('mend one')
    expect(lines[held]).toMatch(/ {2}└ mend three .* after mend one \(failed\)$/)
    expect(list(pressed(open, 'enter'))).toEqual(list(at(modelOf())))
    expect(open.open).toBeNull()
  })

  it('keeps the cursor on the task, or on the group that it is folded into', () => {
    const open = pressed(at(modelOf()), 'enter')
    const inside = next(open, { kind: 'cursor', id: 'eeeeeeeeee' })
    expect(next(inside, { kind: 'fold', name: 'warnings' }).list.cursor).toBe('group warnings')
    expect(pressed(inside, 'b').list.cursor).toBe('eeeeeeeeee')
    expect(pressed(inside, 'b', 'b').list.cursor).toBe('eeeeeeeeee')
    expect(pressed(next(inside, { kind: 'fold', name: 'warnings' }), 'b').list.isGrouped).toBe(false)
  })

  it('goes over the lines of groups where one steps from an open task to the next', () => {
    const model = modelOf()
    const first = next(model, { kind: 'cursor', id: 'aaaaaaaaaa' })
    const names = Array.from({ length: 5 }, (_, count) => pressed(first, 'enter', ...Array(count).fill(']')).open)
    expect(names).not.toContain('group warnings')
    expect(names.at(-1)).toBe('cccccccccc')
  })

  it('shows what is in the group under the cursor, and where the rest of it is', () => {
    const lines = text(at(modelOf()))
    const place = lines.findIndex(line => line.startsWith('─ warnings  a task for each line'))
    expect(lines[place + 1]).toContain('▶ running     mend two')
    expect(lines.join('\n')).toContain('60 more ended earlier: tdf ls --group warnings')
    expect(focusOf(at(modelOf()))).toBeNull()
  })

  it('says who won a race, that none has yet, or that nobody did', () => {
    const racer = (key: string, change: object) =>
      aRow({ id: key.repeat(10), title: 'faster', agent: 'codex', ...inGroup(key, 'race', 'faster'), ...change })
    const shown = (winner: string | null, change: object) =>
      list(
        next(modelOf([racer('h', change), racer('j', over('failed'))]), {
          kind: 'groups',
          groups: [{ ...WARNINGS, name: 'faster', kind: 'race', atMost: null, winner, ended: {}, costUsd: null }],
        }),
      ).join('\n')
    expect(shown('hhhhhhhhhh', over('completed'))).toContain('won by h (codex)')
    expect(shown(null, running)).toContain('not decided')
    expect(shown(null, over('failed'))).toContain('nobody won')
  })

  it('is left to one group, or to the tasks of one schedule, by the filter', () => {
    const upkeep = aRow({ id: 'kkkkkkkkkk', title: 'update what is old', schedule: 'nightly' })
    const shown = (filter: string) => next(modelOf([...TASKS, upkeep]), { kind: 'filter', text: filter }).list.order
    expect(shown('group:warn')).toEqual(['group warnings'])
    expect(shown('schedule:nightly')).toEqual(['kkkkkkkkkk'])
  })

  it('is cut at the edge of a narrow window', () => {
    for (const line of frame(pressed(at(modelOf(TASKS, { columns: 50, rows: 20 })), 'enter')))
      expect(line.map(span => span.text).join('').length).toBeLessThanOrEqual(50)
    expect(list(modelOf(TASKS, { columns: 60, rows: 20 })).join('\n')).toContain('▶ 1  ○ 1  ✗ 1  ✓ 61')
  })
})

describe('a key on a group', () => {
  it('cancels what of it goes on, and tries again what of it has failed, once it was asked', () => {
    const cancel = pressed(at(modelOf()), 'x')
    expect(cancel.prompt).toMatchObject({ question: 'cancel 2 tasks of warnings?' })
    expect(effects(cancel, 'y')).toEqual([{ kind: 'cancel', ids: ['eeeeeeeeee', 'ffffffffff'] }])
    expect(effects(pressed(at(modelOf()), 'r'), 'y')).toEqual([{ kind: 'retry', ids: ['dddddddddd'] }])
  })

  it('marks all of it, and takes the marks away again', () => {
    const marked = pressed(at(modelOf()), 'space')
    expect([...marked.list.marked].sort()).toEqual(['dddddddddd', 'eeeeeeeeee', 'ffffffffff', 'gggggggggg'])
    expect(pressed(at(marked), 'space').list.marked.size).toBe(0)
  })

  it('that is about one task says so', () => {
    for (const key of ['i', 'c', 'p', 'P', 'S', 'y', 'e'])
      expect(pressed(at(modelOf()), key).notice?.text).toBe('warnings is a group: enter shows its tasks')
  })

  it('opens nothing by a click but the group', () => {
    const row = text(modelOf()).findIndex(line => line.includes('▸ warnings'))
    const there = pressed(modelOf(), `click-5-${row}`)
    expect(there.list.cursor).toBe('group warnings')
    expect(pressed(there, `click-5-${row}`)).toMatchObject({ open: null, list: { unfolded: new Set(['warnings']) } })
  })
})
