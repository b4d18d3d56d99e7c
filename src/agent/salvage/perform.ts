/** One salvage, from the agent's files to refs in the salvage repository. */
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LEFT_OUT, type LeftOut, type SavedRef } from '../../core/saved.ts'
import type { Salvaged } from '../../protocol/salvage.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { knownSlotOf } from '../isolation/slots.ts'
import { listSessions } from '../sessions/folder.ts'
import { readJson } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { builtRefsPath, salvageRepository, scratchFolder, type Workspace, workTree } from '../workspaces/workspace.ts'
import { type AgentHead, type AgentRefs, readAgentHead, readAgentRefs } from './agent-refs.ts'
import { type Candidate, candidatesOf, historyOf, peel, reach, worthwhile } from './beside.ts'
import { commitConversation, commitFiles, commitLogs, type FilesSaving } from './commits.ts'
import { type Keeper, openKeeper, prepareRepository } from './keep.ts'
import { type LinkedTree, linkedTrees, separateGitDir } from './linked.ts'
import { besideRefs, isRefName, logRef, sessionRef, shown } from './listing.ts'
import type { LeaveOut } from './scan.ts'
import { makeReadable } from './select.ts'
import { boundaryOf, findGitFolder, type GitFolder } from './untrusted.ts'
import { openView } from './view.ts'

export interface Salvage {
  agent: Agent
  workspace: Workspace
  ref: string
  /** For all files together that are not committed. */
  bytesMax: number
  /** A session still runs: its output and its conversation are left to the end, and nothing of its files is changed. */
  isLive: boolean
  signal: AbortSignal
}

const LEFT_OUT_MAX = 200
const NO_REPOSITORY = 'it is gone, damaged or outside of the work tree: the files came home, commits of the run did not'
const builtRefs = z.record(z.string(), z.string())

