/** Starts the daemon: the service where one is installed, else a process of its own that outlives the terminal. */
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import { controlClient, isNoDaemon } from '../../src/clients/control.ts'
import { isErrorCode, TdfError } from '../../src/core/errors.ts'
import { makeStateFolder, moveDurable } from '../../src/platform/files.ts'
import type { LogFile } from '../../src/platform/log.ts'
import { startDetached } from '../../src/platform/process.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import { agreed, asker, canAsk } from '../cli/ask.ts'
import { type Cli, type Format, type GlobalOptions, printOne, say } from '../cli/cli.ts'
import { plainEnv } from '../cli/git.ts'
import { placeOf, textOf } from './service/service-place.ts'
import { control } from './service/service-run.ts'
import { daemonDetails } from './status.ts'
import { stopDaemon } from './stop.ts'

const START_MS_MAX = 20_000
const LOOK_MS = 50

/** Where a daemon of this user writes that is no service, how much, and where the older lines are. */
export function logOf(cli: Cli): LogFile {
  const file = path.join(cli.paths().stateDir, 'daemon.log')
  return { file, older: `${file}.1`, bytesMax: 8 * 1024 * 1024 }
}

/** Asks whether to start one, where a person can be asked; `--yes` is the answer yes. False when none was started. */
export async function offerStart(cli: Cli, command: Command): Promise<boolean> {
  const { yes, input } = command.optsWithGlobals<GlobalOptions>()
  // A socket that was named belongs to a daemon that is not ours to start.
  if (!['the default', 'TDF_HOME'].includes(cli.client().origin) || input === false) return false
  if (!yes && !(canAsk(cli, command) && (await agreed(asker(cli), 'no daemon is running; start it now?')))) return false
  sayRunning(cli, await startDaemon(cli))
  return true
}

/** `tdf daemon start` and `restart`, without `--user` or `--system`. */
export async function start(cli: Cli, verb: 'start' | 'restart', format: Format): Promise<void> {
  if (isService(cli)) return control(cli, verb, {})
  if (verb === 'restart') await stopDaemon(cli)
  const status = (await running(cli)) ?? (await startDaemon(cli))
  if (format === 'table' || format === 'wide') return sayRunning(cli, status)
  printOne(cli, format, status, { id: String(status.pid), text: daemonDetails })
}

function sayRunning(cli: Cli, { pid }: DaemonStatusJson): void {
  say(cli, `the daemon runs (pid ${pid})${isService(cli) ? '' : `; its log is ${logOf(cli).file}`}`)
}

async function startDaemon(cli: Cli): Promise<DaemonStatusJson> {
  if (isService(cli)) {
    await control(cli, 'start', {})
    return untilUp(cli, () => undefined)
  }
  const { file: log, older, bytesMax } = logOf(cli)
  makeStateFolder(path.dirname(log))
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > bytesMax) moveDurable(log, older)
  return startInBackground(cli, log)
}

/** Whether systemd manages the daemon of this very place. */
export function isService(cli: Cli): boolean {
  const { unitDir } = placeOf(cli, {})
  const unit = textOf(path.join(unitDir, 'tdfd.service'))
  const { kind, home } = cli.paths()
  return existsSync('/run/systemd/system') && unit !== null && (kind !== 'home' || unit.includes(`TDF_HOME=${home}`))
}

/** Resolves when it answers. Throws what it printed before it ended, with its code and hint. */
export async function startInBackground(cli: Cli, log: string): Promise<DaemonStatusJson> {
  const output = openSync(log, 'a', 0o600)
  const from = statSync(log).size
  const program = path.join(cli.programDir, 'tdf.js')
  const named = Object.entries(plainEnv(cli)).map(([name, value]): [string, string] =>
    // Its folder is another one.
    ['TDF_HOME', 'TDF_CONFIG'].includes(name) && value !== '' ? [name, path.resolve(cli.cwd, value)] : [name, value],
  )
  const options = { cwd: '/', env: Object.fromEntries(named), output }
  const child = startDetached(process.execPath, [program, 'daemon', 'run'], options)
  closeSync(output)
  const said = () => readFileSync(log).subarray(from).toString('utf8')
  return untilUp(cli, () => (child.exitCode === null && child.signalCode === null ? undefined : said()))
}

/** `ended` has the last words of a daemon that ended before it answered. Where another one was quicker, that one is waited for. */
async function untilUp(cli: Cli, ended: () => string | undefined): Promise<DaemonStatusJson> {
  const { clock } = realWorld()
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += LOOK_MS) {
    const lastWords = ended()
    const status = await running(cli)
    if (status) return status
    const failure = lastWords === undefined ? undefined : startFailure(lastWords)
    if (failure && !['DAEMON_RUNNING', 'STATE_LOCKED'].includes(failure.code)) throw failure
    await sleep(clock, LOOK_MS)
  }
  throw new TdfError('DAEMON_UNREACHABLE', `the daemon did not answer within ${START_MS_MAX / 1000} s`, {
    hint: 'tdf doctor',
  })
}

async function running(cli: Cli): Promise<DaemonStatusJson | null> {
  try {
    // A client of its own: that of the command would offer to start one.
    const client = controlClient({ socket: cli.client().socket })
    return await client.call<DaemonStatusJson>({ path: '/status', timeoutMs: START_MS_MAX })
  } catch (thrown) {
    if (isNoDaemon(thrown)) return null
    throw thrown
  }
}

const LINES = 10

/** The error that a daemon printed as `error:`, `hint:`, `code:`; else its last lines. */
function startFailure(said: string): TdfError {
  const [, message, hint = '', code = ''] =
    /^error: ((?:.|\n)*?)\n {2}hint: (.*)\n {2}code: (\w+)$/m.exec(said.trimEnd()) ?? []
  if (message !== undefined && isErrorCode(code)) return new TdfError(code, message, { hint })
  const tail = said.trimEnd().split('\n').slice(-LINES).join('\n')
  return new TdfError('DAEMON_UNREACHABLE', `the daemon did not start:\n${tail}`, { hint: 'tdf daemon run' })
}
