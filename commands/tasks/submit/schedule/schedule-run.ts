/** `tdf schedule` at work. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { TdfError } from '../../../../src/core/errors.ts'
import { isRepositoryUrl } from '../../../../src/platform/git.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { ScheduleBody } from '../../../../src/protocol/submit.ts'
import type { ScheduleJson } from '../../../../src/protocol/upkeep.ts'
import { nextText, runText, scheduleFacts, streakText, whenText } from '../../../../src/text/progress/schedules.ts'
import { oneLine } from '../../../../src/text/sanitize.ts'
import { localTime } from '../../../../src/text/times.ts'
import { promptOf, withOptions } from '../../../cli/ask.ts'
import { type Cli, durationOf, formatOf, print, printJson, printOne, say, shapeOf, usage } from '../../../cli/cli.ts'
import { knownRemoteOf, readingGit } from '../../../cli/git.ts'
import { pairs, printList } from '../../../cli/table.ts'
import { takeRepository } from '../repository.ts'
import { type SubmitOptions, submitBody } from '../request.ts'

export interface AddOptions extends SubmitOptions {
  tz?: string
  catchUp: 'once' | 'skip'
  overlap: 'skip' | 'queue'
  jitter?: string
  untilGreen?: boolean
  keepGoing?: boolean
}

const pathOf = (name: string, verb = '') => `/schedules/${encodeURIComponent(name)}${verb}`

export async function addSchedule(
  cli: Cli,
  { name, cron, prompt: argument }: { name: string; cron: string; prompt: string | undefined },
  given: AddOptions,
  command: Command,
): Promise<void> {
  const { tz, catchUp, overlap, jitter, untilGreen = false, keepGoing = false } = given
  const zone = tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  const jitterMs = jitter === undefined ? 0 : durationOf(jitter, '--jitter')
  const request = await requestOf(cli, argument, given, command)
  const json: ScheduleBody = { name, cron, zone, catchUp, overlap, jitterMs, untilGreen, keepGoing, request }
  const dryRun = given.dryRun ? '?dry_run=true' : ''
  const schedule = await cli.client().call<ScheduleJson>({ method: 'POST', path: `/schedules${dryRun}`, json })
  const format = formatOf(command)
  if (format !== 'table' && format !== 'wide') return printOne(cli, format, schedule, { id: name, text: detailsOf })
  if (given.dryRun) return print(cli, `nothing is stored; this would be:\n${detailsOf(schedule)}`)
  say(cli, `the schedule ${name} comes first at ${nextText(schedule)}`)
  print(cli, name)
}

/** What is submitted at each instant. */
async function requestOf(cli: Cli, argument: string | undefined, given: AddOptions, command: Command) {
  const hint = 'tdf schedule add --help'
  const isTold = argument !== undefined || given.prompt !== undefined
  if (given.template !== undefined && isTold) throw usage('--template has the prompt; give no other', hint)
  if (given.template === undefined && given.set !== undefined)
    throw usage('--set is for the variables of a --template', hint)
  if (argument !== undefined && given.prompt !== undefined)
    throw usage('a prompt is an argument or --prompt, not both', hint)
  const template = given.template === undefined ? null : await templateOf(cli, given.template, given, command)
  const { options, command: words = null } = template ?? { options: given }
  const prompt = template?.prompt ?? (await promptOf(cli, argument ?? given.prompt, false, command))
  await refuseFolder(cli, options)
  const { repo, author, remote } = await takeRepository(cli, options, formatOf(command))
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, '--timeout')
  return submitBody({ prompt, command: words, repo, author, remote, timeoutMs, options })
}

async function templateOf(cli: Cli, name: string, options: AddOptions, command: Command) {
  const { fromTemplate } = await import('../template.ts')
  return fromTemplate(cli, name, options, command)
}

/** A copy of a folder would be the same every night: what is fetched anew has a URL. */
async function refuseFolder(cli: Cli, { repo = cli.cwd, dirty }: SubmitOptions): Promise<void> {
  if (dirty) throw usage('--dirty is of a folder, and a schedule needs a repository by URL', 'tdf schedule add --help')
  const local = repo.startsWith('file://') ? repo.slice('file://'.length) : path.resolve(cli.cwd, repo)
  if (!existsSync(local)) {
    if (isRepositoryUrl(repo)) return
    throw new TdfError('NO_REPOSITORY', `${repo} is neither a URL nor a folder`, { hint: 'tdf schedule add --help' })
  }
  const isGit = (await readingGit(cli, local)(['rev-parse', '--git-dir'])).exitCode === 0
  const origin = isGit ? await knownRemoteOf(cli, local) : null
  const url = origin !== null && !origin.startsWith('file:') ? origin : null
  const rest = url === null ? '; --repo names it' : `; the origin of this one is ${oneLine(url)}`
  throw new TdfError('NO_REPOSITORY', `a schedule needs a repository by URL, and ${local} is a folder${rest}`, {
    hint: url === null ? 'tdf schedule add --help' : withOptions(cli, ['--repo', url]),
  })
}

export async function listSchedules(cli: Cli, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const schedules = await cli.client().call<ScheduleJson[]>({ path: '/schedules' })
  if (schedules.length === 0 && shape.format === 'table') {
    return say(cli, 'there is no schedule; begin with: tdf schedule add --help')
  }
  printList<ScheduleJson>(cli, shape, schedules, {
    id: ({ name }) => name,
    columns: [
      { title: 'NAME', of: ({ name }) => name },
      { title: 'NEXT', of: nextText },
      { title: 'LAST', of: lastOf },
      { title: 'STREAK', of: ({ streak }) => streakText(streak) },
      { title: 'WHEN', of: whenText, flexible: true },
    ],
  })
}

const lastOf = ({ last }: ScheduleJson) => (last ? `${last.id} (${last.verdict ?? last.status})` : '-')

export async function showSchedule(cli: Cli, name: string, command: Command): Promise<void> {
  const schedule = await cli.client().call<ScheduleJson>({ path: pathOf(name) })
  printOne(cli, formatOf(command), schedule, { id: name, text: detailsOf })
}

function detailsOf(schedule: ScheduleJson): string {
  const facts = pairs([['schedule', schedule.name], ...scheduleFacts(schedule)])
  const runs = schedule.runs.map(run => `  ${localTime(run.planned)}  ${runText(run)}`)
  return runs.length === 0 ? facts : `${facts}\n${runs.join('\n')}`
}

export async function runSchedule(cli: Cli, name: string, command: Command): Promise<void> {
  const task = await cli.client().call<TaskJson>({ method: 'POST', path: pathOf(name, '/run') })
  cli.submitted.push(task.id)
  const format = formatOf(command)
  if (format === 'json' || format === 'ndjson') return printJson(cli, task)
  if (format !== 'id') say(cli, `submitted: ${oneLine(task.title)}`)
  print(cli, task.id)
}

export async function changeSchedule(
  cli: Cli,
  name: string,
  verb: 'pause' | 'resume',
  command: Command,
): Promise<void> {
  const schedule = await cli.client().call<ScheduleJson>({ method: 'POST', path: pathOf(name, `/${verb}`) })
  const done = verb === 'pause' ? 'is paused' : `goes on at ${nextText(schedule)}`
  printOne(cli, formatOf(command), schedule, { id: name, text: () => `${name} ${done}` })
}

export async function removeSchedule(cli: Cli, name: string, command: Command): Promise<void> {
  const schedule = await cli.client().call<ScheduleJson>({ method: 'DELETE', path: pathOf(name) })
  printOne(cli, formatOf(command), schedule, { id: name, text: () => `forgot ${name}` })
}
