/** The setup command: a session of the agent's own, so that it has a log, a limit, and leaves nothing running. */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { parseRepositoryFile } from '../../config/repository-file.ts'
import { REPOSITORY_FILE, REPOSITORY_FILE_BYTES_MAX } from '../../core/source.ts'
import { makeFolder, OPEN_UMASK, writeDurable } from '../../platform/files.ts'
import { git } from '../../platform/git.ts'
import { INHERITED_VARIABLES, pickVariables, run } from '../../platform/run.ts'
import { sleep } from '../../platform/world.ts'
import type { Agent, BuildContext } from '../agent.ts'
import { Refusal } from '../errors.ts'
import {
  isRunning,
  outputPath,
  PLAIN,
  readSession,
  SETUP,
  type SessionExit,
  sessionFolder,
} from '../sessions/folder.ts'
import { killSession, settle } from '../sessions/process.ts'
import { discardSession, writeRequest } from '../sessions/request.ts'
import { awaitStart } from '../sessions/start.ts'
import { readTail } from '../state/lines.ts'
import { printable } from './report.ts'
import { BuildFailure, type Workspace, workTree } from './workspace.ts'

const LOOK_MS = 50

/** What was asked for, or else what the repository asks for. True when something was run. */
export async function setUp(context: BuildContext, own: string | null): Promise<boolean> {
  const { agent, workspace, signal } = context
  const { taskId, attempt, repositorySetup, sandbox = null } = workspace.record.request
  const setup =
    own !== null && repositorySetup
      ? { command: own, timeoutMs: repositorySetup.timeoutMs }
      : workspace.record.request.setup
  if (!setup || signal.aborted) return false
  const folder = sessionFolder(workspace, SETUP)
  const request = {
    sessionId: SETUP,
    workspaceId: workspace.id,
    taskId,
    attempt,
    number: 0,
    contentHash: '',
    type: 'command',
    command: ['sh', '-c', setup.command],
    stdin: 'nothing' as const,
    ...PLAIN,
    timeoutMs: setup.timeoutMs,
    workTree: workTree(workspace),
    sandbox,
    createdAt: new Date(agent.world.clock.now()).toISOString(),
  }
  writeRequest(agent, workspace, request, '')
  const exit = await runToEnd(context, folder)
  if (signal.aborted || (exit.exitCode === 0 && exit.errorMessage === null)) return true
  const tail = printable(readTail(outputPath(folder)))
  throw new BuildFailure(`the setup command ${howItEnded(exit)}${tail && `:\n${tail}`}`)
}

/** A setup of an earlier start of the agent may still be running: it ends before the build begins again. */
export async function endSetup(agent: Agent, workspace: Workspace): Promise<void> {
  const folder = sessionFolder(workspace, SETUP)
  const session = readSession(folder)
  if (!session) return
  await killSession(agent, session)
  await discardSession(agent, workspace, folder)
}

async function runToEnd(context: BuildContext, folder: string): Promise<SessionExit> {
  const { agent, signal } = context
  let session = await awaitStart(agent, folder, {}).catch(error => {
    if (error instanceof Refusal) throw new BuildFailure(`the setup command could not be started: ${error.message}`)
    throw error
  })
  while (isRunning(session)) {
    // When the agent itself ends, the setup goes on for now: the next start ends it and builds again.
    if (signal.aborted && !agent.ending.signal.aborted) await killSession(agent, session)
    if (agent.ending.signal.aborted) throw new BuildFailure('the agent is ending')
    await sleep(agent.world.clock, LOOK_MS)
    session = (await settle(agent, folder)) ?? session
  }
  return session.exit ?? (await lostExit(folder))
}

async function lostExit(folder: string): Promise<SessionExit> {
  const exit = readSession(folder)?.exit
  if (!exit) throw new BuildFailure('the setup command left no exit status')
  return exit
}

function howItEnded(exit: SessionExit): string {
  if (exit.errorMessage === 'timeout') return 'ran into its time-out'
  if (exit.errorMessage) return `failed (${exit.errorMessage})`
  return exit.signal ? `was ended by ${exit.signal}` : `failed with exit code ${exit.exitCode}`
}

// --- `.tdf.toml` of the commit that a workspace begins from ---
//
// What the repository itself wants done before an agent. It is read as git has it, so that no link leads elsewhere,
// and what it asks for runs as the agent of the task would.

/** The command of its `setup`; null without one. Throws when the file is wrong, or asks for what may not run here. */
export async function repositorySetup(context: BuildContext, commit: string): Promise<string | null> {
  const { repositorySetup: wish } = context.workspace.record.request
  // Of what is checked out, only that it is there counts.
  if (!wish || !lstatSync(join(context.tree, REPOSITORY_FILE), { throwIfNoEntry: false })) return null
  const text = await readFrom(context, commit)
  const file = text === null ? {} : parseRepositoryFile(text)
  if ('problem' in file) throw new BuildFailure(printable(file.problem))
  const { setup } = file
  if (setup === undefined) return null
  if (wish.policy === 'run') return setup
  throw new BuildFailure(
    `${REPOSITORY_FILE} asks to run "${printable(setup)}", and the repository was fetched from elsewhere onto a machine of yours; ` +
      'submit with --setup to run a command of your choice, with --no-setup to run none, ' +
      'or set [runner] repository_setup = "always"',
  )
}

async function readFrom({ tree, agent, signal }: BuildContext, commit: string): Promise<string | null> {
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal, outputBytesMax: REPOSITORY_FILE_BYTES_MAX * 2 }
  const entry = (await git(['ls-tree', '-l', '-z', commit, '--', REPOSITORY_FILE], options)).stdout
  const [, mode, size] = /^(\d{6}) blob [0-9a-f]+ +(\d+)\t/.exec(entry) ?? []
  if (mode === undefined) return null
  if (!mode.startsWith('100')) throw new BuildFailure(`${REPOSITORY_FILE} is no plain file`)
  if (Number(size) > REPOSITORY_FILE_BYTES_MAX)
    throw new BuildFailure(`${REPOSITORY_FILE} is larger than ${REPOSITORY_FILE_BYTES_MAX} bytes`)
  const { exitCode, stdout } = await git(['cat-file', 'blob', `${commit}:${REPOSITORY_FILE}`], options)
  if (exitCode !== 0) throw new BuildFailure(`${REPOSITORY_FILE} cannot be read`)
  return stdout
}

// --- What an agent's program needs on this node ---
//
// A command of the daemon's owner, run as we run, once for its text. A new version of it is another text, and so
// another run. Workspaces that need the same one wait for the same run.

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
  // flock(1): one of an earlier life of ours may still be at it. Closed for the command, so that no child keeps it.
  const { exitCode, signal, stderr, timedOut } = await run(
    'flock',
    ['-o', join(folder, 'lock'), 'sh', '-c', `exec 2>&1; ${command}`],
    {
      cwd: folder,
      env: { ...pickVariables(agent.env, INHERITED_VARIABLES), DEBIAN_FRONTEND: 'noninteractive' },
      outputFile: log,
      umask: OPEN_UMASK,
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
