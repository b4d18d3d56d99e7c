/** What the dashboard makes of what it hears and of what is pressed: values in, values out. */
import { describe, expect, it } from 'vitest'
import { clashesOf, DEFAULT_KEYS, KEY_FORM, type KeyMap, settledKeys } from '../../../../src/core/dashboard-keys.ts'
import type { ScreenTaskJson } from '../../../../src/protocol/screen.ts'
import { press } from '../../../../src/tui/input/press.ts'
import type { Action } from '../../../../src/tui/state/actions.ts'
import { firstModel, type Model } from '../../../../src/tui/state/model.ts'
import { filterOf, windowTop } from '../../../../src/tui/state/order.ts'
import { GROUPS } from '../../../../src/tui/state/states.ts'
import { reduce } from '../../../../src/tui/store.ts'
import { frame } from '../../../../src/tui/view/frame.ts'
import { ago, aNode, anEvent, aRow, NOON } from '../../../support/screen/tui.tsx'

const size = { columns: 100, rows: 30 }
const next = (model: Model, ...actions: Action[]) => actions.reduce(reduce, model)

function modelOf(tasks: readonly ScreenTaskJson[], isReadOnly = false): Model {
  const snapshot = { seq: 1, tasks: [...tasks], others: {}, nodes: [aNode()] }
  return next(firstModel(NOON, size, isReadOnly), { kind: 'snapshot', snapshot })
}

const running = aRow({ id: 'aaaaaaaaaa', title: 'Alpha', status: 'in_progress', step: 'running' })
const waiting = aRow({ id: 'bbbbbbbbbb', title: 'beta', createdAt: ago(10_000), labels: { team: 'web' } })
const first = aRow({ id: 'cccccccccc', title: 'gamma', priority: 5 })
const asking = aRow({ id: 'dddddddddd', title: 'delta', status: 'in_progress', step: 'awaiting_followup' })
const failed = aRow({
  id: 'eeeeeeeeee',
  title: 'epsilon',
  status: 'failed',
  step: null,
  verdict: 'check_failed',
  completedAt: ago(5_000),
})
const all = [waiting, failed, running, first, asking]
const titles = ({ list, rows }: Model) => list.order.map(id => rows.get(id)?.task.title)
const countsOf = ({ tally }: Model) =>
  Object.fromEntries(GROUPS.flatMap(({ word }, index) => (tally[index] ? [[word, tally[index]]] : [])))

describe('the order', () => {
  it('is: who needs somebody, what runs, what failed lately, the queue as it will be served', () => {
    expect(titles(modelOf(all))).toEqual(['delta', 'Alpha', 'epsilon', 'gamma', 'beta'])
  })

  it('goes by the next key and back around, and can be reversed', () => {
    const byAge = next(modelOf(all), { kind: 'sort' })
    expect([byAge.list.sort, titles(byAge)[0]]).toEqual(['created', 'beta'])
    const byTitle = next(byAge, { kind: 'sort' })
    expect(titles(byTitle)).toEqual(['Alpha', 'beta', 'delta', 'epsilon', 'gamma'])
    expect(titles(next(byTitle, { kind: 'reverse' }))[0]).toBe('gamma')
    expect(next(byTitle, { kind: 'sort' }, { kind: 'sort' }).list.sort).toBe('activity')
  })

  it('keeps the cursor on its task, and near where it was when the task is gone', () => {
    const model = next(modelOf(all), { kind: 'move', by: 4 })
    expect(model.list.cursor).toBe(waiting.id)
    expect(next(model, { kind: 'sort' }, { kind: 'sort' }).list.cursor).toBe(waiting.id)
    const removed = anEvent({ seq: 2, type: 'task.removed', taskId: waiting.id })
    const later = next(model, { kind: 'events', events: [removed] }, { kind: 'tick', now: NOON + 10_000 })
    expect([later.list.cursor, later.list.order]).toEqual([first.id, [asking.id, running.id, failed.id, first.id]])
  })

  it.each([
    ['holds still while the cursor is in it', [5, 7, 10, 100], 5],
    ['follows the cursor down', [5, 15, 10, 100], 6],
    ['follows the cursor up', [5, 2, 10, 100], 2],
    ['shows no more than there is', [95, 99, 10, 100], 90],
    ['begins at the top of a short list', [3, 1, 10, 4], 0],
  ] as const)('its window %s', (_, [top, index, height, count], expected) => {
    expect(windowTop(top, index, height, count)).toBe(expected)
  })
})

