/** The list of tasks and what is open: held by its id, whatever the list does; columns by what is in them; what is new. */
import { describe, expect, it } from 'vitest'
import type { BudgetJson, ScreenTaskJson } from '../../../../src/protocol/screen.ts'
import { press } from '../../../../src/tui/input/press.ts'
import { columnsOf } from '../../../../src/tui/lists/columns.ts'
import type { Action } from '../../../../src/tui/state/actions.ts'
import { firstModel, focusOf, type Model } from '../../../../src/tui/state/model.ts'
import { causeIn, lastLine } from '../../../../src/tui/state/said.ts'
import { reduce } from '../../../../src/tui/store.ts'
import { frame } from '../../../../src/tui/view/frame.ts'
import { tabAt } from '../../../../src/tui/view/header.ts'
import { ago, aNode, anEvent, aRow, aSchedule, NOON } from '../../../support/screen/tui.tsx'

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

function modelOf(tasks: readonly ScreenTaskJson[], size = { columns: 120, rows: 30 }): Model {
  const snapshot = { seq: 1, tasks: [...tasks], others: {}, nodes: [aNode()] }
  return next(firstModel(NOON, size, false), { kind: 'snapshot', snapshot })
}

const result = {
  branch: 'tdf/x',
  commit: '9e1f0c6b5a4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f',
  ahead: 1,
  filesChanged: 1,
  insertions: 1,
  deletions: 0,
  summary: null,
  salvaged: false,
  check: null,
} as ScreenTaskJson['result']
const opened = aRow({ id: 'aaaaaaaaaa', title: 'Alpha', status: 'in_progress', step: 'running', result })
const neighbour = aRow({
  id: 'bbbbbbbbbb',
  title: 'Beta',
  status: 'in_progress',
  step: 'running',
  createdAt: ago(1_000_000),
})
const LATER = { kind: 'tick', now: NOON + 10_000 } as const
const ended = (seq: number, id: string, to: string) =>
  anEvent({ seq, type: 'task.status', taskId: id, data: { from: 'in_progress', to } })

describe('an open task', () => {
  const open = pressed(modelOf([opened, neighbour]), '/', ...'status:in_progress', 'enter', 'enter')
  const left = next(
    open,
    { kind: 'focus', id: opened.id },
    { kind: 'events', events: [ended(2, opened.id, 'completed')] },
    LATER,
  )

  it('stays open when it leaves the filter of the list', () => {
    expect([left.list.order, left.open, focusOf(left)]).toEqual([[neighbour.id], opened.id, opened.id])
    expect(text(left)[1]).toContain('Alpha')
  })

  it('is what every key is about then, and its neighbour never', () => {
    expect(pressed(left, 'r').prompt).toMatchObject({ effect: { kind: 'retry', ids: [opened.id] } })
    expect(pressed(left, 'D').prompt).toMatchObject({ effect: { kind: 'forget', ids: [opened.id] } })
    expect(pressed(left, 'x')).toMatchObject({ prompt: null, notice: { isBad: true } })
    expect(pressed(left, 'i')).toMatchObject({ prompt: null, notice: { isBad: true } })
    for (const key of ['y', 's', 'e', 'p', 'S']) expect(JSON.stringify(effects(left, key))).toContain(opened.id)
    for (const key of ['a', 'P']) expect(pressed(left, key).prompt).toMatchObject({ effect: { id: opened.id } })
  })

  it('is meant alone, whatever is marked in the list', () => {
    const marked = pressed(modelOf([opened, neighbour]), 'space', 'space', 'g', 'enter')
    expect([marked.list.marked.size, marked.open]).toEqual([2, opened.id])
    expect(pressed(marked, 'x').prompt).toMatchObject({ effect: { kind: 'cancel', ids: [opened.id] } })
  })

  it('stays open when it is forgotten elsewhere, and no key is about another', () => {
    const gone = next(
      open,
      { kind: 'events', events: [anEvent({ seq: 2, type: 'task.removed', taskId: opened.id })] },
      LATER,
    )
    expect([gone.open, text(gone)[1]]).toEqual([opened.id, expect.stringContaining('forgotten')])
    for (const key of ['x', 'r', 'D', 'i', 'a', 'P', 'p']) {
      expect([pressed(gone, key).prompt, effects(gone, key)]).toEqual([null, []])
    }
    expect(pressed(gone, 'esc')).toMatchObject({ open: null, list: { cursor: neighbour.id } })
  })

  it('gives way to the one below or above by its own keys', () => {
    const both = pressed(modelOf([opened, neighbour]), 'enter')
    expect([pressed(both, ']').open, pressed(both, ']', '[').open]).toEqual([neighbour.id, opened.id])
    expect(pressed(left, ']').open).toBe(neighbour.id)
  })
})

