/** What `tdf continue` does: the daemon opens the attempt, and the task is waited for where that was asked. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { realWorld } from '../../../src/platform/world.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import type { ContinueWish } from '../../../src/protocol/submit.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { readStdin } from '../../cli/arguments.ts'
import { type Cli, durationOf, formatOf, print, printJson, say } from '../../cli/cli.ts'
import { knownRemoteOf, readingGit } from '../../cli/git.ts'
import { waitForTasks } from '../wait-run.ts'
import type { Taken } from './repository.ts'
import { setupIn } from './setup.ts'

const TEXT_BYTES_MAX = 384 * 1024

export interface ContinueOptions {
  agent?: string
  check?: string
  timeout?: string
  maxCost?: number
  push?: boolean
  pr?: boolean
  idempotencyKey?: string
  wait?: boolean
  follow?: boolean
  waitTimeout?: string
}

export async function continueTask(
  cli: Cli,
  reference: string,
  words: string | undefined,
  options: ContinueOptions,
  command: Command,
): Promise<void> {
  const format = formatOf(command)
  const timeoutMs = options.waitTimeout === undefined ? null : durationOf(options.waitTimeout, '--wait-timeout')
  const json = await wishOf(cli, reference, words, options)
  const key = options.idempotencyKey ?? realWorld().random.bytes(12).toString('hex')
  const path = `/tasks/${encodeURIComponent(reference)}/continue`
  const headers = { 'idempotency-key': key }
  const task = await cli.client().call<TaskJson>({ method: 'POST', path, json, headers })
  const isWaiting = options.wait === true || options.follow === true
  if (format === 'table') say(cli, continuedText(task) + (isWaiting ? '' : `\n  watch it:  tdf watch ${task.id}`))
  if (!isWaiting) return format === 'json' || format === 'ndjson' ? printJson(cli, task) : print(cli, task.id)
  await waitForTasks(cli, [task.id], {
    timeoutMs,
    follow: options.follow === true,
    format,
    ...(format === 'table' ? { progress: 'stderr' } : {}),
  })
}

async function wishOf(
  cli: Cli,
  reference: string,
  words: string | undefined,
  options: ContinueOptions,
): Promise<ContinueWish> {
  const hint = 'tdf continue --help'
  const push = pushOf(options)
  return {
    text: words === '-' ? await readStdin(cli, 'the text', TEXT_BYTES_MAX, hint) : (words ?? null),
    agent: options.agent ?? null,
    check: options.check ?? null,
    timeoutMs: options.timeout === undefined ? null : durationOf(options.timeout, '--timeout'),
    maxCostUsd: options.maxCost ?? null,
    push,
    fallback: push === null || push === 'never' ? null : await fallbackOf(cli, reference),
  }
}

/** Null leaves it to the task. */
function pushOf({ push, pr }: ContinueOptions): ContinueWish['push'] {
  if (push === false) return 'never'
  if (pr === true) return 'pr'
  return push === true ? 'branch' : null
}

/**
 * The repository of a task that begins from the work of another: that one's. Where it is a folder that is here, its remote and what
 * it asks for count.
 */
export async function takenBefore(cli: Cli, reference: string): Promise<Taken> {
  const { repo } = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const taken = { repo: { kind: 'result' as const, ref: null }, author: null }
  if (!existsSync(repo.url)) return { ...taken, remote: null, setup: null }
  const [remote, setup] = await Promise.all([
    knownRemoteOf(cli, repo.url),
    setupIn(readingGit(cli, repo.url), repo.url, repo.baseCommit ?? 'HEAD', repo.url),
  ])
  return { ...taken, remote, setup }
}

/** The remote of the folder that the task came from; the daemon never opens it. */
async function fallbackOf(cli: Cli, reference: string): Promise<string | null> {
  const { repo } = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  return existsSync(repo.url) ? knownRemoteOf(cli, repo.url) : null
}

function continuedText({ id, attempt, title, continued, status }: TaskJson): string {
  if (status === 'parked') return `${id} goes on in attempt ${attempt} with its higher limit: ${oneLine(title)}`
  if (continued === null) return `${id} takes it in its session: ${oneLine(title)}`
  return `attempt ${attempt} of ${id} goes on from attempt ${continued.of} with its ${continued.resumed}: ${oneLine(title)}`
}
