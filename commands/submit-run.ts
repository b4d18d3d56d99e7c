/** What `tdf submit` does: read the prompt, take the repository, hand the task over, and wait if that was asked. */
import type { Command } from 'commander'
import type { TaskJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import { type Cli, durationOf, formatOf, print, say, usage } from './cli.ts'
import { takeRepository } from './repository.ts'
import type { SubmitOptions } from './submit.ts'
import { submitBody } from './submit-body.ts'
import { waitForTasks } from './wait-run.ts'

const PROMPT_BYTES_MAX = 512 * 1024

export async function submit(
  cli: Cli,
  words: string | undefined,
  options: SubmitOptions,
  command: Command,
): Promise<void> {
  const format = formatOf(command)
  const task = cli.command.length > 0 ? [...cli.command] : null
  const prompt = await promptOf(cli, words, task !== null)
  const { repo, author } = await takeRepository(cli, options)
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, '--timeout')
  const json = submitBody({ prompt, command: task, repo, author, timeoutMs, options })
  const key = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
  const path = options.dryRun ? '/tasks?dry_run=true' : '/tasks'
  const submitted = await cli.client().call<TaskJson>({ method: 'POST', path, json, headers: key })
  if (options.dryRun) return print(cli, JSON.stringify(submitted, null, 2))
  const isChosen = options.agent !== undefined || task !== null
  if (!options.wait && !options.follow) return announce(cli, submitted, format, isChosen)
  if (format === 'table') {
    say(cli, `${submitted.id} submitted to ${agentText(submitted, isChosen)}: ${oneLine(submitted.title)}`)
  }
  const waitMs = options.waitTimeout === undefined ? null : durationOf(options.waitTimeout, '--wait-timeout')
  await waitForTasks(cli, [submitted.id], {
    timeoutMs: waitMs,
    follow: options.follow === true,
    format,
    progress: format === 'table',
  })
}

function announce(cli: Cli, task: TaskJson, format: ReturnType<typeof formatOf>, isChosen: boolean): void {
  if (format === 'json' || format === 'ndjson') return print(cli, JSON.stringify(task))
  if (format === 'id') return print(cli, task.id)
  say(
    cli,
    `submitted: ${oneLine(task.title)}\n  agent:     ${agentText(task, isChosen)}\n  watch it:  tdf watch ${task.id}`,
  )
  print(cli, task.id)
}

/** Nobody named an agent: which one it became is said. */
const agentText = ({ agent }: TaskJson, isChosen: boolean) =>
  isChosen ? oneLine(agent) : `${oneLine(agent)} (the default; --agent names another)`

/** The prompt, from the argument or from stdin. A terminal is never read: nobody would know what it waits for. */
async function promptOf(cli: Cli, words: string | undefined, hasCommand: boolean): Promise<string> {
  if (words !== undefined && words !== '-') return words
  if (hasCommand && words === undefined) return ''
  if (cli.stdin.isTTY) throw usage('there is no prompt', 'tdf submit --help')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of cli.stdin) {
    bytes += chunk.length
    if (bytes > PROMPT_BYTES_MAX) throw usage(`a prompt may have ${PROMPT_BYTES_MAX} bytes`, 'tdf submit --help')
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
