/** The command of a session: started once, ended by a signal to its whole group, waited for. */
import { closeSync, existsSync, openSync } from 'node:fs'

import process from 'node:process'
import type { Writable } from 'node:stream'
import { OPEN_UMASK } from '../../../platform/files.ts'
import { type ChildProcess, identify, sendSignal, startGroup } from '../../../platform/process.ts'
import type { CommandEnd } from '../../../platform/run.ts'
import type { Cancel, World } from '../../../platform/world.ts'
import { codeOf, messageOf } from '../../errors.ts'
import { confine, withSignal } from '../../isolation/sandbox.ts'
import { asSlot, refuseMissing } from '../../isolation/slot.ts'
import { promptPath, type SessionRequest } from '../folder.ts'

export interface RunningCommand {
  leader: { pid: number; startTicks: string | null }
  end: Promise<CommandEnd>
  /** Its stdin, when it is talked to. */
  input: Writable | null
  /** SIGTERM to the group now, SIGKILL after the grace. Asking twice changes nothing. */
  terminate(): void
}

export interface CommandOptions {
  folder: string
  env: Record<string, string>
  stdout: number
  stderr: number
  killGraceMs: number
}

/** Throws with the reason when there is no process. */
export async function startCommand(
  world: World,
  request: SessionRequest,
  options: CommandOptions,
): Promise<RunningCommand> {
  // A missing working folder would be reported as a missing program.
  if (!existsSync(request.workTree)) throw new Error('the work tree is gone')
  const child = spawnWithInput(await commandLine(request, options), request, options)
  const end = new Promise<CommandEnd>((resolve, reject) => {
    child.once('exit', (exitCode, signal) =>
      resolve(request.sandbox ? withSignal({ exitCode, signal }) : { exitCode, signal }),
    )
    child.once('error', error => reject(new Error(reasonOf(request, error, options))))
  })
  const { pid } = child
  if (pid === undefined) {
    await end
    throw new Error('there is no process')
  }
  return {
    leader: { pid, startTicks: identify(pid)?.startTicks ?? null },
    end,
    input: child.stdin,
    terminate: terminator(world, child, pid, options.killGraceMs),
  }
}

async function commandLine(request: SessionRequest, { folder, env }: CommandOptions): Promise<string[]> {
  const { slot, command, workTree, sandbox } = request
  if (sandbox) return confine({ request, promptFile: promptPath(folder), env }, folder)
  if (!slot) return command
  try {
    refuseMissing(command[0] ?? '', env.PATH ?? '', workTree)
  } catch (error) {
    throw new Error(reasonOf(request, error, { env }))
  }
  return asSlot(slot, command)
}

function spawnWithInput(words: readonly string[], request: SessionRequest, options: CommandOptions): ChildProcess {
  const [file = '', ...args] = words
  const input = openInput(request, options)
  try {
    return startGroup(file, args, {
      cwd: request.workTree,
      env: options.env,
      input,
      stdout: options.stdout,
      stderr: options.stderr,
      umask: OPEN_UMASK,
    })
  } catch (error) {
    throw new Error(reasonOf(request, error, options))
  } finally {
    if (typeof input === 'number') closeSync(input)
  }
}

function openInput({ stdin }: SessionRequest, { folder }: CommandOptions): number | 'ignore' | 'pipe' {
  if (stdin === 'prompt') return openSync(promptPath(folder), 'r')
  return stdin === 'dialogue' ? 'pipe' : 'ignore'
}

function terminator(world: World, child: ChildProcess, pid: number, killGraceMs: number): () => void {
  let asked = false
  let cancelKill: Cancel = () => {}
  child.once('exit', () => cancelKill())
  return () => {
    if (asked) return
    asked = true
    sendSignal(-pid, 'SIGTERM')
    cancelKill = world.clock.timer(killGraceMs, () => sendSignal(-pid, 'SIGKILL'))
  }
}

function reasonOf({ command, slot }: SessionRequest, error: unknown, { env }: Pick<CommandOptions, 'env'>): string {
  const code = codeOf(error) ?? messageOf(error)
  const reason = `${code}: cannot start ${command[0]}`
  if (code !== 'ENOENT') return reason
  const user = slot?.name ?? env.USER ?? `with the id ${process.getuid?.()}`
  return `${reason}: user ${user} has no such program; PATH is ${env.PATH ?? 'not set'}`
}
