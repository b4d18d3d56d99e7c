/** `tdf submit --n N`: the same task several times over, as a race that one of them wins. */
import { createHash } from 'node:crypto'
import { realWorld } from '../../../../src/platform/world.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { BatchBody, SubmitBody } from '../../../../src/protocol/submit.ts'
import { oneLine } from '../../../../src/text/sanitize.ts'
import { goalOf } from '../../../cli/came-to.ts'
import { type Cli, type Format, print, printJson, say, usage } from '../../../cli/cli.ts'
import { waitForTasks } from '../../wait-run.ts'
import { type PlannedTask, plannedSetup, plannedText, post, type SubmitOptions, sayPassedOver } from '../request.ts'
import type { RepositorySetup } from '../setup.ts'

type RaceOptions = SubmitOptions & { n: number }

export interface Racing {
  format: Format
  /** Of the waiting, in ms; null without a limit. */
  timeoutMs: number | null
}

/** Throws USAGE for what a race cannot have. */
export function refuseRace({ n, pick, first, each, file, follow, maySpawn }: SubmitOptions): void {
  const hint = 'tdf submit --help'
  if (n === undefined) {
    if (pick !== undefined || first) throw usage(`${first ? '--first' : '--pick'} says who wins of --n tasks`, hint)
    return
  }
  if (each !== undefined || file !== undefined) throw usage('--n is of one task, not of a list', hint)
  if (n < 2) throw usage('--n: a race has at least two tasks', hint)
  if (maySpawn) throw usage('--n: a member of a race hands no task over; give no --may-spawn', hint)
  if (follow) throw usage('--n follows no output; --wait waits for all of them', hint)
}

/** Hands the members over together, and waits for the race where that was asked for. */
export async function submitRace(cli: Cli, body: SubmitBody, options: RaceOptions, { format, timeoutMs }: Racing) {
  const group = groupOf(options)
  const tasks = membersOf(body, options)
  const json: BatchBody = { group, tasks }
  const members = await cli.client().call<TaskJson[]>({ method: 'POST', path: '/tasks/batch', json })
  const ids = members.map(({ id }) => id)
  cli.submitted.push(...ids)
  sayPassedOver(cli, members)
  if (format === 'table') say(cli, `a race of ${ids.length}: ${oneLine(members[0]?.title ?? '')}`)
  if (!options.wait) {
    if (format === 'table') say(cli, `  wait for it: tdf wait --group ${group.name}`)
    return format === 'json' ? printJson(cli, members) : print(cli, members.map(lineOf(format)).join('\n'))
  }
  const progress = format === 'table' ? { progress: 'stderr' as const } : {}
  await waitForTasks(cli, ids, { timeoutMs, format, asList: true, isGroup: true, ...goalOf(options), ...progress })
}

const lineOf = (format: Format) => (task: TaskJson) => (format === 'ndjson' ? JSON.stringify(task) : task.id)

/** What each agent that takes part would be asked for. */
export async function planRace(
  cli: Cli,
  { json: body, setup }: { json: SubmitBody; setup: RepositorySetup | null },
  options: RaceOptions,
  format: Format,
): Promise<void> {
  const agents = agentsOf(options).slice(0, options.n)
  const plans: PlannedTask[] = []
  const known = await plannedSetup(cli, setup, options)
  for (const agent of agents) {
    plans.push({ ...(await post<PlannedTask>(cli, { ...body, agent }, null, true)), ...known })
  }
  if (format === 'json') return printJson(cli, plans)
  if (format === 'table') say(cli, `a race of ${options.n}${options.first ? ', which the first wins' : ''}`)
  for (const plan of plans) print(cli, format === 'ndjson' ? JSON.stringify(plan) : plannedText(plan))
}

/** The agents in turn, each with a key of its own. */
function membersOf(body: SubmitBody, options: RaceOptions): BatchBody['tasks'] {
  const agents = agentsOf(options)
  return Array.from({ length: options.n }, (_, index) => {
    const key = String(index + 1)
    const { idempotencyKey: given } = options
    const idempotencyKey = given === undefined ? null : `${given}-${key}`
    return { ...body, agent: agents[index % agents.length] ?? null, key, idempotencyKey }
  })
}

/** Null is the one that the daemon takes where none is named. */
function agentsOf({ agent }: SubmitOptions): (string | null)[] {
  const names = (agent ?? '').split(',').map(name => name.trim())
  const named = names.filter(Boolean)
  return named.length === 0 ? [null] : named
}

/** A race that nobody named has a name of its own each time; the same idempotency key is the same race. */
function groupOf({ group, idempotencyKey, atMost, pick, first }: RaceOptions): NonNullable<BatchBody['group']> {
  const seed = idempotencyKey ?? realWorld().random.bytes(16).toString('hex')
  const name = group ?? `race-${createHash('sha256').update(seed).digest('hex').slice(0, 10)}`
  return { name, kind: 'race', atMost: atMost ?? null, pick: pick ?? null, first: first === true }
}
