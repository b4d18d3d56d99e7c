/** What can be seen from here, whether a daemon runs or not. */
import { statfsSync, statSync } from 'node:fs'
import process from 'node:process'
import { httpTransport } from '../../../src/clients/transport.ts'
import { formatSize } from '../../../src/core/duration.ts'
import { asTdfError } from '../../../src/core/errors.ts'
import { run } from '../../../src/platform/run.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { DaemonStatusJson } from '../../../src/protocol/control.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import { quoted } from '../../cli/arguments.ts'
import type { Cli } from '../../cli/cli.ts'
import { plainEnv } from '../../cli/git.ts'

/** As in `engines` of package.json. */
const NODE_LEAST = [20, 19] as const
/** The first with `--end-of-options` everywhere that we use it. */
const GIT_LEAST = [2, 31] as const
const GIT_MS = 5_000
const OTHERS = 0o077

export function checkNode(): FindingJson[] {
  const version = process.versions.node
  if (isAtLeast(version, NODE_LEAST)) return [ok('node', version)]
  return [finding('node', 'fail', `${version} is too old; ${NODE_LEAST.join('.')} is wanted`, 'node --version')]
}

export async function checkGit(cli: Cli): Promise<FindingJson[]> {
  const { stdout, exitCode } = await run('git', ['--version'], { cwd: '/', env: plainEnv(cli), timeoutMs: GIT_MS })
  const version = /\d+\.\d+[.\d]*/.exec(stdout)?.[0]
  if (exitCode !== 0 || !version) return [finding('git', 'fail', 'git cannot be run', 'git --version')]
  if (isAtLeast(version, GIT_LEAST)) return [ok('git', version)]
  return [finding('git', 'fail', `${version} is too old; ${GIT_LEAST.join('.')} is wanted`, 'git --version')]
}

export async function checkConfig(cli: Cli): Promise<FindingJson[]> {
  const { loadConfig } = await import('../../../src/config/load/load.ts')
  const file = cli.paths().configFile
  const { warnings } = loadConfig({ file, env: cli.env })
  const mode = modeOf(file)
  if (mode === null) return [ok('config', `${file} is not there: the defaults hold`)]
  const warned = warnings.map(warning => finding('config', 'warn', warning, 'tdf config check'))
  return warned.length > 0 ? warned : [ok('config', `${file} is right`)]
}

export function checkFolders(cli: Cli): FindingJson[] {
  const { stateDir, kind } = cli.paths()
  const mode = modeOf(stateDir)
  if (mode === null) return [ok('state', `${stateDir} is not there yet; the daemon makes it`)]
  if (kind !== 'system' && (mode & OTHERS) !== 0) {
    const message = `others may look into ${stateDir} (mode ${(mode & 0o777).toString(8)}); tokens are in it`
    return [finding('state', 'fail', message, shellLine('chmod', '700', stateDir))]
  }
  return [ok('state', `${stateDir} (mode ${(mode & 0o777).toString(8)})`)]
}

export async function checkDisk(cli: Cli): Promise<FindingJson[]> {
  const { stateDir } = cli.paths()
  if (modeOf(stateDir) === null) return []
  const { loadConfig } = await import('../../../src/config/load/load.ts')
  const { low } = loadConfig({ file: cli.paths().configFile, env: cli.env }).config.disk
  const { bavail, bsize } = statfsSync(stateDir)
  const free = bavail * bsize
  const message = `${(free / 1024 ** 3).toFixed(1)} GiB free where the state is; below ${formatSize(low)} no work is taken in`
  return [free < low ? finding('disk', 'fail', message, shellLine('df', '-h', stateDir)) : ok('disk', message)]
}

function modeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mode ?? null
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, less = 0] = version.split('.').map(Number)
  return ours > major || (ours === major && less >= minor)
}

const STATUS_MS = 5_000
/** The daemon looks at its database and asks each agent for its version, which may take 10 s, before it answers. */
const EXAMINE_MS = 60_000

/**
 * Whether the daemon answers, whether nodes could reach it, and its own findings. Throws when there is none, with its
 * hint.
 */
export async function checkDaemon(cli: Cli): Promise<FindingJson[]> {
  const client = cli.client()
  const status = await client.call<DaemonStatusJson>({ path: '/status', timeoutMs: STATUS_MS })
  const seen = await client.call<FindingJson[]>({ path: '/doctor', timeoutMs: EXAMINE_MS })
  const socket = ok('socket', `${client.socket} (from ${client.origin})`)
  return [socket, version(status), await checkCallbacks(status), ...seen]
}

function version({ version, pid }: DaemonStatusJson): FindingJson {
  if (version === VERSION) return ok('daemon', `pid ${pid}, version ${version}`)
  const message = `it is ${version} and this is ${VERSION}; stop it and start it anew`
  return finding('daemon', 'warn', message, 'tdf daemon stop')
}

async function checkCallbacks({ callbacksUrl, role }: DaemonStatusJson): Promise<FindingJson> {
  if (role === 'standby') return ok('callbacks', 'this daemon stands by: nodes call the one that serves')
  const exchange = { method: 'GET', path: '/healthz', headers: {}, timeoutMs: STATUS_MS, bytesMax: 1_024 }
  try {
    const { status, body } = await httpTransport({ url: callbacksUrl })(exchange)
    if (status === 200 && body.toString('utf8') === 'ok') return ok('callbacks', callbacksUrl)
    return finding('callbacks', 'fail', `${callbacksUrl}/healthz answered ${status}`, 'tdf config show --origin')
  } catch (thrown) {
    const message = `no answer from ${callbacksUrl}: ${asTdfError(thrown).message}`
    return finding('callbacks', 'fail', message, 'tdf config show --origin')
  }
}

export const ok = (check: string, message: string): FindingJson => ({ check, state: 'ok', message, hint: null })

/** `hint` is a command that mends it, or shows more. */
export function finding(check: string, state: 'warn' | 'fail', message: string, hint: string): FindingJson {
  return { check, state, message, hint }
}

/** `chmod 700 FOLDER`, as a shell takes it. */
export const shellLine = (...words: string[]) => words.map(quoted).join(' ')