describe('an open node', () => {
  const two = [aNode({ name: 'box1' }), aNode({ name: 'box2' })]
  const open = pressed(next(modelOf([]), { kind: 'nodes', nodes: two }), '2', 'j', 'enter')

  it('is held by its name, and drained by no other', () => {
    const fewer = next(open, { kind: 'nodes', nodes: two.slice(0, 1) })
    expect([open.open, text(open)[1], text(fewer).join(' ')]).toEqual([
      'box2',
      expect.stringContaining('box2'),
      expect.stringContaining('it is gone'),
    ])
    expect(pressed(open, 'd').prompt).toMatchObject({ effect: { kind: 'drain', node: 'box2' } })
    expect(pressed(fewer, 'd').prompt).toBeNull()
  })
})

describe('schedules', () => {
  const paused = aSchedule({ name: 'weekly', state: 'paused', next: null, why: 'by you', streak: -1 })
  const shown = (...keys: string[]) =>
    pressed(next(modelOf([]), { kind: 'schedules', schedules: [aSchedule(), paused] }), '4', ...keys)

  it('are moved through, opened, gone through while one is open, and left', () => {
    expect(shown('j').scheduleCursor).toBe('weekly')
    expect(shown('enter').open).toBe('nightly')
    expect(shown('enter', ']')).toMatchObject({ open: 'weekly', scheduleCursor: 'weekly' })
    expect(shown('enter', ']', 'esc')).toMatchObject({ view: 'schedules', open: null })
    expect(shown('click-4-4').scheduleCursor).toBe('weekly')
    expect(shown('click-4-4', 'click-4-4').open).toBe('weekly')
  })

  it.each([
    [[], 'r', 'submit the task of nightly now?', 'run'],
    [[], 'p', 'pause nightly: no task from it until it goes on?', 'pause'],
    [['j'], 'p', 'let weekly go on with its next instant?', 'resume'],
    [['j', 'enter'], 'p', 'let weekly go on with its next instant?', 'resume'],
  ] as const)('after %s, %s asks before it is done', (keys, key, question, verb) => {
    const model = shown(...keys, key)
    const name = question.includes('weekly') ? 'weekly' : 'nightly'
    expect(model.prompt).toMatchObject({ kind: 'confirm', question })
    expect(effects(model, 'y')).toEqual([{ kind: 'schedule', name, verb }])
    expect(effects(model, 'n')).toEqual([])
  })

  it('has nothing that changes one with --read-only, and says why', () => {
    const model = { ...shown(), isReadOnly: true }
    for (const key of ['r', 'p']) {
      expect(pressed(model, key)).toMatchObject({
        prompt: null,
        notice: { text: expect.stringContaining('read only') },
      })
    }
  })

  it('says what there is instead of an empty list', () => {
    expect(text(pressed(modelOf([]), '4')).join('\n')).toContain('not read yet')
    const none = pressed(next(modelOf([]), { kind: 'schedules', schedules: [] }), '4', 'r', 'enter')
    expect(text(none).join('\n')).toContain('no schedules yet; tdf schedule add')
    expect([none.prompt, none.open]).toEqual([null, null])
  })

  it('is gone where it was removed elsewhere, and its neighbours are not taken for it', () => {
    const gone = next(shown('j', 'enter'), { kind: 'schedules', schedules: [aSchedule()] })
    expect(text(gone).join('\n')).toContain('it is gone')
    expect(pressed(gone, 'p').prompt).toBeNull()
  })

  it('scrolls through what became of the instants of one, and no further', () => {
    const runs = Array.from({ length: 60 }, (_, index) => ({
      ...{ planned: ago(index * 86_400_000), task: `t${index}`, status: 'completed', verdict: 'verified' },
      ...{ note: null, lateMs: 0 },
    }))
    const model = next(shown('enter'), { kind: 'schedules', schedules: [aSchedule({ runs })] })
    expect(text(model).join('\n')).toContain('t0 verified')
    const end = text(pressed(model, 'G')).join('\n')
    expect(end).toContain('t59 verified')
    expect(end).not.toContain(' below')
    expect(text(pressed(model, 'G', 'g'))).toEqual(text(model))
    expect(text(pressed(model, 'j')).join('\n')).toContain('▲ 1 above')
  })
})

