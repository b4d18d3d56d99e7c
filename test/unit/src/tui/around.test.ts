/** What is around the picture: the mouse, the title of the terminal, calls for attention, colours for two backgrounds. */
import type { Key } from 'ink'
import { describe, expect, it, vi } from 'vitest'
import { createKeyReader } from '../../../../src/tui/input/keys.ts'
import { mouseKey } from '../../../../src/tui/input/pointer.ts'
import { press } from '../../../../src/tui/input/press.ts'
import type { Action } from '../../../../src/tui/state/actions.ts'
import { firstModel, type Model } from '../../../../src/tui/state/model.ts'
import { reduce } from '../../../../src/tui/store.ts'
import { type Attention, callFor, titleOf } from '../../../../src/tui/terminal/attention.ts'
import { paletteOf } from '../../../../src/tui/terminal/palette.ts'
import { openTerminal } from '../../../../src/tui/terminal/terminal.ts'
import { createScreen } from '../../../support/screen/screen.ts'
import { ago, aNode, anEvent, aRow, fakeStdin, fakeStdout, NOON, show } from '../../../support/screen/tui.tsx'

const next = (model: Model, ...actions: Action[]) => actions.reduce(reduce, model)
const pressed = (model: Model, ...keys: string[]) =>
  keys.reduce((now, key) => next(now, ...press(now, key).flatMap(deed => ('act' in deed ? [deed.act] : []))), model)

const tasks = Array.from({ length: 30 }, (_, index) =>
  aRow({ id: `t${String(index).padStart(9, '0')}`, title: `task ${index}`, createdAt: ago(60_000 - index) }),
)
const nodes = [aNode({ name: 'box1' }), aNode({ name: 'box2' })]
const list = next(firstModel(NOON, { columns: 80, rows: 24 }, false), {
  kind: 'snapshot',
  snapshot: { seq: 1, tasks, others: {}, nodes },
})
const idAt = (place: number) => list.list.order[place]

describe('the mouse', () => {
  it('is read from its reports, and they are no letters', () => {
    const read = (input: string) => createKeyReader()(input, { ctrl: false } as Key)
    expect([read('[<64;10;5M'), read('[<65;10;5M'), read('[<0;10;5M'), read('[<0;10;5m'), read('[<2;1;1M')]).toEqual([
      ['wheel-up'],
      ['wheel-down'],
      ['click-9-4'],
      [],
      [],
    ])
    expect(mouseKey('[<0;1')).toBeNull()
  })

  it('chooses a task by a click and opens it by another', () => {
    const there = pressed(list, 'click-10-5')
    expect([there.list.cursor, there.open]).toEqual([idAt(2), null])
    expect(pressed(there, 'click-10-5').open).toBe(idAt(2))
  })

  it('moves by its wheel in lists, in texts and in the help', () => {
    expect(pressed(list, 'wheel-down', 'wheel-down', 'wheel-up').list.cursor).toBe(idAt(3))
    const log = { kind: 'log', id: idAt(0) ?? '', of: 'log', isAnew: true, text: 'line\n'.repeat(200) } as const
    const open = next(pressed(next(list, { kind: 'focus', id: idAt(0) ?? '' }), 'enter'), log)
    expect(pressed(open, 'wheel-up').back).toBe(3)
    expect(pressed(list, '?', 'wheel-down').helpTop).toBe(3)
  })

  it('changes tabs, panes and nodes, and does nothing beside them', () => {
    expect(pressed(list, 'click-16-0').view).toBe('nodes')
    const box = pressed(list, '2', 'click-4-4')
    expect([box.nodeCursor, pressed(box, 'click-4-4').open]).toEqual(['box2', 'box2'])
    const open = pressed(next(list, { kind: 'focus', id: idAt(0) ?? '' }), 'enter')
    const row = Array.from({ length: 24 }, (_, y) => pressed(open, `click-9-${y}`).pane).indexOf('check')
    expect(row).toBeGreaterThan(1)
    for (const key of ['click-70-0', 'click-4-2', 'click-4-23']) expect(pressed(list, key)).toEqual(list)
  })

  it('does not answer a question', () => {
    const asked = pressed(list, 'x')
    expect(pressed(asked, 'wheel-down').prompt).toBeNull()
  })

  it('is left to the terminal where the configuration says so', () => {
    const written = (hasMouse: boolean) => {
      const chunks: string[] = []
      const screen = createScreen(80, 24)
      const stdout = fakeStdout({ ...screen, write: bytes => chunks.push(bytes) }, { columns: 80, rows: 24 })
      const terminal = openTerminal({ stdin: fakeStdin(), stdout, hasMouse })
      terminal.enter()
      terminal.leave()
      return chunks.join('')
    }
    expect([written(true).includes('?1000h'), written(true).includes('?1000l')]).toEqual([true, true])
    expect(written(false)).not.toContain('?1000')
  })
})

const key = (flags: Partial<Key> = {}) => ({ ctrl: false, ...flags }) as Key

describe('keys that are typed faster than they are read', () => {
  it('are what they would be one by one', () => {
    const read = createKeyReader()
    expect(read('/\x15fix it\rn', key())).toEqual(['/', 'ctrl-u', 'f', 'i', 'x', 'space', 'i', 't', 'enter', 'n'])
    expect(read('a\tb\x7f\0', key())).toEqual(['a', 'tab', 'b', 'backspace'])
    expect(read('x', key({ meta: true }))).toEqual(['esc', 'x'])
  })

  it('are two escapes where two escapes are one input', async () => {
    const shown = show({ columns: 80, rows: 24 })
    try {
      shown.store.dispatch({ kind: 'snapshot', snapshot: { seq: 1, tasks, others: {}, nodes } })
      shown.keys('enter', '/', 'x', 'enter')
      await shown.lines()
      shown.type('\x1b\x1b')
      await vi.waitFor(() => expect(shown.store.get()).toMatchObject({ search: { text: '' }, open: null }))
    } finally {
      shown.close()
    }
  })

  it('are none where a terminal sends a key that has no name, or tells of itself', () => {
    const read = createKeyReader()
    expect(['[?62;22c', '[25~', '[1;5P', '[>0;276;0c'].flatMap(input => read(input, key()))).toEqual([])
    expect(read('[', key())).toEqual(['['])
  })
})

