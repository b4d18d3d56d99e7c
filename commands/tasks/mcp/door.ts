/** What every tool is handed: how this server was started, and the daemon, with patience for one that is started again. */
import { createHash } from 'node:crypto'
import path from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import type { Command } from 'commander'
import { type Client, isAway, type Request } from '../../../src/clients/control.ts'
import { realWorld, sleep } from '../../../src/platform/world.ts'
import { SERVER_LABEL } from '../../../src/protocol/submit.ts'
import type { Cli } from '../../cli/cli.ts'

export interface McpOptions {
  readOnly?: boolean
  mayAnswer?: boolean
  maxTasks?: number
  maxCost?: number
  label: Record<string, string>
  repo: string[]
}

export interface Door {
  cli: Cli
  command: Command
  options: McpOptions
  /** Those of everything that it submits; one of them names this server, and its limits with it. */
  labels: Record<string, string>
  /** When the daemon answered last, monotonic ms; null before it ever did. */
  seenAt: number | null
  /** Submits that outlast the call that asked for them, by idempotency key. */
  pending: Map<string, Pending>
  /** The newest of the submits that are counted against limits: each waits for the one before it. */
  counted: Promise<unknown>
  /** Different for each request of each client of each process. */
  keyOf(requestId: string | number): string
}

export interface Pending {
  /** What was asked for, as JSON. */
  asked: string
  answer: Promise<object>
}

/** One call of a tool. */
export interface Call {
  /** Names what it asks for, where it names it by no key of its own. */
  key: string
  /** When it has to be answered, monotonic ms. */
  until: number
  signal: AbortSignal
}

/** Clients give up after 60 s (anthropics/claude-code#470). */
export const ANSWER_MS = 44_000
/** How long a daemon may be away before a call says so: a restart takes less. */
const AWAY_MS = 45_000
/** The same where it answered long ago. */
const ABSENT_MS = 5_000
const AGAIN_MS = 200
const SILENCE_MS = 30_000

export function openDoor(cli: Cli, command: Command, options: McpOptions, clientName: () => string): Door {
  const { clock, random } = realWorld()
  const startedAt = clock.now()
  const own = options.label[SERVER_LABEL] ?? serverOf(options.label) ?? random.bytes(6).toString('hex')
  return {
    cli: silenced(cli),
    command,
    options,
    labels: { ...options.label, [SERVER_LABEL]: own },
    seenAt: null,
    pending: new Map(),
    counted: Promise.resolve(),
    keyOf: requestId => `mcp-${digest([clientName(), process.pid, startedAt, requestId])}`,
  }
}

/** Undefined without labels: then the limits are those of this process. */
function serverOf(labels: Record<string, string>): string | undefined {
  const sorted = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))
  return sorted.length === 0 ? undefined : digest(sorted).slice(0, 12)
}

const digest = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)

/** Without the streams of the process, which carry the protocol: nobody is asked, nothing is printed. */
export function silenced(cli: Cli, notes: string[] = [], args: readonly string[] = []): Cli {
  const stdin = new PassThrough()
  stdin.end()
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const kept = new Writable({
    write(chunk, _encoding, done) {
      if (notes.length < NOTES_MAX) notes.push(String(chunk).trim())
      done()
    },
  })
  const streams = { stdin, stdout: nowhere, stderr: kept } as unknown as Pick<Cli, 'stdin' | 'stdout' | 'stderr'>
  return { ...cli, ...streams, args, submitted: [], startDaemon: undefined }
}

const NOTES_MAX = 20

/** Throws what the daemon refuses, and DAEMON_UNREACHABLE when it is not there or does not come back in time. */
export function ask<T>(door: Door, call: Call, request: Request): Promise<T> {
  return patiently(door, call, () => door.cli.client().call<T>(bounded(call, request)))
}

export function askRaw(door: Door, call: Call, request: Request): ReturnType<Client['raw']> {
  return patiently(door, call, () => door.cli.client().raw(bounded(call, request)))
}

function bounded({ until, signal }: Call, request: Request): Request {
  const leftMs = Math.max(until - realWorld().clock.mono(), 1)
  return { ...request, signal, timeoutMs: Math.min(SILENCE_MS, leftMs) }
}

/** Tries again while the daemon is being started again. What is asked has a name, so that it is done once. */
export async function patiently<T>(
  door: Door,
  { until, signal }: Pick<Call, 'until' | 'signal'>,
  act: () => Promise<T>,
): Promise<T> {
  const { clock } = realWorld()
  const begunAt = clock.mono()
  for (;;) {
    try {
      const answer = await act()
      door.seenAt = clock.mono()
      return answer
    } catch (thrown) {
      if (!isAway(thrown)) {
        door.seenAt = clock.mono()
        throw thrown
      }
      if (door.seenAt === null || signal.aborted) throw thrown
      const limit = Math.min(Math.max(door.seenAt + AWAY_MS, begunAt + ABSENT_MS), until)
      if (clock.mono() + AGAIN_MS > limit) throw thrown
      await sleep(clock, AGAIN_MS, signal)
    }
  }
}

export const taskPath = (reference: string, rest = '') => `/tasks/${encodeURIComponent(reference)}${rest}`

/** A path as this server has it, or the url as it is. */
export const placeOf = ({ cli }: Pick<Door, 'cli'>, repository: string) =>
  path.resolve(cli.cwd, repository.replace(/^file:\/\//, ''))
