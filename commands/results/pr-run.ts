/** `tdf pr` at work. */

import type { Command } from 'commander'
import { TdfError } from '../../src/core/errors.ts'
import type { PullGoal } from '../../src/core/source.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { pullStateText, pullText } from '../../src/text/progress/pull-requests.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { localTime } from '../../src/text/times.ts'
import { type Cli, formatOf, print, printJson, printOne, say, shapeOf } from '../cli/cli.ts'
import { remoteOf } from '../cli/git.ts'
import { pairs, printList } from '../cli/table.ts'

export interface WatchOptions {
  until?: PullGoal
  rounds?: number
}

export interface AdoptOptions extends WatchOptions {
  agent?: string
  check?: string
  remote?: string
}

export async function listPulls(cli: Cli, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const tasks = await cli.client().call<TaskJson[]>({ path: '/pulls' })
  if (tasks.length === 0 && shape.format === 'table') {
    return say(cli, 'no pull request is watched; begin with: tdf submit "what to do" --until green')
  }
  printList(cli, shape, tasks, {
    id: ({ id }) => id,
    columns: [
      { title: 'TASK', of: ({ id }) => id },
      { title: 'STATE', of: ({ pr }) => (pr ? pullStateText(pr.state) : '-') },
      { title: 'ROUND', of: ({ pr }) => (pr ? `${pr.round}/${pr.rounds}` : '-') },
      { title: 'PULL REQUEST', of: ({ pr }) => oneLine(pr?.url ?? '-') },
      { title: 'WHAT', of: ({ pr, title }) => oneLine(pr?.waitingFor ?? title), flexible: true },
    ],
  })
}

export async function showPull(cli: Cli, reference: string, command: Command): Promise<void> {
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  if (task.pr === null) {
    const message = `no pull request of task ${task.id} is watched`
    throw new TdfError('WRONG_STATE', message, { hint: `tdf pr watch ${task.id}` })
  }
  printOne(cli, formatOf(command), task, { id: task.id, text: detailsOf })
}

function detailsOf({ id, title, pr }: TaskJson): string {
  if (pr === null) return '-'
  const { checks } = pr
  return pairs([
    ['task', oneLine(`${id} ${title}`)],
    ['pull request', oneLine(pr.url)],
    ['until', pr.until],
    ['state', pullStateText(pr.state)],
    ['waiting for', pr.waitingFor && oneLine(pr.waitingFor)],
    ['checks', checks && `${checks.passed} passed, ${checks.failed} failed, ${checks.pending} pending`],
    ['head', pr.head.slice(0, 12)],
    ['round', `${pr.round} of ${pr.rounds}`],
    ['error', pr.error && oneLine(pr.error)],
    ['changed', localTime(pr.updatedAt)],
  ])
}

export async function changePull(
  cli: Cli,
  reference: string,
  verb: 'watch' | 'pause' | 'resume' | 'stop',
  { until, rounds }: WatchOptions,
  command: Command,
): Promise<void> {
  const path = `/tasks/${encodeURIComponent(reference)}/pr`
  const json = { verb, until: until ?? null, rounds: rounds ?? null }
  printWatched(cli, await cli.client().call<TaskJson>({ method: 'POST', path, json }), command)
}

/** As long as the fetch of a branch may take. */
const ADOPT_MS = 900_000

/** Throws what the look at the forge or the fetch of the branch throws; then nothing is watched. */
export async function adoptPull(cli: Cli, url: string, options: AdoptOptions, command: Command): Promise<void> {
  const { until = null, rounds = null, agent = null, check = null } = options
  const remote = options.remote === undefined ? null : await remoteOf(cli, cli.cwd, options.remote)
  const json = { url, until, rounds, agent, check, remote }
  const asked = { method: 'POST', path: '/pulls', json, timeoutMs: ADOPT_MS } as const
  printWatched(cli, await cli.client().call<TaskJson>(asked), command)
}

function printWatched(cli: Cli, task: TaskJson, command: Command): void {
  const format = formatOf(command)
  if (format === 'json' || format === 'ndjson') return printJson(cli, task)
  if (format === 'table' && task.pr) say(cli, pullText(task.pr))
  print(cli, task.id)
}
