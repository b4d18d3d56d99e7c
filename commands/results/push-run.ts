/** `tdf push`: the daemon pushes, in one try, and answers how it went. */
import { existsSync } from 'node:fs'
import { TdfError } from '../../src/core/errors.ts'
import type { PushJson, TaskJson } from '../../src/protocol/control.ts'
import { pushText } from '../../src/text/tasks.ts'
import { type Cli, type Format, print, printJson, say } from '../cli/cli.ts'
import { remoteOf } from '../cli/git.ts'
import { attemptOf } from './taken.ts'

export interface PushOptions {
  remote?: string
  branch?: string
  pr?: boolean
}

/** As long as git, and after it the forge, may take. */
const PUSH_MS = 900_000

/** Throws NO_RESULT, PUSH_NOWHERE or PUSH_FAILED; then the task is as it was. */
export async function push(cli: Cli, reference: string, options: PushOptions, format: Format): Promise<void> {
  const client = cli.client()
  const found = await client.call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const { repo } = found
  const remote = await remoteOf(cli, existsSync(repo.url) ? repo.url : cli.cwd, options.remote)
  const json = {
    remote: options.remote === undefined ? null : remote,
    fallback: existsSync(repo.url) ? remote : null,
    branch: options.branch ?? null,
    pr: options.pr === true,
  }
  const task = await client.call<TaskJson>({
    method: 'POST',
    path: `/tasks/${attemptOf(found)}/push`,
    json,
    timeoutMs: PUSH_MS,
  })
  if (task.push?.state === 'failed') throw pushFailed(task.id, task.push)
  if (format === 'json' || format === 'ndjson') return printJson(cli, task)
  say(cli, pushText(task.push))
  print(cli, task.push?.prUrl ?? task.push?.branch ?? task.id)
}

export function pushFailed(id: string, push: PushJson): TdfError {
  return new TdfError('PUSH_FAILED', `${push.branch} was not pushed to ${push.remote}: ${push.error}`, {
    hint: `tdf push ${id}${push.wantsPr ? ' --pr' : ''}`,
  })
}
