/** The tasks that somebody means: in words, one a line on stdin, or by what they have in common. */
import { type Command, Option } from 'commander'
import type { TaskJson } from '../src/protocol/control.ts'
import type { Status } from '../src/task.ts'
import { type Cli, usage } from './cli.ts'
import { readStdin } from './stdin.ts'
import { collect, collectLabel } from './words.ts'

const STDIN_BYTES_MAX = 1024 * 1024

export interface Selection {
  status: string[]
  label: Record<string, string>
}

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
  const text = await readStdin(cli, 'a list of tasks', STDIN_BYTES_MAX, 'tdf ls -q')
  const named = text.split(/\s+/).filter(Boolean)
  return references.flatMap(reference => (reference === '-' ? named : [reference]))
}

/** `--label` and `--status` for commands that change tasks. */
export function selecting(command: Command): Command {
  return command
    .addOption(
      new Option('--label <key=value>', 'all with this label; may be given several times')
        .default({}, 'none')
        .argParser(collectLabel),
    )
    .option('--status <status>', 'all in this status; may be given several times', collect, [])
}

/** Undefined when tasks were named; else the ids that fit, of those in one of `among`. Throws USAGE when neither is. */
export async function selected(
  cli: Cli,
  references: readonly string[],
  { status, label }: Selection,
  among: readonly Status[],
): Promise<string[] | undefined> {
  const isSelecting = status.length > 0 || Object.keys(label).length > 0
  if (references.length > 0 && isSelecting) throw usage('name tasks or select them, not both', 'tdf ls')
  if (references.length > 0) return undefined
  if (!isSelecting) throw usage('which tasks? name them, or select them by --label or --status', 'tdf ls')
  const query = new URLSearchParams(
    (status.length > 0 ? status : among).map((word): [string, string] => ['status', word]),
  )
  for (const [key, value] of Object.entries(label)) query.append('label', `${key}=${value}`)
  const tasks = await cli.client().call<TaskJson[]>({ path: `/tasks?${query}` })
  return tasks.filter(task => among.includes(task.status)).map(({ id }) => id)
}
