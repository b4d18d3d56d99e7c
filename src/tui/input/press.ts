/** What a key does now: first for a question that is open, then for the help, then by the table. */
import type { Model } from '../state/model.ts'
import { FIELDS, type Prompt, typed } from '../state/prompt.ts'
import { helpLines } from '../view/footer.ts'
import { allBindings } from './bindings.ts'
import { act, type Command } from './commands.ts'
import { point } from './pointer.ts'

/** In the help; every other key closes it. */
const SCROLL: Record<string, number> = {
  j: 1,
  down: 1,
  'wheel-down': 3,
  k: -1,
  up: -1,
  'wheel-up': -3,
  pagedown: 10,
  pageup: -10,
}

export function press(model: Model, key: string): readonly Command[] {
  const pointed = model.prompt || model.helpTop !== null ? null : point(model, key)
  if (pointed) return pointed
  if (key === 'ctrl-c' && !model.prompt) return [{ effect: { kind: 'quit' } }]
  if (model.prompt) return key === 'ctrl-c' ? close() : answer(model.prompt, key)
  if (model.helpTop !== null && !model.keys.suspend.includes(key)) {
    const by = SCROLL[key]
    const most = Math.max(helpLines(model).length - 1, 0)
    return [{ act: { kind: 'help', top: by === undefined ? null : Math.min(model.helpTop + by, most) } }]
  }
  const binding = allBindings(model).find(({ keys }) => keys.includes(key))
  if (binding?.changes && model.isReadOnly) {
    return act({
      kind: 'notice',
      isBad: true,
      text: `read only: ${binding.name} does nothing here (--read-only or [tui] read_only)`,
    })
  }
  return binding?.does(model) ?? []
}

const close = (): Command[] => [{ act: { kind: 'prompt', prompt: null } }]

function answer(prompt: Prompt, key: string): Command[] {
  if (prompt.kind === 'form') return formKey(prompt, key)
  if (prompt.kind === 'confirm') return key === 'y' || key === 'Y' ? [...close(), { effect: prompt.effect }] : close()
  if (key === 'enter') return [...close(), ...entered(prompt)]
  if (key === 'esc') return isMessage(prompt) ? close() : [...close(), { act: { kind: prompt.for, text: '' } }]
  const text = typed(prompt.text, key)
  const next: Command[] = [{ act: { kind: 'prompt', prompt: { ...prompt, text } } }]
  // The list follows while one types, and so does the text.
  return isMessage(prompt) ? next : [...next, { act: { kind: prompt.for, text } }]
}

type LinePrompt = Extract<Prompt, { kind: 'line' }>
type Message = Extract<LinePrompt, { id: string }>

const isMessage = (prompt: LinePrompt): prompt is Message => prompt.for === 'send' || prompt.for === 'continue'

function entered(prompt: LinePrompt): Command[] {
  if (!isMessage(prompt)) return [{ act: { kind: prompt.for, text: prompt.text } }]
  const { for: kind, id, text } = prompt
  return text.trim() === '' ? [] : [{ effect: { kind, id, text } }]
}

const STEPS: Record<string, number> = { tab: 1, down: 1, up: -1 }

/** What is written stays as a draft until it is handed over. */
function formKey(prompt: Extract<Prompt, { kind: 'form' }>, key: string): Command[] {
  const { task, at } = prompt
  const isEmpty = task.prompt.trim() === ''
  const show = (next: Prompt): Command[] => act({ kind: 'prompt', prompt: next })
  if (key === 'esc') return [...close(), ...act({ kind: 'draft', task })]
  if (key === 'ctrl-e') return [...close(), { effect: { kind: 'compose', task } }]
  if (key === 'enter') {
    if (isEmpty)
      return act({ kind: 'notice', isBad: true, text: 'there is no prompt yet: write what the agent should do' })
    return [...close(), ...act({ kind: 'draft', task }), { effect: { kind: 'submit', task } }]
  }
  const by = STEPS[key]
  if (by !== undefined) {
    const next = FIELDS[(FIELDS.indexOf(at) + by + FIELDS.length) % FIELDS.length] ?? at
    return show({ ...prompt, at: next })
  }
  return show({ ...prompt, task: { ...task, [at]: typed(task[at], key, at === 'prompt') } })
}
