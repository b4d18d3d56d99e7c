/** What a key does now: first for a question that is open, then for the help, then by the table. */
import type { Deed } from './deeds.ts'
import { helpLines } from './help.ts'
import { bindingsOf } from './keys.ts'
import type { Model } from './model.ts'
import { type Prompt, typed } from './prompt.ts'

/** In the help; every other key closes it. */
const SCROLL: Record<string, number> = { j: 1, down: 1, k: -1, up: -1, pagedown: 10, pageup: -10 }

export function press(model: Model, key: string): readonly Deed[] {
  if (model.prompt) return key === 'ctrl-c' ? close() : answer(model.prompt, key)
  if (model.helpTop !== null && key !== 'ctrl-c' && key !== 'ctrl-z') {
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

const close = (): Deed[] => [{ act: { kind: 'prompt', prompt: null } }]

function answer(prompt: Prompt, key: string): Deed[] {
  if (prompt.kind === 'confirm') return key === 'y' || key === 'Y' ? [...close(), { effect: prompt.effect }] : close()
  if (key === 'enter') return [...close(), ...entered(prompt)]
  if (key === 'esc') return prompt.for === 'filter' ? [...close(), { act: { kind: 'filter', text: '' } }] : close()
  const text = typed(prompt.text, key)
  const next: Deed[] = [{ act: { kind: 'prompt', prompt: { ...prompt, text } } }]
  // The list follows while one types.
  return prompt.for === 'filter' ? [...next, { act: { kind: 'filter', text } }] : next
}

function entered(prompt: Extract<Prompt, { kind: 'line' }>): Deed[] {
  if (prompt.for === 'filter') return [{ act: { kind: 'filter', text: prompt.text } }]
  return prompt.text.trim() === '' ? [] : [{ effect: { kind: 'send', id: prompt.id, text: prompt.text } }]
}
