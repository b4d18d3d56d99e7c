/** What `tdf submit` does: read the prompt, take the repository, hand the task over, and wait if that was asked. */
import type { Command } from 'commander'
import { parseDuration } from '../src/duration.ts'
import type { TaskJson } from '../src/protocol/control.ts'
import type { SubmitBody } from '../src/protocol/submit.ts'
import { type Cli, formatOf, print, say, usage } from './cli.ts'
import { takeRepository } from './repository.ts'
import type { SubmitOptions } from './submit.ts'
import { showTask } from './task-text.ts'
import { waitForTask } from './wait-run.ts'

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
  const body: SubmitBody = {
    prompt,
    command: task,
    repo,
    author,
    title: options.title ?? null,
    agent: options.agent ?? null,
    model: options.model ?? null,
    setup: options.setup ?? null,
    check: options.check ?? null,
    node: options.node ?? null,
    provider: options.provider ?? null,
    size: options.size ?? null,
    location: options.location ?? null,
    labels: options.label,
    priority: options.priority,
    timeoutMs: options.timeout === undefined ? null : durationOf(options.timeout, '--timeout'),
    outputBranch: options.outputBranch ?? null,
    interactive: options.interactive === true,
  }
  const key = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
  const path = options.dryRun ? '/tasks?dry_run=true' : '/tasks'
  const submitted = await cli.client().call<TaskJson>({ method: 'POST', path, json: body, headers: key })
  if (options.dryRun) return print(cli, JSON.stringify(submitted, null, 2))
  if (!options.wait && !options.follow) return announce(cli, submitted, format)
  if (format === 'table') say(cli, `${submitted.id} submitted: ${submitted.title}`)
  const timeoutMs = options.waitTimeout === undefined ? null : durationOf(options.waitTimeout, '--wait-timeout')
  await waitForTask(cli, submitted.id, { timeoutMs, follow: options.follow === true, format })
}

function announce(cli: Cli, task: TaskJson, format: ReturnType<typeof formatOf>): void {
  if (format === 'json' || format === 'ndjson') return print(cli, JSON.stringify(task))
  if (format === 'id') return print(cli, task.id)
  say(cli, `${showTask(task)}\n  watch it:  tdf watch ${task.id}`)
  print(cli, task.id)
}

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

function durationOf(text: string, option: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw usage(`${option}: "${text}" is no duration; write "90s", "45m" or "2h"`, 'tdf submit --help')
}
