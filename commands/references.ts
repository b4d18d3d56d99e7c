/** The tasks that somebody named: in words, or one a line on stdin. */
import type { TaskJson } from '../src/protocol/control.ts'
import { type Cli, usage } from './cli.ts'

const STDIN_BYTES_MAX = 1024 * 1024

/** Full ids. Throws NOT_FOUND or AMBIGUOUS for the first that is no task. */
export async function idsOf(cli: Cli, references: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const reference of await expand(cli, references)) {
    const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
    if (!ids.includes(task.id)) ids.push(task.id)
  }
  return ids
}

/** `-` stands for what is on stdin, so that `tdf ls -q --status failed | tdf retry -` works. */
export async function expand(cli: Cli, references: readonly string[]): Promise<string[]> {
  if (!references.includes('-')) return [...references]
  if (cli.stdin.isTTY) throw usage('"-" reads tasks from stdin, and stdin is a terminal', 'tdf ls -q | tdf retry -')
  let text = ''
  for await (const chunk of cli.stdin) {
    text += chunk
    if (text.length > STDIN_BYTES_MAX) throw usage('that is more than a list of tasks', 'tdf ls -q')
  }
  const named = text.split(/\s+/).filter(Boolean)
  return references.flatMap(reference => (reference === '-' ? named : [reference]))
}
