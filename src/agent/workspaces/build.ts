/**
 * From a request to a work tree: fetch, note the base commit, check out, set up. A build that was cut off begins again
 * in a clean folder; git processes that outlived the agent go on writing into the old one, which nobody looks at.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { moveContent } from '../../platform/files.ts'
import type { Agent, BuildContext } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { handOver } from '../isolation/slots.ts'
import { broughtConversation } from '../sessions/adapters/conversations.ts'
import { removeTree } from '../state/remove-tree.ts'
import { attributeCommits, checkOut, keepIndex, keepPristine, noteIgnored } from './checkout.ts'
import { printable, report } from './report.ts'
import { endSetup, installProgram, repositorySetup, setUp } from './setup.ts'
import { dropSource, GroundLost, makeRoom } from './sources/cache.ts'
import { bringLarge } from './sources/large.ts'
import { cloneSource, unpackSource } from './sources/source.ts'
import { checkOutSubmodules } from './sources/submodules.ts'
import { BuildFailure, bundlePath, updateRecord, type Workspace, type WorkspaceRecord } from './workspace.ts'

const AGAIN_MS = 1_000

/** Starts the build, or the wait for the bundle that it needs. Does nothing when it goes on already. */
export function beginBuild(agent: Agent, workspace: Workspace): void {
  if (workspace.build || workspace.record.status !== 'creating') return
  const abort = new AbortController()
  const signal = AbortSignal.any([abort.signal, workspace.leaving.signal])
  const { source } = workspace.record.request
  if (source.kind === 'bundle' && !workspace.record.bundleReceived) {
    awaitBundle(agent, workspace)
    return
  }
  const done = serialize(agent, () => build(agent, workspace, signal)).finally(() => {
    workspace.build = null
    if (!workspace.deleted && source.kind === 'bundle' && !workspace.record.bundleReceived) beginBuild(agent, workspace)
  })
  workspace.build = { abort, done }
}

const waits = new WeakMap<Workspace, () => void>()

/** A restart gives the whole time again: the daemon may have been unable to reach us. */
function awaitBundle(agent: Agent, workspace: Workspace): void {
  waits.get(workspace)?.()
  const cancel = agent.world.clock.timer(agent.limits.bundleWaitMs, () => {
    if (workspace.record.bundleReceived) return
    const minutes = Math.round(agent.limits.bundleWaitMs / 60_000)
    finish(agent, workspace, failed(`no bundle came within ${minutes} minutes`))
  })
  waits.set(workspace, cancel)
  workspace.leaving.signal.addEventListener('abort', cancel, { once: true })
}

async function build(agent: Agent, workspace: Workspace, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  try {
    await endSetup(agent, workspace)
    const folder = await freshFolder(agent, workspace)
    const { source } = workspace.record.request
    const context: BuildContext = { agent, workspace, signal, tree: join(folder, 'work') }
    await makeRoom(agent)
    workspace.doing = 'installing the program of the agent'
    await installProgram(context)
    workspace.doing = source.kind === 'git' ? 'cloning' : 'unpacking what was sent'
    const { commit, refs } = await (source.kind === 'git'
      ? cloneSource(context, source)
      : unpackSource(context, source))
    updateRecord(workspace, { baseCommit: commit })
    const conversation = source.kind === 'bundle' ? await broughtConversation(workspace, source.ref) : {}
    keepPristine(context, folder, refs, conversation)
    const note = await bringLarge(context, commit)
    workspace.doing = 'checking out the files'
    await checkOut(context, commit, refs.keys())
    keepIndex(context, folder)
    const own = await repositorySetup(context, commit)
    await checkOutSubmodules(context, commit)
    attributeCommits(context)
    moveContent(folder, workspace.folder)
    await handOver(agent, workspace)
    workspace.doing = 'running the set-up'
    if (await setUp(context, own)) await noteIgnored(context)
    if (signal.aborted) return
    finish(agent, workspace, { status: 'ready', built: 'ready', note })
    await removeTree(bundlePath(workspace))
  } catch (error) {
    if (signal.aborted) return
    if (error instanceof GroundLost) return askForWhole(agent, workspace, error)
    if (error instanceof BuildFailure) return finish(agent, workspace, failed(error.message, error.isPassing))
    agent.log('error', 'build failed', { workspace: workspace.id, reason: messageOf(error) })
    finish(agent, workspace, failed(printable(messageOf(error))))
  }
}

/** The daemon sees it when it looks at the workspace next. */
async function askForWhole(agent: Agent, workspace: Workspace, { message }: GroundLost): Promise<void> {
  const { source } = workspace.record.request
  agent.log('warn', 'what a bundle builds on is lost: the whole has to come', { workspace: workspace.id, message })
  if (source.kind === 'bundle' && source.cache) await dropSource(agent, source.cache.key)
  updateRecord(workspace, { bundleReceived: false, bundleIsThin: false })
}

function failed(message: string, isPassing = false): Partial<WorkspaceRecord> {
  return { status: 'failed', built: 'failed', errorMessage: message, isPassing }
}

/** Tries until the disk takes it: a workspace whose outcome is known must not go on being `creating`. */
function finish(agent: Agent, workspace: Workspace, outcome: Partial<WorkspaceRecord>): void {
  if (workspace.deleted || workspace.record.status !== 'creating') return
  try {
    updateRecord(workspace, outcome)
    report(agent, workspace)
  } catch (error) {
    agent.log('error', 'build could not be recorded', { workspace: workspace.id, reason: messageOf(error) })
    const cancel = agent.world.clock.timer(AGAIN_MS, () => finish(agent, workspace, outcome))
    workspace.leaving.signal.addEventListener('abort', cancel, { once: true })
  }
}

const BUILT = ['work', 'salvage.git', 'built-refs.json', 'built-index']

async function freshFolder(agent: Agent, workspace: Workspace): Promise<string> {
  for (const name of readdirSync(workspace.folder)) {
    const isOld = name.startsWith('build-') || BUILT.includes(name)
    if (isOld && !(await removeTree(join(workspace.folder, name)))) {
      throw new BuildFailure(`cannot remove what an earlier build left: ${name}`)
    }
  }
  const folder = join(workspace.folder, `build-${agent.world.random.bytes(4).toString('hex')}`)
  mkdirSync(folder, { mode: 0o700 })
  return folder
}

/** Clones are heavy on disk and network: a few at once, the others in the order of their requests. */
const lines = new WeakMap<Agent, { running: number; waiting: (() => void)[] }>()

async function serialize(agent: Agent, act: () => Promise<void>): Promise<void> {
  const line = lines.get(agent) ?? { running: 0, waiting: [] }
  lines.set(agent, line)
  if (line.running >= agent.limits.buildsAtOnceMax) await new Promise<void>(resolve => line.waiting.push(resolve))
  else line.running += 1
  try {
    await act()
  } finally {
    const next = line.waiting.shift()
    if (next) next()
    else line.running -= 1
  }
}