describe('the counts', () => {
  const others = { completed: 90_000, failed: 9_950, cancelled: 7 }
  const kept = next(firstModel(NOON, size, false), {
    kind: 'snapshot',
    snapshot: { seq: 1, tasks: [...all], others, nodes: [] },
  })

  it('are those of all tasks, also of those that are not on the list', () => {
    const expected = { 'need you': 1, running: 1, queued: 2, failed: 9_951, done: 90_000 }
    expect(countsOf(kept)).toEqual(expected)
  })

  it('follow a task that is not on the list: retried, forgotten, or only pushed', () => {
    const retried = { from: null, to: 'queued', before: 'failed' }
    const events = [
      anEvent({ seq: 2, type: 'task.status', taskId: 'old-1', attempt: 2, data: retried }),
      anEvent({ seq: 3, type: 'task.step', taskId: 'old-1', attempt: 2, data: { from: null, to: 'node_selection' } }),
      anEvent({ seq: 4, type: 'task.removed', taskId: 'old-2', data: { before: 'completed' } }),
      anEvent({ seq: 5, type: 'task.push', taskId: 'old-3', data: {} }),
    ]
    const heard = next(kept, { kind: 'events', events })
    expect([countsOf(heard).failed, countsOf(heard).done, [...heard.unread]]).toEqual([9_950, 89_999, ['old-1']])
    const row = { task: aRow({ id: 'old-1' }), why: null }
    const read = next(heard, { kind: 'rows', asked: new Map([['old-1', undefined]]), rows: [row] })
    expect([countsOf(read).queued, countsOf(read).failed]).toEqual([3, 9_950])
  })
})

describe('the filter', () => {
  it.each([
    ['', 5],
    ['ALPHA', 1],
    ['beta team=web', 1],
    ['label:team', 1],
    ['status:failed', 1],
    ['state:check_failed', 1],
    ['step:awaiting', 1],
    ['!status:queued', 3],
    ['!status:queued !failed', 2],
    ['id:aaaa', 1],
    ['nobody:knows', 0],
    ['!', 0],
    ['a b', 1],
  ])('"%s" leaves %i', (text, count) => {
    expect(all.filter(filterOf(text))).toHaveLength(count)
    expect(next(modelOf(all), { kind: 'filter', text }).list.order).toHaveLength(count)
  })
})

