/**
 * Brings a machine to where its agent listens, from wherever it is: prepared or not, with an older agent, or with one
 * that is not running. Everything is done once and found done; what fails says on which machine and why.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { TdfError } from '../../core/errors.ts'
import type { RunResult } from '../../platform/run.ts'
import { amountText } from '../../text/progress/how-far.ts'
import { shellWord } from '../ssh/target.ts'
import { agentUnit, type NodeFile, slotFirewall } from './files.ts'
import { compareVersions, INSPECT, type NodeInspection, parseInspection } from './inspect.ts'
import { PUSH_PROGRAM, RUN_ONCE, START_AGENT } from './install.ts'
import { scriptHash, wholeScript } from './script.ts'

/** Runs a command line of sh on the machine. */
export type Remote = (command: string, options: { input?: string | Readable; timeoutMs: number }) => Promise<RunResult>

export interface Preparation {
  nodeName: string
  /** What the daemon says at the agent's door. */
  token: string
  /** The agent's program, one file, and the version that it is. */
  program: string
  version: string
  slots: readonly string[]
  /** Files of the machine beyond the agent's own, and whether it has a user for the tunnel. */
  files: readonly NodeFile[]
  hasTunnel: boolean
  /** Scripts of the user, run once as root where there is one: the machine's own, then those of the agents. */
  once: readonly { name: string; script: string }[]
  /** NAME=VALUE for the agent, without blanks. */
  settings: readonly string[]
  /** Told what is done now, in words that complete `It is booting (…)`. */
  tell(doing: string): void
}

const LOOK_MS = 30_000
const PUSH_MS = 120_000
const START_MS = 60_000
const SETUP_MS = 15 * 60_000
const ONCE_MS = 20 * 60_000
const CLOUD_INIT_AGAIN_MS = 2_000
const NODE_OLDEST = '20.19.0'
/** Of an upload: as much as a pipe holds. */
const PIECE_BYTES = 64 * 1024

/** Answers the port that the agent listens on, on the machine's loopback. */
export async function prepareNode(remote: Remote, preparation: Preparation): Promise<number> {
  const { nodeName, tell } = preparation
  tell('looking at what it has')
  let found = await inspect(remote)
  if (found.cloudInit === 'running' || found.cloudInit === 'not run' || found.cloudInit === 'not started') {
    throw new TdfError('NODE_UNREACHABLE', `node ${nodeName} is still at its first boot (cloud-init)`, {
      retryAfterMs: CLOUD_INIT_AGAIN_MS,
    })
  }
  if (found.isSystem) {
    await prepareSystem(remote, preparation, found)
    found = await inspect(remote)
  }
  if (compareVersions(found.nodeVersion, NODE_OLDEST) < 0) {
    const has = found.nodeVersion ? `has Node ${found.nodeVersion}` : 'has no Node'
    throw failed(nodeName, `it ${has}, and the agent needs ${NODE_OLDEST} or later`)
  }
  await runOnce(remote, preparation, found)
  if (await startAgent(remote, preparation, found)) found = await inspect(remote)
  const port = Number(found.address.split(':').at(-1))
  if (port > 0) return port
  throw failed(nodeName, 'its agent does not say where it listens')
}

async function inspect(remote: Remote): Promise<NodeInspection> {
  const looked = await remote(INSPECT, { timeoutMs: LOOK_MS })
  return parseInspection(looked.stdout)
}

async function prepareSystem(remote: Remote, preparation: Preparation, found: NodeInspection): Promise<void> {
  const { nodeName, slots, files, hasTunnel } = preparation
  if (found.prepared === scriptHash(slots)) return
  preparation.tell('installing what an agent needs')
  const script = wholeScript(slots, [agentUnit(slots), slotFirewall(slots), ...files], hasTunnel)
  const done = await remote('sh -s', { input: script, timeoutMs: SETUP_MS })
  if (done.exitCode !== 0) throw failed(nodeName, `it cannot be prepared: ${lastWords(done)}`)
}

async function runOnce(remote: Remote, { once, nodeName, tell }: Preparation, found: NodeInspection): Promise<void> {
  for (const { name, script } of once) {
    const key = `${name}-${hashOf(script).slice(0, 12)}`
    if (found.done.includes(key)) continue
    tell(`running ${name}`)
    const done = await remote(command(RUN_ONCE, found.base, key), { input: script, timeoutMs: ONCE_MS })
    if (done.exitCode !== 0) throw failed(nodeName, `${name} failed (exit code ${done.exitCode}): ${lastWords(done)}`)
  }
}

/** True when it was started. A newer agent stays, and one that has work keeps its program until it has none. */
async function startAgent(remote: Remote, preparation: Preparation, found: NodeInspection): Promise<boolean> {
  const { nodeName, token, version, settings, tell } = preparation
  const program = readFileSync(preparation.program, 'utf8')
  const hash = hashOf(program)
  const isThere = found.program !== '' && found.program !== hash
  const keeps = isThere && (compareVersions(found.version, version) > 0 || found.workspaces > 0)
  const use = keeps ? { hash: found.program, version: found.version } : { hash, version }
  if (found.address && found.program === use.hash && found.tokenHash === hashOf(token)) return false
  if (found.program !== use.hash) {
    const input = toldOf(program, amount => tell(`uploading the agent, ${amount}`))
    const pushed = await remote(command(PUSH_PROGRAM, found.base, hash), { input, timeoutMs: PUSH_MS })
    if (pushed.exitCode !== 0) throw failed(nodeName, `the agent did not arrive whole: ${lastWords(pushed)}`)
  }
  tell('starting its agent')
  const isSystem = found.isSystem ? 'yes' : 'no'
  const words = [found.base, found.state, use.hash, use.version, isSystem, nodeName, settings.join(' ')]
  const started = await remote(command(START_AGENT, ...words), { input: token, timeoutMs: START_MS })
  if (started.exitCode !== 0) throw failed(nodeName, lastWords(started))
  return true
}

/** The program in pieces, each of which is told of when it is taken. */
function toldOf(program: string, told: (amount: string) => void): Readable {
  const bytes = Buffer.from(program)
  function* pieces(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      told(amountText(at, bytes.length))
      yield bytes.subarray(at, at + PIECE_BYTES)
    }
    told(amountText(bytes.length, bytes.length))
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: PIECE_BYTES })
}

/** A script with its arguments, as one command line; its stdin stays free. */
function command(script: string, ...words: string[]): string {
  return ['sh', '-c', script, 'tdf', ...words].map(shellWord).join(' ')
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

function lastWords({ stderr, stdout, timedOut }: RunResult): string {
  if (timedOut) return 'it took too long'
  return (stderr.trim() || stdout.trim()).split('\n').slice(-5).join(' · ').slice(0, 1_000) || 'it said nothing'
}

function failed(nodeName: string, why: string): TdfError {
  return new TdfError('NODE_SETUP_FAILED', `node ${nodeName}: ${why}`, { retryAfterMs: 30_000 })
}