describe('the list', () => {
  const many = Array.from({ length: 60 }, (_, index) =>
    aRow({ id: `q${String(index).padStart(9, '0')}`, title: `queued ${index}`, createdAt: ago(index * 1_000) }),
  )
  const started = many
    .slice(0, 30)
    .map((task, index) =>
      anEvent({ seq: index + 2, taskId: task.id, type: 'task.status', data: { from: 'queued', to: 'in_progress' } }),
    )

  it('keeps what runs on the screen until a key is pressed', () => {
    const model = next(modelOf(many), { kind: 'events', events: started }, LATER)
    expect([model.list.top, model.list.order[0]]).toEqual([0, model.list.cursor])
    const first = text(next(modelOf(many.toReversed()), { kind: 'events', events: started.slice(5, 6) }, LATER))
    expect(first[3]).toContain(many[5]?.title ?? '')
  })

  it('keeps the row under the cursor in its place afterwards, and says how many are above', () => {
    const down = pressed(modelOf(many), ...Array.from({ length: 20 }, () => 'j'))
    const model = next(down, { kind: 'events', events: [] }, LATER)
    expect(model.list.cursor).toBe(down.list.cursor)
    expect(text(model)[2]).toMatch(new RegExp(`▲ ${model.list.top} above {2}▼ \\d+ below`))
  })

  it('has no column whose cells are all equal, and titles as wide as they are', () => {
    const titles = (model: Model) => columnsOf(model).map(({ title }) => title.trim())
    expect(titles(modelOf([opened, neighbour]))).toEqual(['STATE', 'TITLE', 'ID', 'FOR', 'WHAT'])
    const other = {
      ...neighbour,
      agent: 'codex',
      node: { name: 'box1', provider: 'static', size: null, location: null, autoProvisioned: false },
    }
    const mixed = modelOf([opened, other])
    expect(titles(mixed)).toEqual(['STATE', 'TITLE', 'ID', 'AGENT', 'NODE', 'FOR', 'WHAT'])
    expect(columnsOf(mixed).find(({ title }) => title === 'TITLE')?.width).toBe('Alpha'.length)
  })

  it('fills the row of the selection, and tells verified from unverified by sign and colour', () => {
    const verdicts = (['verified', 'unverified'] as const).map((verdict, index) =>
      aRow({ id: `v${index}00000000`, status: 'completed', step: null, verdict, completedAt: ago(1_000) }),
    )
    const model = modelOf([opened, ...verdicts])
    const [bar] = frame(model).flatMap(line => line.filter(({ isInverse }) => isInverse))
    expect(bar?.text).toHaveLength(120)
    const signs = frame(model).flatMap(line => line.filter(({ text }) => /verified/.test(text)))
    expect(signs.map(({ text, tone }) => [text.trim(), tone])).toEqual([
      ['✓ verified', 'good'],
      ['~ unverified', 'wait'],
    ])
  })

  it('says where one is in the queue, what an agent said last, and why a check failed', () => {
    const waiting = aRow({ id: 'w000000000', title: 'waiting' })
    const why =
      'It waits for a slot: local: 3 of 3 slots are in use: k7f3 (running); it is number 24 of 28 in the queue.'
    const failed = aRow({
      id: 'f000000000',
      title: 'failed',
      status: 'failed',
      step: null,
      verdict: 'check_failed',
      result: result && { ...result, check: { command: 'npm test', exitCode: 1, base: null } },
      error: {
        code: 'CHECK_FAILED',
        message: 'it ended with 1',
        hint: 'tdf show f',
        step: 'salvage',
        class: 'permanent',
      },
      completedAt: ago(1_000),
    })
    const model = modelOf([opened, waiting, failed])
    const row = model.rows.get(waiting.id)
    const shown = text(
      next(
        model,
        { kind: 'rows', asked: new Map([[waiting.id, row]]), rows: [{ task: waiting, why }] },
        {
          kind: 'said',
          lines: new Map([
            [opened.id, 'Edit src/pay/adapter.ts'],
            [failed.id, '3 failed (login.test.ts)'],
          ]),
        },
      ),
    )
    expect(shown[3]).toMatch(/running +Alpha .* Edit src\/pay\/adapter\.ts$/)
    expect(shown[5]).toMatch(/queued +waiting .* #24 of 28 · local 3\/3$/)
    expect(shown[4]).toMatch(/✗ check +failed .* npm test: 3 failed \(login\.test\.ts\)$/)
  })
})

describe('the header', () => {
  it('counts failures that are new since the dashboard was opened, until they are tried again', () => {
    const old = aRow({ id: 'o000000000', status: 'failed', step: null, completedAt: ago(1_000) })
    const model = modelOf([opened, neighbour, old])
    expect(text(model)[0]).toMatch(/▶ 2 {2}✗ 1 /)
    const failed = next(model, {
      kind: 'events',
      events: [ended(2, opened.id, 'failed'), ended(3, neighbour.id, 'failed')],
    })
    expect(text(failed)[0]).toContain('✗ 2 new')
    const retried = anEvent({
      seq: 4,
      type: 'task.status',
      taskId: opened.id,
      attempt: 2,
      data: { from: null, to: 'queued' },
    })
    expect(text(next(failed, { kind: 'events', events: [retried] }))[0]).toContain('✗ 1 new')
  })

  it('shows the places for tasks as a bar, and what the day cost', () => {
    const model = next(
      modelOf([]),
      { kind: 'spent', today: 0.42, budget: null, resting: 0 },
      { kind: 'nodes', nodes: [aNode({ workspaces: 2 })] },
    )
    expect(text(model)[0]).toContain('local 2/3 ▮▮▯   $0.42 today   ● live')
    const many = [aNode({ workspaces: 5, maxWorkspaces: 8 }), aNode({ name: 'b', workspaces: 8, maxWorkspaces: 12 })]
    expect(text(next(model, { kind: 'nodes', nodes: many }))[0]).toContain('slots 13/20 ▮▮▮▮▮▮▯▯')
  })

  describe('and its budgets', () => {
    const DAY = { window: 'day', label: null, isOfMachines: false, spent: 12.4, limit: 20, state: 'ok' } as const
    const web = { ...DAY, window: 'week', label: 'team=web', spent: 4.2, limit: 5, state: 'near' } as const
    const machines = { ...DAY, window: 'month', isOfMachines: true, spent: 51, limit: 50, state: 'used' } as const
    const shown = (budget: BudgetJson, resting = 0, columns = 120) => {
      const model = modelOf([opened], { columns, rows: 30 })
      const [line = []] = frame(next(model, { kind: 'spent', today: 12.4, budget, resting }))
      return { text: line.map(span => span.text).join(''), line }
    }
    const look = (budget: BudgetJson, what: string, columns?: number) =>
      shown(budget, 0, columns).line.find(span => span.text.includes(what))

    it('shows what of the one that is nearest to its limit is used, in the colour of a warning once that is near', () => {
      expect(shown(DAY).text).toContain('▶ 1   $12.40 of $20 today   ')
      expect(look(DAY, '$12.40')?.tone).toBeUndefined()
      expect(shown(web).text).toContain('$12.40 today   $4.20 of $5 for team=web this week   ')
      expect(look(web, 'team=web')).toMatchObject({ tone: 'wait', isBold: true })
      expect(shown(machines).text).toContain('$12.40 today   €51 of €50 for machines this month')
      expect(look(machines, '€51')).toMatchObject({ tone: 'bad', isBold: true })
    })

    it('says how many tasks rest for it', () => {
      expect(shown({ ...DAY, spent: 20.6, state: 'used' }, 3).text).toContain('$20.60 of $20 today: 3 rest')
      expect(shown({ ...DAY, spent: 20.6, state: 'used' }, 1).text).toContain('today: 1 rests')
    })

    it('gives way to the counts in a narrow window, unless it is nearly used', () => {
      expect(shown(DAY, 0, 60).text).toMatch(/▶ 1 /)
      expect(shown(web, 0, 60).text).toContain('84 % of budget')
      expect(shown({ ...DAY, label: 'a-label=of-some-length', state: 'used' }, 0, 50).text).toContain('● live')
    })
  })

  it('has its tabs where a pointer finds them', () => {
    const model = modelOf([])
    const [line = ''] = text(model)
    const names = ['tasks', 'nodes', 'events', 'schedules']
    const places = names.map(name => tabAt(model, line.indexOf(name)))
    expect([...places, tabAt(model, 0), tabAt(model, 119)]).toEqual([...names, undefined, undefined])
    const narrow = pressed(modelOf([], { columns: 60, rows: 20 }), '3')
    const [short = ''] = text(narrow)
    expect(short).toMatch(/^ tdf {3}1 {2}2 \[3 events\] 4 /)
    expect(['1', '2', 'events', '4'].map(tab => tabAt(narrow, short.indexOf(tab)))).toEqual(names)
  })
})

describe('a line of what was printed', () => {
  it('is the last one with anything in it, harmless', () => {
    expect(lastLine('one\n\x1b]0;evil\x07 two\t2 \n\n')).toBe('two 2')
    expect(lastLine(' \n')).toBeNull()
  })

  it.each([
    ['ok 1\nnot ok 2 - login\n1 failed\n', 'not ok 2 - login'],
    ['12 passed, 0 failed\nTypeError: x is not a function\n', 'TypeError: x is not a function'],
    ['building\nthe end\n', 'the end'],
  ])('is the one that speaks of a failure: %j', (printed, cause) => {
    expect(causeIn(printed)).toBe(cause)
  })
})

describe('the form of a new task', () => {
  const model = modelOf([opened])

  it('takes prompt, agent and check, a prompt of several lines as well', () => {
    const filled = pressed(
      model,
      'n',
      ...'do',
      'paste:\n',
      ...'it',
      'tab',
      ...'codex',
      'tab',
      ...'make',
      'up',
      'backspace',
    )
    expect(filled.prompt).toMatchObject({
      at: 'agent',
      task: { prompt: 'do\nit', agent: 'code', check: 'make', repo: '' },
    })
    expect(effects(filled, 'enter')).toEqual([{ kind: 'submit', task: expect.objectContaining({ prompt: 'do\nit' }) }])
    expect(effects(filled, 'ctrl-e')).toEqual([{ kind: 'compose', task: expect.objectContaining({ agent: 'code' }) }])
  })

  it('submits nothing without a prompt, and loses nothing by escape', () => {
    const empty = pressed(model, 'n', 'enter')
    expect([effects(pressed(model, 'n'), 'enter'), empty.notice?.isBad]).toEqual([[], true])
    expect(pressed(model, 'n', ...'later', 'esc').prompt).toBeNull()
    expect(pressed(model, 'n', ...'later', 'esc', 'n').prompt).toMatchObject({ task: { prompt: 'later' } })
  })
})