describe('a text that is pasted', () => {
  const paste = (...pieces: [string, Partial<Key>?][]) => {
    const read = createKeyReader()
    const all: [string, Partial<Key>?][] = [['[200~'], ...pieces, ['[201~'], ['q']]
    return all.flatMap(([input, flags]) => read(input, key(flags)))
  }

  it('is one key, with its lines, and without what is no text', () => {
    expect(paste(['a'], ['c', { ctrl: true }], ['b'])).toEqual(['ctrl-c', 'b', 'q'])
    expect(paste(['a\r\n\tb'], ['\r', { return: true }], ['q\x07\r'])).toEqual(['paste:a\n  b\nq\n', 'q'])
    expect(paste()).toEqual(['q'])
    expect(paste(['x'.repeat(20_000)])[0]).toHaveLength(16_384 + 'paste:'.length)
  })

  it('keeps its lines in a form, is one line elsewhere, and hands nothing over', () => {
    const form = pressed(list, 'n', 'paste:one\ntwo\n')
    expect(form.prompt).toMatchObject({ kind: 'form', task: { prompt: 'one\ntwo\n' } })
    expect(pressed(form, 'tab', 'paste:bot\n').prompt).toMatchObject({ task: { agent: 'bot' } })
    expect(pressed(list, '/', 'paste:task 1\n2').prompt).toMatchObject({ text: 'task 1 2' })
  })

  it('presses nothing where no text is asked for', () => {
    expect(pressed(list, 'paste:x\ny')).toEqual(list)
    expect(press(pressed(list, 'x'), 'paste:y')).toEqual([{ act: { kind: 'prompt', prompt: null } }])
  })
})

const status = (seq: number, to: string) => anEvent({ seq, type: 'task.status', taskId: idAt(0) ?? '', data: { to } })
const asks = anEvent({ seq: 9, taskId: idAt(1) ?? '', data: { from: 'running', to: 'awaiting_followup' } })

describe('the title of the terminal', () => {
  it('says what runs, what needs its user and what failed since it was opened', () => {
    expect(titleOf(list)).toBe('tdf')
    const events = [status(2, 'in_progress'), status(3, 'failed'), asks]
    const started = { ...tasks[2], status: 'in_progress', step: 'running' } as (typeof tasks)[number]
    const model = next(list, { kind: 'snapshot', snapshot: { seq: 1, tasks: [...tasks, started], others: {}, nodes } })
    expect(titleOf(next(model, { kind: 'events', events }))).toBe('tdf 1▶ 1? 1✗')
  })

  it('is taken back at the end', () => {
    const chunks: string[] = []
    const stdout = fakeStdout(
      { ...createScreen(80, 24), write: bytes => chunks.push(bytes) },
      { columns: 80, rows: 24 },
    )
    const terminal = openTerminal({ stdin: fakeStdin(), stdout, hasMouse: false })
    terminal.title('tdf 1▶')
    expect(chunks).toEqual([])
    terminal.enter()
    terminal.title('tdf 1▶')
    terminal.title('tdf 2▶')
    terminal.leave()
    const title = (text: string) => `\x1b]2;tdf ${text}\x07`
    const places = ['\x1b[22;2t', title('1▶'), title('2▶'), '\x1b[23;2t'].map(text => chunks.join('').split(text))
    expect(places.map(({ length }) => length)).toEqual([2, 2, 2, 2])
    expect(places.map(([before = '']) => before.length).every((at, index, all) => at >= (all[index - 1] ?? 0))).toBe(
      true,
    )
  })
})

describe('attention', () => {
  const all: Attention = { how: 'osc9', on: ['done', 'failed', 'needs-you'], isTmux: false }
  const events = [status(2, 'completed'), status(3, 'failed'), status(4, 'failed'), status(5, 'queued'), asks]

  it('is called for by the bell or by a notification, when that is configured', () => {
    expect(callFor(events, { ...all, how: 'none' })).toBe('')
    expect(callFor(events, { ...all, how: 'bell' })).toBe('\x07')
    expect(callFor(events, all)).toBe('\x1b]9;tdf: 1 done, 2 failed, 1 waiting for you\x07')
    expect(callFor(events, { ...all, isTmux: true })).toBe(
      '\x1bPtmux;\x1b\x1b]9;tdf: 1 done, 2 failed, 1 waiting for you\x07\x1b\\',
    )
  })

  it('is not called for by what nobody wants to be told, nor by nothing', () => {
    expect(callFor(events, { ...all, on: ['failed'] })).toContain('tdf: 2 failed\x07')
    expect(callFor([status(2, 'cancelled'), status(3, 'parked')], all)).toBe('')
  })
})

describe('the colours', () => {
  it('are those of the configuration, else of what the terminal says of its background', () => {
    const [dark, light] = [paletteOf('dark', true, '0;15'), paletteOf('light', true, undefined)]
    expect(dark).not.toEqual(light)
    expect([paletteOf('auto', true, '0;15'), paletteOf('auto', true, '0;default;15')]).toEqual([light, light])
    expect([paletteOf('auto', true, '15;0'), paletteOf('auto', true, undefined)]).toEqual([dark, dark])
    expect(Object.values(paletteOf('light', false, undefined)).filter(Boolean)).toEqual([])
  })
})
