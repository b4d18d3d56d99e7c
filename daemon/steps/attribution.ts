/** The trailer of commits that come about in a task, from the text of the configuration. */
import type { Task } from '../../src/task.ts'

/** `{agent}` and `{task}` are filled in; null when there shall be none. */
export function trailerOf(text: string, { id, spec: { agent } }: Pick<Task, 'id' | 'spec'>): string | null {
  if (text === '') return null
  // What stands behind `--` has no name but that of its program.
  const name = agent.name === 'command' ? (agent.command[0]?.split('/').at(-1) ?? '') : agent.name
  return text.replaceAll('{agent}', name.replace(/[^\w.-]/g, '') || 'command').replaceAll('{task}', id)
}
