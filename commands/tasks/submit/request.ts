/** The options of `tdf submit` as the request that they mean. */

import { formatDurationShort } from '../../../src/core/duration.ts'
import type { AfterCondition, AtLimit, OnFailed } from '../../../src/core/source.ts'
import { type PullGoal, refOf } from '../../../src/core/source.ts'
import type { TaskSpec } from '../../../src/core/task.ts'
import type { MaySpawn } from '../../../src/protocol/callbacks.ts'
import type { ForecastJson, PlannedSourceJson, TaskJson } from '../../../src/protocol/control.ts'
import type { SubmitBody } from '../../../src/protocol/submit.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { counted } from '../../../src/text/tasks.ts'
import { type Cli, say, usage } from '../../cli/cli.ts'
import { pairs } from '../../cli/table.ts'
import { plannedOf, type RepositorySetup, type SetupOptions } from './setup.ts'

export interface SubmitOptions extends SetupOptions {
  prompt?: string
  repo?: string
  ref?: string
  dirty?: boolean
  agent?: string
  model?: string
  node?: string
  provider?: string
  size?: string
  location?: string
  title?: string
  label: Record<string, string>
  priority: number
  timeout?: string
  outputBranch?: string
  interactive?: boolean
  maySpawn?: MaySpawn
  maxCost?: number
  atLimit?: AtLimit
  permissions?: 'allow' | 'deny' | 'ask'
  autoResume?: boolean
  fallback?: string[] | false
  push?: boolean
  pr?: boolean
  until?: PullGoal
  rounds?: number
  remote?: string
  artifacts?: string[]
  idempotencyKey?: string
  wait?: boolean
  follow?: boolean
  waitTimeout?: string
  dryRun?: boolean
  file?: string
  after?: string[]
  from?: string[]
  if?: AfterCondition
  onFailed?: OnFailed
  group?: string
  each?: string
  atMost?: number
  reduce?: string
  template?: string
  set?: Record<string, string>
  n?: number
  pick?: string
  first?: boolean
}

/** One line of the file; all of them are checked before the first is submitted. */
export interface Line {
  /** Counted from 1, as editors do. */
  number: number
  prompt: string
  command: string[] | null
  options: SubmitOptions
  /** By which other lines name it; in a group the same key is the same task. */
  key: string | null
  /** What the line itself says, without the options of the command line. */
  own?: Partial<SubmitOptions>
  /** It begins from the work of those that are completed. */
  isReduce?: true
}

export interface Asked extends Pick<SubmitBody, 'prompt' | 'command' | 'repo' | 'author' | 'timeoutMs' | 'remote'> {
  options: Partial<SubmitOptions>
}

export function submitBody({ options, ...asked }: Asked): SubmitBody {
  return {
    ...asked,
    title: options.title ?? null,
    agent: options.agent ?? null,
    model: options.model ?? null,
    setup: typeof options.setup === 'string' ? options.setup : null,
    repositorySetup: options.setup !== false,
    check: typeof options.check === 'string' ? options.check : null,
    node: options.node ?? null,
    provider: options.provider ?? null,
    size: options.size ?? null,
    location: options.location ?? null,
    labels: options.label ?? {},
    priority: options.priority ?? 0,
    outputBranch: options.outputBranch ?? null,
    interactive: options.interactive === true,
    maxCostUsd: options.maxCost ?? null,
    atLimit: options.atLimit ?? null,
    permissions: options.permissions ?? null,
    autoResume: options.autoResume !== false,
    fallback: options.fallback === false ? [] : (options.fallback ?? null),
    artifacts: options.artifacts ?? [],
    push: pushOf(options),
    until: options.until ?? null,
    rounds: options.rounds ?? null,
    after: options.after ?? [],
    from: options.from ?? [],
    if: options.if ?? null,
    onFailed: options.onFailed ?? null,
    maySpawn: options.maySpawn ?? null,
  }
}

/** Throws USAGE: where a task begins is said once. */
export function refuseBase({ repo, ref, dirty }: Partial<SubmitOptions>): void {
  const [other] = [repo !== undefined && '--repo', ref !== undefined && '--ref', dirty === true && '--dirty'].filter(
    Boolean,
  )
  if (other) throw usage(`--from says where the task begins: give no ${other}`, 'tdf submit --help')
}

/** Null leaves it to the configuration. */
function pushOf({ push, pr, until }: Partial<SubmitOptions>): SubmitBody['push'] {
  if (push === false) return 'never'
  if (until !== undefined) return 'pr'
  if (pr === true) return 'pr'
  return push === true ? 'branch' : null
}

/** Submits a task, or asks what would become of it. */
export async function post<T extends { id: string | null }>(
  cli: Cli,
  json: SubmitBody,
  idempotencyKey: string | null,
  dryRun: boolean,
): Promise<T> {
  const headers = {
    ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
    ...(cli.env.TRACEPARENT ? { traceparent: cli.env.TRACEPARENT } : {}),
  }
  const path = dryRun ? '/tasks?dry_run=true' : '/tasks'
  const task = await cli.client().call<T>({ method: 'POST', path, json, headers })
  if (task.id !== null) cli.submitted.push(task.id)
  return task
}

