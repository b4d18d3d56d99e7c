/** The journeys as Mermaid diagrams, drawn from the tables that the engine runs. */
import { journey } from '../../daemon/engine/rules/journey.ts'
import { STEPS } from '../../src/core/task.ts'

export function journeyPicture(): string {
  const edges = STEPS.flatMap(step =>
    Object.entries(journey[step].next).map(([to, why]) => `  ${step} -->|"${why}"| ${to}`),
  )
  const lines = [
    '```mermaid',
    'flowchart TD',
    '  submit --> node_selection',
    ...edges,
    '  cleanup --> done([end])',
    '```',
  ]
  return lines.join('\n')
}

/** The states of a row, from the table that says how they may change; `first` is where it begins, and `why` what makes it. */
export function statesPicture(
  edges: Readonly<Record<string, Readonly<Record<string, string>>>>,
  first: string,
  why: string,
): string {
  const drawn = Object.entries(edges).flatMap(([from, to]) =>
    Object.entries(to).map(([state, reason]) => `  ${from} -->|"${reason}"| ${state}`),
  )
  return ['```mermaid', 'flowchart TD', `  begin([${why}]) --> ${first}`, ...drawn, '```'].join('\n')
}
