/** The keys of this place, from the table that binds them. What does not fit is scrolled. */
import { type Binding, bindingsOf, placeOf } from './keys.ts'
import { type Line, pad, padLine, rule } from './line.ts'
import type { Model } from './model.ts'

/** From this width on there are two columns. */
const WIDE = 76
const PLACES = { task: 'an open task', tasks: 'the tasks', nodes: 'the nodes', events: 'the events' }

export function help(model: Model, height: number): Line[] {
  const { columns } = model.size
  const lines = helpLines(model)
  const room = height - 1
  const more = lines.length > room ? [{ text: 'j k scroll', tone: 'quiet' as const }] : []
  const title = rule([{ text: `keys for ${PLACES[placeOf(model)]}`, isBold: true }], columns, more)
  const top = Math.min(model.helpTop ?? 0, Math.max(lines.length - room, 0))
  return [title, ...lines.slice(top, top + room)]
}

export function helpLines(model: Model): Line[] {
  const { columns } = model.size
  const bindings = bindingsOf(model)
  if (columns < WIDE) return bindings.map(binding => cell(binding, columns))
  const half = Math.ceil(bindings.length / 2)
  const width = Math.floor(columns / 2)
  return bindings.slice(0, half).map((binding, row) => [...cell(binding, width), ...cell(bindings[row + half], width)])
}

function cell(binding: Binding | undefined, width: number): Line {
  if (!binding) return padLine([], width)
  return padLine([{ text: `  ${pad(binding.label, 7)}`, isBold: true }, { text: binding.says }], width)
}
