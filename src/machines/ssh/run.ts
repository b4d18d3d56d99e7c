/** One command on a machine, by a connection of its own. */
import process from 'node:process'
import type { Readable } from 'node:stream'
import { TdfError } from '../../core/errors.ts'
import { type RunResult, run } from '../../platform/run.ts'
import { forgetOffered, hostKeyMismatch } from './host-keys.ts'
import { OFFERED_VARIABLE, offeredFile, type SshTarget, sshOptions } from './target.ts'

export interface RemoteCommand {
  /** For the shell of the other side. */
  command: string
  input?: string | Uint8Array | Readable
  timeoutMs: number
  signal?: AbortSignal
}

/** ssh(1): 255 when there was an error of its own. */
const SSH_FAILED = 255
const OUTPUT_BYTES_MAX = 1024 * 1024

/** Answers what the command said and its exit code. Throws when the machine could not be reached or is another one. */
export async function sshRun(nodeName: string, target: SshTarget, remote: RemoteCommand): Promise<RunResult> {
  forgetOffered(target)
  const args = [...sshOptions(target), '-T', '--', target.destination, remote.command]
  const result = await run('ssh', args, {
    cwd: target.folder,
    env: sshEnvironment(target),
    timeoutMs: remote.timeoutMs,
    outputBytesMax: OUTPUT_BYTES_MAX,
    ...(remote.input === undefined ? {} : { input: remote.input }),
    ...(remote.signal ? { signal: remote.signal } : {}),
  })
  remote.signal?.throwIfAborted()
  if (result.exitCode !== null && result.exitCode !== SSH_FAILED) return result
  throw hostKeyMismatch(nodeName, target) ?? unreachableBySsh(nodeName, target, result)
}

export function unreachableBySsh(
  nodeName: string,
  { destination }: SshTarget,
  { stderr, timedOut }: Pick<RunResult, 'stderr' | 'timedOut'>,
): TdfError {
  const said = stderr.trim().split('\n').at(-1) || 'ssh ended without a word'
  const why = timedOut ? 'it took too long' : said.slice(0, 500)
  return new TdfError('NODE_UNREACHABLE', `node ${nodeName}: ssh ${destination}: ${why}`, { retryAfterMs: 2_000 })
}

const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SSH_AUTH_SOCK']

/** What ssh needs: where programs are, and for its user's own configuration who that is. */
export function sshEnvironment(target?: SshTarget): Record<string, string> {
  const kept = PASSED_ON.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    ...(target ? { [OFFERED_VARIABLE]: offeredFile(target.folder) } : {}),
  }
}
