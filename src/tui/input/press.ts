/** What a key does now: first for a question that is open, then for the help, then by the table. */
import { type Model, type Prompt, typed } from '../state/model.ts'
import { helpLines } from '../view/footer.ts'
import { bindingsOf } from './bindings.ts'
import type { Command } from './commands.ts'

/** In the help; every other key closes it. */
const SCROLL: Record<string, number> = { j: 1, down: 1, k: -1, up: -1, pagedown: 10, pageup: -10 }

export function press(model: Model, key: string): readonly Command[] {
  if (key === 'ctrl-c' && !model.prompt) return [{ effect: { kind: 'quit' } }]
  if (model.prompt) return key === 'ctrl-c' ? close() : answer(model.prompt, key)
  if (model.helpTop !== null && !model.keys.suspend.includes(key)) {
    const by = SCROLL[key]
    const most = Math.max(helpLines(model).length - 1, 0)
    return [{ act: { kind: 'help', top: by === undefined ? null : Math.min(model.helpTop + by, most) } }]
  }
  return (
    bindingsOf(model)
      .find(({ keys }) => keys.includes(key))
      ?.does(model) ?? []
  )
}

const close = (): Command[] => [{ act: { kind: 'prompt', prompt: null } }]

function answer(prompt: Prompt, key: string): Command[] {
  if (prompt.kind === 'confirm') return key === 'y' || key === 'Y' ? [...close(), { effect: prompt.effect }] : close()
  if (key === 'enter') return [...close(), ...entered(prompt)]
  if (key === 'esc') return prompt.for === 'send' ? close() : [...close(), { act: { kind: prompt.for, text: '' } }]
  const text = typed(prompt.text, key)
  const next: Command[] = [{ act: { kind: 'prompt', prompt: { ...prompt, text } } }]
  // The list follows while one types, and so does the text.
  return prompt.for === 'send' ? next : [...next, { act: { kind: prompt.for, text } }]
}

function entered(prompt: Extract<Prompt, { kind: 'line' }>): Command[] {
  if (prompt.for !== 'send') return [{ act: { kind: prompt.for, text: prompt.text } }]
  return prompt.text.trim() === '' ? [] : [{ effect: { kind: 'send', id: prompt.id, text: prompt.text } }]
}