/** Each agent behind the one that was asked for which cannot go on, once for all of these tasks. An older daemon names none. */
export function sayPassedOver(cli: Cli, tasks: readonly Pick<TaskJson, 'fallback'>[]): void {
  const passedOver = tasks.flatMap(({ fallback }) => fallback?.passedOver ?? [])
  const notes = passedOver.map(({ agent, reason }) => oneLine(`note: ${agent} is passed over: ${reason}`))
  for (const note of new Set(notes)) say(cli, note)
}

/** The daemon's answer to `--dry-run`: what would be stored, without an id. */
export type PlannedTask = { id: null; placement: ForecastJson; source: PlannedSourceJson | null } & TaskSpec &
  PlannedSetup

interface PlannedSetup {
  /** What `.tdf.toml` of the repository would run before and after the agent. */
  setupOfRepository: { command: string; allowed: boolean } | null
  checkOfRepository: { command: string; allowed: boolean } | null
}

/** Named, also when it is not allowed yet: nothing runs, so nobody is asked. */
export async function plannedSetup(
  cli: Cli,
  found: RepositorySetup | null,
  options: Partial<SubmitOptions>,
): Promise<PlannedSetup> {
  const { setup, check } = await plannedOf(cli, found, options)
  return { setupOfRepository: setup, checkOfRepository: check }
}

export function plannedText(task: PlannedTask): string {
  const { repo, agent, timeoutMs, labels } = task
  const labelled = Object.entries(labels).map(entry => entry.join('='))
  const constraints = [task.node, task.provider, task.size, task.location].filter(wish => wish !== null)
  const facts = pairs([
    ['title', oneLine(task.title)],
    ['agent', oneLine(`${agent.name} (${agent.command.join(' ')})`)],
    ['repository', oneLine(`${repo.url}${refOf(repo) ? ` at ${refOf(repo)}` : ''}`)],
    ['read by', task.source && sourceText(task.source)],
    ['base', repo.baseCommit?.slice(0, 12)],
    ['branch', oneLine(task.outputBranch)],
    ['setup', ofRepository(task.setupOfRepository) ?? (task.setup && oneLine(task.setup.command))],
    ['after', task.after && oneLine(afterText(task.after))],
    ['then', task.push && oneLine(pushedText(task.push))],
    ['check', ofRepository(task.checkOfRepository) ?? (task.check && oneLine(task.check))],
    ['artifacts', task.artifacts && oneLine(task.artifacts.join(', '))],
    ['only on', constraints.length > 0 ? oneLine(constraints.join(', ')) : null],
    ['ends after', timeoutMs === null ? null : formatDurationShort(timeoutMs)],
    ['may hand over', task.maySpawn && spawnText(task.maySpawn)],
    ['labels', oneLine(labelled.join(', '))],
    ['priority', task.priority === 0 ? null : String(task.priority)],
    ['would run', forecastText(task.placement)],
  ])
  return `nothing is submitted; this would be:\n${facts}`
}

const spawnText = ({ count, depth }: MaySpawn) => `${counted(count, 'task')}${depth > 1 ? `, ${depth} deep` : ''}`

function afterText({ ids, from, if: condition, onFailed }: NonNullable<TaskSpec['after']>): string {
  const words = ids.map(id => (from.includes(id) ? `${id} (from its work)` : id)).join(', ')
  return `${words}${condition === 'ended' ? ', whatever they come to' : ''}${onFailed === 'cancel' ? '; ends with one that fails' : ''}`
}

function pushedText({ remote, pr, until }: NonNullable<TaskSpec['push']>): string {
  const watched = until === undefined ? '' : `, watched until it is ${until}`
  return `${pr ? 'a pull request' : 'a push'} to ${remote}${watched}`
}

const sourceText = ({ fetch, credential }: PlannedSourceJson) =>
  fetch === 'node' ? 'the node itself' : `the daemon, with ${credential}`

function ofRepository(found: PlannedSetup['setupOfRepository']): string | null {
  if (found === null) return null
  return oneLine(`${found.command} (of .tdf.toml${found.allowed ? '' : '; not allowed yet: --allow-setup'})`)
}

function forecastText({ how, node, provider, size, location, pricePerHour, why }: ForecastJson): string {
  const price = pricePerHour === null ? '' : ` (€${pricePerHour.toFixed(4)} an hour)`
  const machine = [provider, size, location].filter(part => part !== null).join(', ')
  const said = {
    warm: `at once, on ${node}${price}`,
    coming: `on ${node}, as soon as it is up${price}`,
    ordered: `on a new machine: ${machine}${price}`,
    queued: `later; now it would wait: ${why}`,
  }
  return oneLine(said[how])
}
