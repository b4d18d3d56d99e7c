/**
 * `POST …/salvage`: what the agent did, as refs of a repository of ours. REF is its HEAD plus one commit for what was
 * not committed; REF-heads/…, REF-stash/…, REF-worktrees/… and REF-others/… are what it left beside (src/core/saved.ts has
 * the table); REF-log and REF-session are its output and its conversation.
 * The answer is kept, so that asking again gives the same until there is something new to save.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { notHome } from '../../core/saved.ts'
import { type ArtifactWish, type Salvaged, salvaged } from '../../protocol/salvage.ts'
import type { Agent } from '../agent.ts'
import { malformed, messageOf, Refusal } from '../errors.ts'
import { deliveryCount, isRunning, listSessions } from '../sessions/folder.ts'
import { settle } from '../sessions/process.ts'
import { readJson, writeJson } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { scratchFolder, type Workspace } from '../workspaces/workspace.ts'
import { addArtifacts, scratchName } from './artifacts.ts'
import { openKeeper } from './keep.ts'
import { isRefName } from './listing.ts'
import { perform } from './perform.ts'

/** All of one salvage; beyond it something in the tree is made to take for ever. */
const SALVAGE_MS = 9 * 60_000
/** A checkpoint stands in the way of prompts and of a stop for no longer. */
const CHECKPOINT_MS = 60_000

const answers = z.object({ state: z.string(), byRef: z.record(z.string(), salvaged) })
const answersPath = (workspace: Workspace) => join(workspace.folder, 'salvage.json')

export function salvage(
  agent: Agent,
  workspace: Workspace,
  ref: string,
  bytesMax: number,
  artifacts?: ArtifactWish,
): Promise<Salvaged> {
  return answered(agent, workspace, ref, () =>
    limited(agent, workspace, SALVAGE_MS, signal =>
      perform({ agent, workspace, ref, bytesMax, artifacts, isLive: false, signal }),
    ),
  )
}

/** What the check left, beside what was saved before it: that stays as it is, and so does its answer but for artifacts. */
export function salvageAfterCheck(
  agent: Agent,
  workspace: Workspace,
  ref: string,
  artifacts?: ArtifactWish,
): Promise<Salvaged> {
  return answered(agent, workspace, ref, before => {
    if (!before) throw new Refusal('not_found', `workspace ${workspace.id} has nothing salvaged as ${ref}`)
    const folder = scratchName(scratchFolder(workspace), agent.world.random.bytes(6))
    return limited(agent, workspace, SALVAGE_MS, signal =>
      addArtifacts({ workspace, ref, artifacts, folder, timeoutMs: agent.limits.gitMs, signal }, before),
    ).finally(() => removeTree(folder))
  })
}

/** The answer of before where it still holds; else what `make` answers, which is kept. `make` gets the one of before, if any. */
function answered(
  agent: Agent,
  workspace: Workspace,
  ref: string,
  make: (before: Salvaged | undefined) => Promise<Salvaged>,
): Promise<Salvaged> {
  checkRef(ref)
  return workspace.serialize(async () => {
    await refuseWhileRunning(agent, workspace)
    const state = stateOf(workspace)
    const known = readJson(answersPath(workspace), answers)
    const valid = known?.state === state ? known.byRef : {}
    const given = valid[ref]
    if (given && isKept(agent, workspace, ref, given)) return given
    const answer = await make(known?.byRef[ref])
    writeJson(answersPath(workspace), { state, byRef: { ...valid, [ref]: answer } })
    return answer
  })
}

/** The same while a session runs. What it finds may be half written. */
export function checkpoint(agent: Agent, workspace: Workspace, ref: string, bytesMax: number): Promise<Salvaged> {
  checkRef(ref)
  return workspace.serialize(async () => {
    refuseUnbuilt(workspace)
    return limited(agent, workspace, CHECKPOINT_MS, signal =>
      perform({ agent, workspace, ref, bytesMax, isLive: true, signal }),
    )
  })
}

export function checkRef(ref: string): void {
  if (isRefName(ref) && !ref.startsWith('refs/keep/')) return
  throw malformed('ref', 'must be a full ref name, such as refs/tdf/task/1')
}

function refuseUnbuilt(workspace: Workspace): void {
  const { status, baseCommit } = workspace.record
  if (status === 'creating' || baseCommit === null) {
    throw new Refusal('workspace_not_ready', `workspace ${workspace.id} is ${status} and has no work tree`)
  }
}

async function refuseWhileRunning(agent: Agent, workspace: Workspace): Promise<void> {
  refuseUnbuilt(workspace)
  for (const { folder, request } of listSessions(workspace)) {
    const session = await settle(agent, folder)
    if (session && isRunning(session)) throw new Refusal('session_running', `session ${request.sessionId} is running`)
  }
}

/** Changes with every session and prompt: only they change the tree. */
function stateOf(workspace: Workspace): string {
  return listSessions(workspace)
    .filter(session => session.claim?.kind === 'runner')
    .map(session => `${session.request.sessionId}:${session.request.number}:${deliveryCount(session)}`)
    .join(' ')
}

/** What could not be read may be readable now: then it is all looked at again. */
function isKept(agent: Agent, workspace: Workspace, ref: string, given: Salvaged): boolean {
  const { refsOf } = openKeeper(workspace, agent.limits.gitMs, workspace.leaving.signal)
  return notHome(given, ref, refsOf(ref)).length === 0
}

async function limited<T>(
  agent: Agent,
  workspace: Workspace,
  withinMs: number,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeUp = new AbortController()
  const cancel = agent.world.clock.timer(withinMs, () => timeUp.abort())
  try {
    return await act(AbortSignal.any([timeUp.signal, workspace.leaving.signal]))
  } catch (error) {
    agent.log('error', 'salvage failed', { workspace: workspace.id, reason: messageOf(error) })
    if (workspace.deleted) throw new Refusal('not_found', `workspace ${workspace.id} was deleted`)
    throw new Refusal('salvage_failed', timeUp.signal.aborted ? 'the salvage took too long' : messageOf(error))
  } finally {
    cancel()
  }
}