export async function perform(salvage: Salvage): Promise<Salvaged> {
  const { agent, workspace } = salvage
  const folder = join(scratchFolder(workspace), `salvage-${agent.world.random.bytes(6).toString('hex')}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const found = await look(salvage)
    return await saveAll(await openSaving(salvage, folder, found), found)
  } finally {
    await removeTree(folder)
  }
}

/** What lies in the workspace, before any of it is taken. */
interface Found {
  /** Null when it is gone: an empty one would read as "everything was deleted". */
  tree: string | null
  /** The repository, where it lies outside of the work tree. */
  separate: string | null
  folder: GitFolder | null
  refs: AgentRefs
  head: AgentHead
  linked: LinkedTree[]
}

const NO_HEAD: AgentHead = { commit: null, branch: null, isUnborn: false, open: new Map(), leftBehind: [] }

async function look({ agent, workspace, isLive }: Salvage): Promise<Found> {
  const tree = workTree(workspace)
  const none = { separate: null, refs: { all: new Map(), stashes: [] }, head: NO_HEAD, linked: [] }
  if (!existsSync(tree)) return { ...none, tree: null, folder: null }
  const uid = knownSlotOf(agent, workspace)?.uid ?? process.getuid?.() ?? 0
  if (!isLive) await makeReadable(tree, uid)
  // A session of another user could move a folder under our feet.
  const mayLookOutside = !isLive || workspace.record.slot === null
  const isConfined = listSessions(workspace).some(({ request }) => Boolean(request.sandbox))
  const separate = mayLookOutside && !isConfined ? separateGitDir(tree, uid) : null
  const boundary = boundaryOf(tree, ...(separate === null ? [] : [separate]))
  const folder = findGitFolder(boundary, tree)
  if (!folder) return { ...none, tree, folder }
  const oidLength = (workspace.record.baseCommit ?? '').length
  const refs = readAgentRefs(boundary, folder, oidLength)
  const linked = linkedTrees({
    ...{ boundary, folder, refs, oidLength, isLive, uid, mayLookOutside, isConfined },
    workTree: realpathSync(tree),
  })
  if (!isLive) for (const { tree: outside } of linked) if (outside !== null) await makeReadable(outside, uid)
  return { tree, separate, folder, refs, head: readAgentHead(boundary, folder, refs, oidLength), linked }
}

interface Saving extends FilesSaving {
  salvage: Salvage
  keeper: Keeper
  leftOut: Map<string, LeftOut>
}

async function openSaving(
  salvage: Salvage,
  folder: string,
  { tree, separate, folder: own, linked }: Found,
): Promise<Saving> {
  const { agent, workspace, signal, ref } = salvage
  const baseCommit = workspace.record.baseCommit ?? ''
  const timeoutMs = agent.limits.gitMs
  const mirror = salvageRepository(workspace)
  const oidLength = baseCommit.length
  prepareRepository(mirror, oidLength)
  const keeper = openKeeper(mirror, timeoutMs, signal)
  await keeper.clear(ref)
  const trees = linked.flatMap(one => (one.tree === null ? [] : [one.tree]))
  const boundary = boundaryOf(tree ?? folder, ...(separate === null ? [] : [separate]), ...trees)
  const view = openView({ folder, boundary, mirror, oidLength, timeoutMs, signal })
  if (own) view.addAlternates(own)
  const leftOut = new Map<string, LeftOut>()
  const leaveOut: LeaveOut = (path, kind, { reason, bytes } = {}) => {
    if (leftOut.has(path)) return
    leftOut.set(path, { path: shown(path), bytes: bytes ?? null, reason: reason ?? LEFT_OUT[kind].reason, kind })
  }
  const linkedPaths = trees.map(path => realpathSync(path, 'buffer'))
  const slot = knownSlotOf(agent, workspace)
  return {
    ...{ salvage, workspace, baseCommit, view, keeper, leaveOut, leftOut, linkedPaths, slot },
    bytesLeft: salvage.bytesMax,
  }
}

async function saveAll(saving: Saving, found: Found): Promise<Salvaged> {
  const { salvage, baseCommit, view, keeper, leaveOut } = saving
  const { workspace, ref, isLive } = salvage
  const { tree, folder, refs, head, linked } = found
  if (!folder) leaveOut('.git', 'broken', { reason: NO_REPOSITORY })
  else if (head.commit === null && !head.isUnborn) leaveOut('HEAD', 'broken')
  const result = await saveTree(saving, tree, head.commit)

  const built = readJson(builtRefsPath(workspace), builtRefs) ?? {}
  const { outputBranch } = workspace.record.request
  const trees: Candidate[] = []
  for (const one of linked) trees.push(...(await saveLinked(saving, one)))
  const named = candidatesOf({ ref, refs, head, linked, built, outputBranch }, leaveOut)
  const lose = (name: string) => leaveOut(latin1(name), 'broken')
  const all = await peel(view, [...trees, ...named], lose)
  const broken = new Set<string>()
  const tips = [...new Set([result.commit, ...all.map(({ oid }) => oid)])]
  const history = await historyOf(view, tips, baseCommit, oid => broken.add(oid))
  for (const { oid, name } of all) if (broken.has(oid)) lose(name)
  const known = [result.commit, ...Object.values(built)]
  const wanted = worthwhile(history, all, known).filter(({ oid }) => !broken.has(oid))
  const talk = isLive ? [] : await talkOf(saving)
  const lost = await keeper.keepSound(view, new Map([...wanted.map(one => [one.ref, one.oid] as const), ...talk]))
  if (talk.some(([name]) => lost.has(name))) throw new Error('the output or the conversation cannot be kept')
  for (const one of wanted) if (lost.has(one.ref)) lose(one.name)
  const saved = wanted
    .filter(one => !lost.has(one.ref))
    .map(({ ref, name, kind, oid }): SavedRef => ({ ref, name, kind, commit: oid, ahead: reach(history, oid) }))
  const { commit, isOurs } = result
  return { commit, baseCommit, ahead: reach(history, commit), salvaged: isOurs, saved, leftOut: listed(saving) }
}

async function talkOf({ salvage, view }: Saving): Promise<[string, string][]> {
  const logs = await commitLogs(view, salvage.workspace)
  const conversation = await commitConversation(view, salvage.workspace)
  const found: [string, string | null][] = [
    [logRef(salvage.ref), logs],
    [sessionRef(salvage.ref), conversation],
  ]
  return found.flatMap(([ref, oid]): [string, string][] => (oid === null ? [] : [[ref, oid]]))
}

/** On HEAD; when HEAD cannot be kept whole, on the base commit; when even that is gone, on nothing. */
async function saveTree(
  saving: Saving,
  tree: string | null,
  head: string | null,
): Promise<{ commit: string; isOurs: boolean }> {
  const { salvage, baseCommit, view, keeper, leaveOut } = saving
  let failure: unknown = new Error('there is no commit to start from')
  for (const start of new Set([head ?? baseCommit, baseCommit])) {
    try {
      await view.must(['cat-file', '-e', `${start}^{tree}`])
      const commit = tree === null ? start : await commitFiles(saving, { tree, start, within: '' })
      await keeper.keep(view, new Map([[salvage.ref, commit]]))
      return { commit, isOurs: commit !== start }
    } catch (error) {
      if (salvage.signal.aborted) throw error
      failure = error
    }
    if (start === head) leaveOut('HEAD', 'broken')
    const facts = { workspace: salvage.workspace.id, start, reason: messageOf(failure) }
    salvage.agent.log('warn', 'salvage cannot build on a commit', facts)
  }
  if (tree === null) throw failure
  const commit = await commitFiles(saving, { tree, start: null, within: '' })
  await keeper.keep(view, new Map([[salvage.ref, commit]]))
  return { commit, isOurs: true }
}

/** Its HEAD where that is on no branch, or one commit more for what is not committed there. */
async function saveLinked(
  saving: Saving,
  { id, tree, name, head, folder, obstacle }: LinkedTree,
): Promise<Candidate[]> {
  const { salvage, view, leaveOut } = saving
  if (obstacle !== null) leaveOut(latin1(name), 'unreadable', { reason: obstacle })
  const ref = `${besideRefs(salvage.ref).worktrees}/${id}`
  if (!isRefName(ref) || (head.commit === null && !head.isUnborn)) {
    leaveOut(latin1(name), 'broken')
    return []
  }
  const candidate = { ref, name, kind: 'worktree' as const }
  const own =
    head.branch === null && head.commit !== null ? [{ ...candidate, oid: head.commit, onlyUnreached: true }] : []
  if (tree === null) return own
  try {
    const link = view.linkTo(Buffer.from(tree))
    const commit = await commitFiles(saving, { tree: link, start: head.commit, within: `${latin1(name)}/`, folder })
    return commit === head.commit ? own : [{ ...candidate, oid: commit, onlyUnreached: false }]
  } catch (error) {
    if (salvage.signal.aborted) throw error
    salvage.agent.log('warn', 'a linked work tree cannot be saved', { name, reason: messageOf(error) })
    leaveOut(latin1(name), 'broken')
    return own
  }
}

/** What is asked for first: what may be lost, then what was to be left out. */
function listed({ leftOut }: Saving): LeftOut[] {
  const rank = ({ kind }: LeftOut) => (LEFT_OUT[kind].isKept ? 0 : LEFT_OUT[kind].isWork ? 1 : 2)
  const all = [...leftOut.values()].sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1))
  if (all.length <= LEFT_OUT_MAX) return all
  const [last] = all.slice(LEFT_OUT_MAX)
  const count = all.length - LEFT_OUT_MAX
  return [
    ...all.slice(0, LEFT_OUT_MAX),
    { path: '…', bytes: null, reason: `${count} more`, kind: last?.kind ?? 'ignored' },
  ]
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1')
