/** The journey as a Mermaid diagram, drawn from the table that the engine runs. */
import { journey } from '../../daemon/journey.ts'
import { STEPS } from '../../src/task.ts'

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
