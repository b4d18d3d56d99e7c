/** The journey as a Mermaid diagram, drawn from the table that the engine runs. */
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
