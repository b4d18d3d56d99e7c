/**
 * What an agent's program needs on this node: a command of the daemon's owner, run as we run, once for its text. A new
 * version of it is another text, and so another run. Workspaces that need the same one wait for the same run.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../process.ts'
import type { Agent } from '../agent.ts'
import { makeFolder, writeDurable } from '../state/durable.ts'
import { readTail } from '../state/tail.ts'
import { type BuildContext, BuildFailure } from './build-context.ts'
import { printable } from './printable.ts'

const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TMPDIR']

/** Runs in this life of ours, by the folder of the command. */
const running = new WeakMap<Agent, Map<string, Promise<void>>>()

/** Returns when it is there. Throws with the end of its output; the next workspace tries again. */
export async function installProgram({ agent, workspace }: BuildContext): Promise<void> {
  const { install } = workspace.record.request
  if (!install) return
  const folder = join(agent.state, 'installs', createHash('sha256').update(install.command).digest('hex').slice(0, 16))
  if (existsSync(donePath(folder))) return
  const mine = running.get(agent) ?? new Map<string, Promise<void>>()
  running.set(agent, mine)
  const known = mine.get(folder) ?? installInto(agent, folder, install).finally(() => mine.delete(folder))
  mine.set(folder, known)
  await known
}

const donePath = (folder: string) => join(folder, 'done')

async function installInto(
  agent: Agent,
  folder: string,
  { command, timeoutMs }: { command: string; timeoutMs: number },
): Promise<void> {
  makeFolder(join(agent.state, 'installs'))
  makeFolder(folder)
  const log = join(folder, 'output.log')
  agent.log('info', 'installing', { folder })
  const passed = PASSED_ON.flatMap(name => (agent.env[name] === undefined ? [] : [[name, agent.env[name]]]))
  // flock(1): one of an earlier life of ours may still be at it. Closed for the command, so that no child keeps it.
  const { exitCode, signal, stderr, timedOut } = await run(
    'flock',
    ['-o', join(folder, 'lock'), 'sh', '-c', `exec 2>&1; ${command}`],
    {
      cwd: folder,
      env: { ...Object.fromEntries(passed), DEBIAN_FRONTEND: 'noninteractive' },
      outputFile: log,
      timeoutMs,
      signal: agent.ending.signal,
    },
  )
  if (exitCode === 0) {
    writeDurable(donePath(folder), `${command}\n`)
    return
  }
  const how = timedOut
    ? 'ran into its time-out'
    : signal
      ? `was ended by ${signal}`
      : `failed with exit code ${exitCode}`
  const said = printable(`${readTail(log)}\n${stderr}`)
  throw new BuildFailure(`the install command of the agent ${how}${said && `:\n${said}`}`)
}