describe('what it hears', () => {
  it('counts tasks of each group as they come, change and go', () => {
    const model = modelOf(all)
    expect(countsOf(model)).toEqual({ 'need you': 1, running: 1, queued: 2, failed: 1 })
    const heard = next(model, {
      kind: 'events',
      events: [
        anEvent({ seq: 2, taskId: waiting.id, type: 'task.status', data: { from: 'queued', to: 'in_progress' } }),
        anEvent({ seq: 3, taskId: waiting.id, type: 'task.status', data: { from: 'in_progress', to: 'completed' } }),
        anEvent({ seq: 4, taskId: failed.id, type: 'task.removed' }),
        anEvent({ seq: 5, taskId: 'nnnnnnnnnn', type: 'task.step', data: { to: 'running' } }),
      ],
    })
    expect(countsOf(heard)).toEqual({ 'need you': 1, running: 1, queued: 1, done: 1 })
    const row = { task: aRow({ id: 'nnnnnnnnnn', status: 'parked', step: 'running' }), why: null }
    const read = next(heard, { kind: 'rows', asked: new Map([['nnnnnnnnnn', undefined]]), rows: [row] })
    expect(countsOf(read)).toEqual({ 'need you': 1, running: 1, queued: 1, parked: 1, done: 1 })
    // Counted on, it is what counting everything would have come to.
    expect(read.tally).toEqual(modelOf([...read.rows.values()].map(({ task }) => task)).tally)
  })

  it('knows a step from its event and reads the rest anew', () => {
    const event = anEvent({ seq: 2, at: ago(0), taskId: first.id, data: { from: 'node_selection', to: 'running' } })
    const row = next(modelOf(all), { kind: 'events', events: [event] }).rows.get(first.id)
    expect(row).toMatchObject({ isStale: true, why: null, task: { step: 'running', stepEnteredAt: ago(0) } })
  })

  it('does not take an answer that is older than an event', () => {
    const model = modelOf(all)
    const asked = new Map([[first.id, model.rows.get(first.id)]])
    const event = anEvent({ seq: 2, taskId: first.id, data: { to: 'running' } })
    const late: Action = { kind: 'rows', asked, rows: [{ task: first, why: 'old' }] }
    expect(next(model, { kind: 'events', events: [event] }, late).rows.get(first.id)?.task.step).toBe('running')
    expect(next(model, late).rows.get(first.id)).toMatchObject({ why: 'old', isStale: false })
  })

  it('forgets what an attempt came to when the next one opens', () => {
    const event = anEvent({ seq: 2, attempt: 2, taskId: failed.id, type: 'task.status', data: { to: 'queued' } })
    const row = next(modelOf(all), { kind: 'events', events: [event] }).rows.get(failed.id)
    expect(row?.task).toMatchObject({ attempt: 2, status: 'queued', verdict: null, completedAt: null })
  })

  it('says since when the daemon is away, once', () => {
    const away = next(modelOf(all), { kind: 'link', isOpen: false }, { kind: 'tick', now: NOON + 9_000 })
    expect(next(away, { kind: 'link', isOpen: false }).awaySince).toBe(NOON)
    expect(next(away, { kind: 'link', isOpen: true }).awaySince).toBeNull()
  })

  it('shows what it knew while the daemon is away, standing back', () => {
    const tones = (model: Model) =>
      new Set(
        frame(model)
          .slice(1, -1)
          .flat()
          .map(({ tone }) => tone),
      )
    const away = next(modelOf(all), { kind: 'link', isOpen: false })
    expect([tones(modelOf(all)).size > 2, [...tones(away)]]).toEqual([true, ['quiet']])
  })

  it('keeps what one looks at in the log while lines come', () => {
    const focus: Action = { kind: 'focus', id: running.id }
    const log = (text: string): Action => ({ kind: 'log', of: 'log', id: running.id, text, isAnew: false })
    const open = next(modelOf(all), focus, { kind: 'open', id: running.id }, log('line\n'.repeat(100)))
    expect(next(open, log('new\nnew\n')).back).toBe(0)
    const held = next(open, { kind: 'move', by: -5 })
    expect([held.back, next(held, log('new\nnew\n')).back]).toEqual([5, 7])
    expect(next(held, { kind: 'end', which: 'last' }).back).toBe(0)
  })
})

