/**
 * `tdf-agent run-session DIR`: one session from its start to its books. It outlives the agent, so it needs nothing of
 * it but the folder; all that it finds out is left there. Each file appears whole, and in this order:
 *
 *   claim.json    this runner and no other starts the command
 *   started.json  the command is a process now
 *   exit.json     it has ended, nothing of it is left, the log is complete; or: it could not be started
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { identify } from '../../../platform/process.ts'
import { sleep, type World } from '../../../platform/world.ts'
import { limitsFrom } from '../../agent.ts'
import { messageOf } from '../../errors.ts'
import { killLeftovers, memberFinder } from '../../isolation/processes.ts'
import { createJson, readJson, writeJson } from '../../state/durable.ts'
import type { Adapter } from '../adapters/adapter.ts'
import { takeConversation } from '../adapters/conversations.ts'
import { adapterOf } from '../adapters/index.ts'
import { secretsIn, unpackEnvironment } from '../environment.ts'
import {
  claimPath,
  cpuPath,
  exitPath,
  outputPath,
  promptPath,
  requestPath,
  type SessionExit,
  type SessionRequest,
  sessionRequest,
  startedPath,
  timesPath,
} from '../folder.ts'
import { type Capture, openCapture } from './capture.ts'
import { type RunningCommand, startCommand } from './command.ts'
import { type Conversation, startConversation } from './conversation.ts'
import { startCpuMeter, startWatchdog } from './watchdog.ts'

/** How long an agent that was asked to stop its turn has until the signal. */
const INTERRUPT_MS = 1_000
const STORE_AGAIN_MS = 1_000
const STORE_TRIES_MAX = 3_600

export async function runSession(world: World, folder: string): Promise<number> {
  let terminate = () => {}
  let terminateEarly = false
  process.on('SIGTERM', () => {
    terminateEarly = true
    terminate()
  })
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})

  const runner = identify(process.pid)
  world.failpoint('before', 'claim')
  if (!runner || !createJson(claimPath(folder), { kind: 'runner', runner })) return 0
  world.failpoint('after', 'claim')
  // Read after the claim: what is claimed is what is run.
  const request = readJson(requestPath(folder), sessionRequest)
  if (!request) return 1
  const started = await start(world, folder, request)
  if (started.kind === 'cannot-start') {
    await store(world, exitPath(folder), started.exit)
    return 0
  }
  terminate = started.terminate
  if (terminateEarly) terminate()
  const exit = await follow(world, folder, request, started)
  world.failpoint('before', 'exit')
  await store(world, exitPath(folder), exit)
  world.failpoint('after', 'exit')
  return 0
}

interface Started {
  kind: 'started'
  command: RunningCommand
  startedAt: string
  capture: Capture
  conversation: Conversation | null
  /** Ends the command, once; one that can be talked to is asked first. */
  terminate(): void
}

async function start(
  world: World,
  folder: string,
  request: SessionRequest,
): Promise<Started | { kind: 'cannot-start'; exit: SessionExit }> {
  try {
    const adapter = adapterOf(request.type)
    if (!adapter) throw new Error(`this agent knows no type ${request.type}`)
    const { killGraceMs, logBytesMax } = limitsFrom(process.env)
    const capture = await openCapture(world, {
      folder,
      log: { path: outputPath(folder), timesPath: timesPath(folder), bytesMax: logBytesMax },
      secrets: secretsIn(process.env),
      inLines: adapter.reader !== null,
    })
    const { stdout, stderr } = capture
    const options = { folder, env: unpackEnvironment(process.env), stdout, stderr, killGraceMs }
    world.failpoint('before', 'command')
    const command = await startCommand(world, request, options)
      .finally(capture.closeWriteEnds)
      .catch(async error => {
        await capture.finish()
        throw error
      })
    world.failpoint('after', 'command')
    const conversation =
      adapter.reader === null ? null : openConversation(world, folder, { request, adapter, command, capture })
    const terminate = () => {
      if (!conversation?.interrupt()) return command.terminate()
      world.clock.timer(INTERRUPT_MS, command.terminate)
    }
    return { kind: 'started', command, startedAt: isoNow(world), capture, conversation, terminate }
  } catch (error) {
    const reason = messageOf(error)
    const ended = { exitCode: null, signal: null, errorMessage: reason, startedAt: null, endedAt: isoNow(world) }
    return { kind: 'cannot-start', exit: { ...ended, cannotStart: reason } }
  }
}

function openConversation(
  world: World,
  folder: string,
  {
    request,
    adapter,
    command,
    capture,
  }: { request: SessionRequest; adapter: Adapter; command: RunningCommand; capture: Capture },
): Conversation {
  const firstPrompt = readFileSync(promptPath(folder), 'utf8')
  const { input, terminate } = command
  const secrets = secretsIn(process.env)
  const conversation = startConversation({ world, folder, request, adapter, firstPrompt, input, terminate, secrets })
  capture.listen(conversation.receive)
  return conversation
}

async function follow(world: World, folder: string, request: SessionRequest, started: Started): Promise<SessionExit> {
  const { command, startedAt, capture, conversation } = started
  const { sessionId, workspaceId, timeoutMs, idleMs } = request
  const noted = store(world, startedPath(folder), { startedAt, leader: command.leader })
  world.failpoint('after', 'started')
  const { leader } = command
  const find = memberFinder({ sessionId, workspaceId, promptFile: promptPath(folder), leader, slot: request.slot })
  const meter = startCpuMeter(world, find, cpuPath(folder))
  const isAsking = () => conversation?.isAsking() ?? false
  const limits = { timeoutMs, idleMs, isAsking, lastByteMs: capture.lastByteMs, cpuMs: meter.totalMs }
  const watchdog = startWatchdog(world, { ...limits, terminate: started.terminate })
  const end = await command.end
  watchdog.stop()
  meter.stop()
  meter.sample()
  await killLeftovers(world, find)
  await capture.finish()
  const resumeRef = conversation?.finish(end) ?? null
  takeConversation(folder, { ...request, resumeRef, env: unpackEnvironment(process.env) })
  await noted
  const how = conversation?.hasLingered() ? { exitCode: 0, signal: null } : end
  return { ...how, errorMessage: watchdog.reason(), startedAt, endedAt: isoNow(world), cannotStart: null }
}

function isoNow(world: World): string {
  return new Date(world.clock.now()).toISOString()
}

/** Waits for room on a full disk: without these files the end of the command is not known. */
async function store(world: World, path: string, value: unknown): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return writeJson(path, value)
    } catch (error) {
      if (attempt >= STORE_TRIES_MAX) throw error
      await sleep(world.clock, STORE_AGAIN_MS)
    }
  }
}
