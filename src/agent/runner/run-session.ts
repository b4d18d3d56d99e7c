/**
 * `tdf-agent run-session DIR`: one session from its start to its books. It outlives the agent, so it needs nothing of
 * it but the folder; all that it finds out is left there. Each file appears whole, and in this order:
 *
 *   claim.json    this runner and no other starts the command
 *   started.json  the command is a process now
 *   exit.json     it has ended, nothing of it is left, the log is complete; or: it could not be started
 */
import type { Socket } from 'node:net'
import process from 'node:process'
import { identify } from '../../process.ts'
import { sleep, type World } from '../../world.ts'
import { limitsFrom } from '../limits.ts'
import { messageOf } from '../log.ts'
import { killLeftovers } from '../processes/kill-leftovers.ts'
import { memberFinder } from '../processes/members.ts'
import { unpackEnvironment } from '../sessions/environment.ts'
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
} from '../sessions/folder.ts'
import { createJson, readJson, writeJson } from '../state/json-file.ts'
import { type RunningCommand, startCommand } from './command.ts'
import { startCpuMeter } from './cpu.ts'
import { type OutputLog, openOutput } from './output.ts'
import { type OutputPipe, openPipe } from './pipe.ts'

const DRAIN_MS = 2_000
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
  world.power('before', 'claim')
  if (!runner || !createJson(claimPath(folder), { kind: 'runner', runner })) return 0
  world.power('after', 'claim')
  // Read after the claim: what is claimed is what is run.
  const request = readJson(requestPath(folder), sessionRequest)
  if (!request) return 1
  const started = await start(world, folder, request)
  if (started.kind === 'cannot-start') {
    await store(world, exitPath(folder), started.exit)
    return 0
  }
  terminate = started.command.terminate
  if (terminateEarly) terminate()
  const exit = await follow(world, folder, request, started)
  world.power('before', 'exit')
  await store(world, exitPath(folder), exit)
  world.power('after', 'exit')
  return 0
}

interface Started {
  kind: 'started'
  command: RunningCommand
  startedAt: string
  pipe: OutputPipe
  output: OutputLog
  captured: Promise<void>
}

async function start(
  world: World,
  folder: string,
  request: SessionRequest,
): Promise<Started | { kind: 'cannot-start'; exit: SessionExit }> {
  try {
    const { killGraceMs, logBytesMax } = limitsFrom(process.env)
    const output = await openOutput(world, outputPath(folder), logBytesMax)
    const pipe = await openPipe(folder)
    const captured = capture(pipe.reader, output)
    const options = { folder, env: unpackEnvironment(process.env), output: pipe.writeEnd, killGraceMs }
    world.power('before', 'command')
    const command = await startCommand(world, request, options).finally(pipe.closeWriteEnd)
    world.power('after', 'command')
    return { kind: 'started', command, startedAt: isoNow(world), pipe, output, captured }
  } catch (error) {
    const reason = messageOf(error)
    const ended = { exitCode: null, signal: null, errorMessage: reason, startedAt: null, endedAt: isoNow(world) }
    return { kind: 'cannot-start', exit: { ...ended, cannotStart: reason } }
  }
}

async function follow(world: World, folder: string, request: SessionRequest, started: Started): Promise<SessionExit> {
  const { command, startedAt, pipe, output, captured } = started
  const { sessionId, workspaceId, timeoutMs } = request
  const noted = store(world, startedPath(folder), { startedAt, leader: command.leader })
  world.power('after', 'started')
  let timedOut = false
  const onTime = () => {
    timedOut = true
    command.terminate()
  }
  const cancelTimeout = timeoutMs === null ? () => {} : world.clock.timer(timeoutMs, onTime)
  const { leader } = command
  const find = memberFinder({ sessionId, workspaceId, promptFile: promptPath(folder), leader, slot: request.slot })
  const meter = startCpuMeter(world, find, cpuPath(folder))
  const end = await command.end
  cancelTimeout()
  meter.stop()
  meter.sample()
  await killLeftovers(world, find)
  await drain(world, pipe.reader, captured)
  await output.finish()
  await noted
  return { ...end, errorMessage: timedOut ? 'timeout' : null, startedAt, endedAt: isoNow(world), cannotStart: null }
}

function isoNow(world: World): string {
  return new Date(world.clock.now()).toISOString()
}

/** One chunk at a time: when the disk is slow the pipe fills and the command waits. */
async function capture(reader: Socket, output: OutputLog): Promise<void> {
  try {
    for await (const chunk of reader) await output.write(chunk)
  } catch {
    // The pipe was cut off after its time was up.
  }
}

/** The pipe ends when nobody has it open any more; a process that got away must not keep the session open. */
async function drain(world: World, reader: Socket, captured: Promise<void>): Promise<void> {
  const timeUp = new AbortController()
  const limit = sleep(world.clock, DRAIN_MS, timeUp.signal).then(
    () => void reader.destroy(),
    () => {},
  )
  await captured.finally(() => timeUp.abort())
  await limit
}

/** A full disk is waited out: without these files nobody learns what became of the command. */
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