describe('a key', () => {
  const effects = (model: Model, key: string) =>
    press(model, key).flatMap(deed => ('effect' in deed ? [deed.effect] : []))
  const pressed = (model: Model, ...keys: string[]) =>
    keys.reduce((now, key) => next(now, ...press(now, key).flatMap(deed => ('act' in deed ? [deed.act] : []))), model)

  it('that changes something asks first; only y does it', () => {
    const model = pressed(modelOf(all), 'x')
    expect(model.prompt).toMatchObject({ kind: 'confirm', question: expect.stringContaining('cancel dddddddddd') })
    for (const key of ['n', 'enter', 'space', 'esc', 'ctrl-c']) {
      expect(effects(model, key)).toEqual([])
      expect(pressed(model, key).prompt).toBeNull()
    }
    expect(effects(model, 'y')).toEqual([{ kind: 'cancel', ids: [asking.id] }])
  })

  it('is about the marked tasks that it fits, or says why about none', () => {
    const marked = pressed(modelOf(all), 'space', 'space', 'space', 'space', 'space')
    expect(marked.list.marked.size).toBe(5)
    expect(effects(pressed(marked, 'r'), 'y')).toEqual([{ kind: 'retry', ids: [failed.id] }])
    expect(pressed(modelOf([running]), 'r').notice).toMatchObject({
      isBad: true,
      text: expect.stringContaining('retry'),
    })
    expect(pressed(marked, 'esc').list.marked.size).toBe(0)
  })

  it('that changes something does nothing with --read-only, and says why', () => {
    const model = modelOf(all, true)
    for (const key of ['x', 'r', 'i', 'n', 'p', 'a', 'P', 'D', 'S']) {
      expect([pressed(model, key).prompt, effects(model, key)]).toEqual([null, []])
      expect(pressed(model, key).notice).toMatchObject({ isBad: true, text: expect.stringContaining('read only') })
    }
    expect(pressed(model, '2', 'd').notice?.text).toContain('read only: drain')
    expect(pressed(model, 'enter').open).toBe(asking.id)
  })

  it('is a letter while one types: the list follows, escape clears it', () => {
    const typing = pressed(modelOf(all), '/', 'q', 'x', 'backspace', 'backspace', 'a', 'l', 'p')
    expect([typing.list.filter, titles(typing)]).toEqual(['alp', ['Alpha']])
    expect(pressed(typing, 'enter')).toMatchObject({ prompt: null, list: { filter: 'alp' } })
    expect(pressed(typing, 'esc')).toMatchObject({ prompt: null, list: { filter: '' } })
  })

  it('sends a line to who reads it, and no empty one', () => {
    const typing = pressed(modelOf(all), 'i', 'h', 'i')
    expect(effects(typing, 'enter')).toEqual([{ kind: 'send', id: asking.id, text: 'hi' }])
    expect(effects(pressed(modelOf(all), 'i', 'space'), 'enter')).toEqual([])
    expect(pressed(modelOf([failed]), 'i').notice?.isBad).toBe(true)
  })

  it('closes the help, and does nothing else there', () => {
    const help = pressed(modelOf(all), '?')
    expect(help.helpTop).toBe(0)
    expect(pressed(help, 'j').helpTop).toBe(1)
    expect(pressed(help, 'x')).toMatchObject({ helpTop: null, prompt: null })
    expect(effects(help, 'ctrl-c')).toEqual([{ kind: 'quit' }])
  })

  it('escape goes back and never leaves', () => {
    expect(pressed(modelOf(all), 'enter', 'esc')).toMatchObject({ open: null })
    expect(effects(modelOf(all), 'esc')).toEqual([])
    expect(effects(modelOf(all), 'q')).toEqual([{ kind: 'quit' }])
  })
})

