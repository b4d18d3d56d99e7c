/** What `tdf submit` does: read the prompt, take the repository, hand the task over, and wait if that was asked. */
import type { Command } from 'commander'
import type { TaskJson } from '../../../src/protocol/control.ts'
import type { SubmitBody } from '../../../src/protocol/submit.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { promptOf } from '../../cli/ask.ts'
import { goalOf } from '../../cli/came-to.ts'
import { type Cli, durationOf, type Format, formatOf, print, printJson, printOne, say, usage } from '../../cli/cli.ts'
import { waitForTasks } from '../wait-run.ts'
import { takenBefore } from './continue.ts'
import { postInGroup } from './many/together.ts'
import { type Taken, takeRepository } from './repository.ts'
import {
  type PlannedTask,
  plannedSetup,
  plannedText,
  post,
  refuseBase,
  type SubmitOptions,
  sayPassedOver,
  submitBody,
} from './request.ts'
import { allowSetup, policyOf, type RepositorySetup, withRepositoryFile } from './setup.ts'

export async function submit(cli: Cli, argument: string | undefined, given: SubmitOptions, command: Command) {
  const format = formatOf(command)
  refuseAlone(given)
  const isTold = argument !== undefined || given.prompt !== undefined || cli.command.length > 0
  const template = given.template === undefined ? null : await templateOf(cli, given.template, given, command, isTold)
  const options = template?.options ?? given
  const { n } = options
  const race = n !== undefined || options.pick !== undefined || options.first ? await import('./many/race.ts') : null
  race?.refuseRace(options)
  if (options.file !== undefined) {
    if (isTold) throw usage('--file has the prompts; give no other', 'tdf submit --help')
    const { submitFile } = await import('./many/file.ts')
    return submitFile(cli, options.file, options, { format, command })
  }
  if (argument !== undefined && options.prompt !== undefined)
    throw usage('a prompt is an argument or --prompt, not both', 'tdf submit --help')
  const task = template?.command ?? (cli.command.length > 0 ? [...cli.command] : null)
  const waitMs = options.waitTimeout === undefined ? null : durationOf(options.waitTimeout, '--wait-timeout')
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, '--timeout')
  const prompt = template?.prompt ?? (await promptOf(cli, argument ?? options.prompt, task !== null, command))
  if (options.each !== undefined) {
    const { submitList } = await import('./many/file.ts')
    return submitList(cli, { ...options, each: options.each }, { prompt, command: task }, { command, format })
  }
  const { json, setup } = await prepared(cli, command, options, { prompt, command: task, timeoutMs })
  if (race && n !== undefined) {
    if (options.dryRun) return race.planRace(cli, { json, setup }, { ...options, n }, format)
    return race.submitRace(cli, json, { ...options, n }, { format, timeoutMs: waitMs })
  }
  if (options.dryRun) {
    const plan = await post<PlannedTask>(cli, json, null, true)
    return showPlan(cli, { ...plan, ...(await plannedSetup(cli, setup, options)) }, format)
  }
  const key = options.idempotencyKey ?? null
  const submitted = await (options.group === undefined
    ? post<TaskJson>(cli, json, key, false)
    : postInGroup(cli, json, key, options))
  sayPassedOver(cli, [submitted])
  const isChosen = options.agent !== undefined || task !== null
  if (!options.wait && !options.follow) return announce(cli, submitted, format, isChosen)
  if (format === 'table') {
    say(cli, `${submitted.id} submitted to ${agentText(submitted, isChosen)}: ${oneLine(submitted.title)}`)
  }
  await waitForTasks(cli, [submitted.id], {
    timeoutMs: waitMs,
    follow: options.follow === true,
    format,
    ...goalOf(options),
    ...(format === 'table' ? { progress: 'stderr' } : {}),
  })
}

/** Throws USAGE for what is said of many tasks where there is one. */
function refuseAlone({ each, file, group, atMost, reduce, n, template, set }: SubmitOptions): void {
  const hint = 'tdf submit --help'
  if (set !== undefined && template === undefined) throw usage('--set is for the variables of a --template', hint)
  if (file !== undefined && template !== undefined) throw usage('--file has the prompts; give no --template', hint)
  if (each !== undefined && file !== undefined)
    throw usage('tasks come from --each or from --file, not from both', hint)
  if (reduce !== undefined && each === undefined) throw usage('--reduce comes after the tasks of --each', hint)
  if (atMost !== undefined && each === undefined && group === undefined && n === undefined)
    throw usage('--at-most is of a group: name it', hint)
}

async function templateOf(cli: Cli, name: string, options: SubmitOptions, command: Command, isTold: boolean) {
  if (isTold) throw usage('--template has the prompt; give no other', 'tdf submit --help')
  const { fromTemplate } = await import('./template.ts')
  return fromTemplate(cli, name, options, command)
}

/** For those who have the prompt already: the dashboard. Throws as `tdf submit` does. */
export async function handOver(cli: Cli, command: Command, prompt: string, options: SubmitOptions): Promise<TaskJson> {
  const { json } = await prepared(cli, command, options, { prompt, command: null, timeoutMs: null })
  return post<TaskJson>(cli, json, null, false)
}

/** Takes the repository, and asks for its set-up where it has to. */
async function prepared(
  cli: Cli,
  command: Command,
  options: SubmitOptions,
  asked: Pick<SubmitBody, 'prompt' | 'command' | 'timeoutMs'>,
): Promise<{ json: SubmitBody; setup: RepositorySetup | null }> {
  const { repo, author, remote, setup } = await taken(cli, command, options)
  if (!options.dryRun) await allowSetup(cli, command, setup, options)
  const whole = await withRepositoryFile(cli, setup, options)
  return { json: submitBody({ ...asked, repo, author, remote, options: whole }), setup }
}

/** Whose work it begins from says which repository it is. */
function taken(cli: Cli, command: Command, options: SubmitOptions): Promise<Taken> {
  const [before] = options.from ?? []
  if (before === undefined) return takeRepository(cli, options, formatOf(command))
  refuseBase(options)
  return takenBefore(cli, before)
}

function showPlan(cli: Cli, plan: PlannedTask, format: Format): void {
  if (format === 'json') return printJson(cli, plan, 2)
  printOne(cli, format, plan, { id: '', text: plannedText })
}

/** A budget that does not count an agent would be a false comfort. */
async function unpricedLine(cli: Cli, { agent }: TaskJson): Promise<string[]> {
  const { unpriced = [] } = await policyOf(cli)
  const why = 'what it costs is not known; budgets count its machine alone'
  return unpriced.includes(agent) ? [`  budget:    ${why}`] : []
}

async function announce(cli: Cli, task: TaskJson, format: Format, isChosen: boolean): Promise<void> {
  if (format === 'json' || format === 'ndjson') return printJson(cli, task)
  if (format === 'id') return print(cli, task.id)
  const lines = [`submitted: ${oneLine(task.title)}`, `  agent:     ${agentText(task, isChosen)}`]
  const unpriced = await unpricedLine(cli, task)
  say(cli, [...lines, ...unpriced, `  watch it:  tdf watch ${task.id}`].join('\n'))
  print(cli, task.id)
}

/** Nobody named an agent: which one it became is said. */
const agentText = ({ agent }: TaskJson, isChosen: boolean) =>
  isChosen ? oneLine(agent) : `${oneLine(agent)} (the default; --agent names another)`