describe('the search in a text', () => {
  const effects = (model: Model, key: string) =>
    press(model, key).flatMap(deed => ('effect' in deed ? [deed.effect] : []))
  const pressed = (model: Model, ...keys: string[]) =>
    keys.reduce((now, key) => next(now, ...press(now, key).flatMap(deed => ('act' in deed ? [deed.act] : []))), model)
  const text = Array.from({ length: 100 }, (_, index) => `line ${index}${index % 40 === 3 ? ' with an Error' : ''}\n`)
  const open = next(
    modelOf(all),
    { kind: 'focus', id: asking.id },
    { kind: 'open', id: asking.id },
    { kind: 'log', of: 'log', id: asking.id, text: text.join(''), isAnew: false },
  )
  const seen = (model: Model) =>
    frame(model).map(line =>
      line
        .map(span => span.text)
        .join('')
        .trimEnd(),
    )
  const hit = (model: Model) => seen(model).filter(line => line.startsWith('›'))

  it('goes to the newest hit above while one types, and around with n and N', () => {
    const found = pressed(open, '/', ...'error', 'enter')
    expect(hit(found)).toEqual(['›line 83 with an Error'])
    expect(seen(found).join('\n')).toContain('/error  3 of 3')
    expect([hit(pressed(found, 'n')), hit(pressed(found, 'N')), hit(pressed(found, 'N', 'N', 'N'))]).toEqual([
      ['›line 3 with an Error'],
      ['›line 43 with an Error'],
      ['›line 83 with an Error'],
    ])
  })

  it('marks what it found, where small letters stand for both and capitals for themselves', () => {
    const found = pressed(open, '/', ...'Error', 'enter')
    const marked = frame(found).flatMap(line => line.filter(({ isInverse }) => isInverse))
    expect(marked.map(span => span.text)).toEqual(['Error'])
    const none = pressed(open, '/', ...'ERROR', 'enter')
    expect([hit(none), seen(none).join('\n').includes('/ERROR  not here')]).toEqual([[], true])
  })

  it('ends with escape, and only then one goes back', () => {
    const found = pressed(open, '/', ...'error', 'enter')
    expect(pressed(found, 'esc')).toMatchObject({ open: asking.id, search: { text: '' } })
    expect(pressed(found, 'esc', 'esc')).toMatchObject({ open: null })
    expect(pressed(open, '/', 'x', 'esc')).toMatchObject({ open: asking.id, prompt: null, search: { text: '' } })
  })

  it('is read from the top in a diff, and begins anew in another pane', () => {
    const diff = next(
      open,
      { kind: 'pane', pane: 'diff' },
      { kind: 'detail', id: asking.id, facts: { diff: text.join('') } },
    )
    const found = pressed(diff, '/', ...'error', 'enter')
    expect(hit(found)).toEqual(['›line 3 with an Error'])
    expect(hit(pressed(found, 'n'))).toEqual(['›line 43 with an Error'])
    expect(pressed(found, 'tab').search).toEqual({ text: 'error', line: null })
  })

  it('works where lines are wrapped, and holds still while lines come', () => {
    const found = pressed(open, 'w', '/', ...'error', 'enter')
    expect(hit(found)).toEqual(['›line 83 with an Error'])
    const later = next(found, { kind: 'log', of: 'log', id: asking.id, text: 'new\n'.repeat(50), isAnew: false })
    expect(hit(later)).toEqual(['›line 83 with an Error'])
  })

  it('has all of a text in the pager', () => {
    expect(effects(open, 'e')).toEqual([{ kind: 'page', id: asking.id, pane: 'log' }])
    expect(effects(pressed(open, 'tab'), 'e')).toEqual([{ kind: 'page', id: asking.id, pane: 'check' }])
  })
})

describe('the keys', () => {
  const withKeys = (keys: Partial<KeyMap>) => ({ ...modelOf(all), keys: { ...DEFAULT_KEYS, ...keys } })
  const effects = (model: Model, key: string) =>
    press(model, key).flatMap(deed => ('effect' in deed ? [deed.effect] : []))

  it('mean one thing in a place, and all are keys', () => {
    expect(clashesOf(DEFAULT_KEYS)).toEqual([])
    expect(
      Object.values(DEFAULT_KEYS)
        .flat()
        .filter(key => !KEY_FORM.test(key)),
    ).toEqual([])
  })

  it('of newer actions give way to a configuration that is older than they are', () => {
    const own = { ...DEFAULT_KEYS, pager: ['P'] }
    expect([clashesOf(own), settledKeys(own).push, settledKeys(own).pager]).toEqual([[], [], ['P']])
    expect(clashesOf({ ...DEFAULT_KEYS, pager: ['P'], push: ['P', 'z'] })).toMatchObject([{ key: 'P' }])
    expect(settledKeys(DEFAULT_KEYS)).toEqual(DEFAULT_KEYS)
  })

  it('can be others, also in help and footer; Ctrl-C leaves in any case', () => {
    const model = withKeys({ quit: ['Q', 'ctrl-x'], cancel: [] })
    expect([effects(model, 'q'), effects(model, 'Q'), effects(model, 'ctrl-x'), effects(model, 'ctrl-c')]).toEqual([
      [],
      ...Array.from({ length: 3 }, () => [{ kind: 'quit' }]),
    ])
    expect(press(model, 'x')).toEqual([])
    const text = frame(next(model, { kind: 'help', top: 0 })).map(line => line.map(span => span.text).join(''))
    expect(text.join('\n')).toMatch(/ Q +leave; tasks go on/)
    expect(text.join('\n')).not.toContain('cancel;')
    expect(text.at(-1)).toContain('Q quit')
  })
})
