/** One salvage, from the agent's files to refs in the salvage repository. */
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Artifacts, filesRefOf, type SavedRef } from '../../core/saved.ts'
import type { Salvaged } from '../../protocol/salvage.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { knownSlotOf } from '../isolation/slots.ts'
import { readJson } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { builtIndexPath, builtRefsPath, salvageRepository, scratchFolder } from '../workspaces/workspace.ts'
import { type Collected, type Collecting, collectArtifacts, scratchName } from './artifacts.ts'
import { type Candidate, candidatesOf, historyOf, peel, reach, worthwhile } from './beside.ts'
import { commitFiles, draftsOfTalk, endedAtMs, type FilesSaving, treeOf, writeCommits } from './commits.ts'
import { type Keeper, openKeeper, prepareRepository, type Refs } from './keep.ts'
import { type Found, type LinkedTree, look } from './linked.ts'
import { besideRefs, isRefName } from './listing.ts'
import { nameContent, openLargeStore, takeCommitted } from './tree/large.ts'
import { type LeftOutList, leftOutList } from './tree/left-out.ts'
import { boundaryOf } from './untrusted.ts'
import { openView } from './view.ts'

export interface Salvage extends Collecting {
  agent: Agent
  /** For all files together that are not committed. */
  bytesMax: number
  /** A session still runs: its output and its conversation are left to the end, and nothing of its files is changed. */
  isLive: boolean
  signal: AbortSignal
}

const NO_REPOSITORY = 'it is gone, damaged or outside of the work tree: the files came home, commits of the run did not'
const builtRefs = z.record(z.string(), z.string())

export async function perform(salvage: Salvage): Promise<Salvaged> {
  const { agent, workspace } = salvage
  const folder = scratchName(scratchFolder(workspace), agent.world.random.bytes(6))
  try {
    const found = await look(agent, workspace, salvage.isLive)
    try {
      return await saveAll(await openSaving(salvage, join(folder, 'whole'), found, true), found)
    } catch (error) {
      if (salvage.signal.aborted) throw error
      const facts = { workspace: workspace.id, reason: messageOf(error) }
      agent.log('warn', 'not all of it is sound: salvage takes it piece by piece', facts)
      return await saveAll(await openSaving(salvage, join(folder, 'pieces'), found, false), found)
    }
  } finally {
    await removeTree(folder)
  }
}

interface Saving extends FilesSaving {
  salvage: Salvage
  keeper: Keeper
  left: LeftOutList
  artifacts: Collected
  /** All of it is taken to be sound, and kept at once: else what is not is told from the rest. */
  isWhole: boolean
}

async function openSaving(
  salvage: Salvage,
  folder: string,
  { tree, separate, folder: own, linked }: Found,
  isWhole: boolean,
): Promise<Saving> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { agent, workspace, signal, ref } = salvage
  const baseCommit = workspace.record.baseCommit ?? ''
  const timeoutMs = agent.limits.gitMs
  const mirror = salvageRepository(workspace)
  const oidLength = baseCommit.length
  prepareRepository(mirror, oidLength)
  const keeper = openKeeper(workspace, timeoutMs, signal)
  await keeper.clear(ref)
  const trees = linked.flatMap(one => (one.tree === null ? [] : [one.tree]))
  const boundary = boundaryOf(tree ?? folder, ...(separate === null ? [] : [separate]), ...trees)
  const view = openView({ folder, boundary, mirror, oidLength, timeoutMs, signal })
  if (own) view.addAlternates(own)
  const left = leftOutList()
  const { leaveOut } = left
  // First: what the ignore rules name may be one of them.
  const wish = salvage.isLive ? { ...salvage, artifacts: undefined } : salvage
  const artifacts = collectArtifacts(wish, { from: 'agent', parent: null, leaveOut })
  const linkedPaths = trees.map(path => realpathSync(path, 'buffer'))
  const slot = knownSlotOf(agent, workspace)
  const known = isWhole ? { commit: baseCommit, path: builtIndexPath(workspace) } : null
  return {
    ...{ salvage, workspace, baseCommit, view, keeper, leaveOut, left, artifacts, linkedPaths, slot, isWhole, known },
    large: openLargeStore(join(folder, 'large')),
    bytesLeft: salvage.bytesMax,
  }
}

async function saveAll(saving: Saving, found: Found): Promise<Salvaged> {
  const { salvage, baseCommit, view, leaveOut } = saving
  const { workspace, ref } = salvage
  const { tree, folder, refs, head, linked } = found
  if (!folder) leaveOut('.git', 'broken', { reason: NO_REPOSITORY })
  else if (head.commit === null && !head.isUnborn) leaveOut('HEAD', 'broken')
  const saveTree = saving.isWhole ? saveAtOnce : saveOnSound
  const { commit, start, talk } = await saveTree(saving, tree, head.commit)

  const built = readJson(builtRefsPath(workspace), builtRefs) ?? {}
  const { outputBranch } = workspace.record.request
  const trees: Candidate[] = []
  for (const one of linked) trees.push(...(await saveLinked(saving, one)))
  const named = candidatesOf({ ref, refs, head, linked, built, outputBranch }, leaveOut)
  const lose = (name: string) => leaveOut(latin1(name), 'broken')
  const all = await peel(view, [...trees, ...named], lose)
  const broken = new Set<string>()
  const tips = [...new Set([commit, ...all.map(({ oid }) => oid)])]
  const isPlain = all.length === 0 && start === baseCommit
  const history = isPlain
    ? new Map(commit === start ? [] : [[commit, [start]]])
    : await historyOf(view, tips, baseCommit, oid => broken.add(oid))
  for (const { oid, name } of all) if (broken.has(oid)) lose(name)
  const wanted = worthwhile(history, all, [commit, ...Object.values(built)]).filter(({ oid }) => !broken.has(oid))
  if (folder) await takeCommitted(saving, folder, [commit, ...wanted.map(({ oid }) => oid)])
  const lost = await keepBeside(
    saving,
    commit,
    wanted,
    new Map([...talk, ...(await nameContent(saving, ref, endedAtMs(workspace)))]),
  )
  for (const one of wanted) if (lost.has(one.ref)) lose(one.name)
  const saved = wanted
    .filter(one => !lost.has(one.ref))
    .map(({ ref, name, kind, oid }): SavedRef => ({ ref, name, kind, commit: oid, ahead: reach(history, oid) }))
  const ahead = reach(history, commit)
  const files = filesOf(saving, talk, lost)
  return { commit, baseCommit, ahead, salvaged: commit !== start, saved, leftOut: saving.left.all(), files }
}

/** What is not sound of them costs the result nothing. */
function filesOf({ salvage: { ref }, artifacts: { kept }, leaveOut }: Saving, talk: Refs, lost: ReadonlySet<string>) {
  if (kept === null) return null
  const commit = talk.get(filesRefOf(ref))
  if (commit !== undefined && !lost.has(filesRefOf(ref))) return { commit, list: kept.list() } satisfies Artifacts
  leaveOut('artifacts', 'artifact', { reason: 'git does not take them' })
  return null
}

/** Answers the names of those that cannot be kept. */
async function keepBeside(
  { salvage: { ref }, isWhole, keeper, view }: Saving,
  commit: string,
  wanted: readonly Candidate[],
  talk: Refs,
): Promise<ReadonlySet<string>> {
  const beside = new Map([...wanted.map(one => [one.ref, one.oid] as const), ...talk])
  if (isWhole) {
    await keeper.keepWhole(view, new Map([[ref, commit], ...beside]))
    return new Set()
  }
  const lost = await keeper.keepSound(view, beside)
  if ([...talk.keys()].some(name => lost.has(name) && name !== filesRefOf(ref)))
    throw new Error('the output or the conversation cannot be kept')
  return lost
}

interface SavedTree {
  commit: string
  /** What it was made on; null: on nothing. */
  start: string | null
  talk: Refs
}

const named = (names: Iterable<string>, oids: readonly string[]): Refs =>
  new Map([...names].map((name, at) => [name, oids[at] ?? '']))

async function saveAtOnce(saving: Saving, tree: string | null, head: string | null): Promise<SavedTree> {
  const start = head ?? saving.baseCommit
  const drafts = new Map([...draftsOfTalk(saving.salvage), ...draftOfArtifacts(saving)])
  if (tree === null) {
    const made = await writeCommits(saving.view, saving.workspace, [...drafts.values()])
    return { commit: start, start, talk: named(drafts.keys(), made) }
  }
  const [commit, ...made] = await commitFiles(saving, { tree, start, within: '' }, [...drafts.values()])
  return { commit, start, talk: named(drafts.keys(), made) }
}

const draftOfArtifacts = ({ salvage: { ref }, artifacts: { kept } }: Saving) =>
  new Map(kept === null ? [] : [[filesRefOf(ref), kept.draft]])

/** On HEAD; when HEAD cannot be kept whole, on the base commit; when even that is gone, on nothing. */
async function saveOnSound(saving: Saving, tree: string | null, head: string | null): Promise<SavedTree> {
  const { salvage, workspace, baseCommit, view, keeper, leaveOut } = saving
  const drafts = draftsOfTalk(saving.salvage)
  const files = draftOfArtifacts(saving)
  const own = named(drafts.keys(), await writeCommits(view, workspace, [...drafts.values()]))
  const beside = await writeCommits(view, workspace, [...files.values()]).catch(() => null)
  const talk = new Map([...own, ...(beside === null ? [] : named(files.keys(), beside))])
  let failure: unknown = new Error('there is no commit to start from')
  for (const start of new Set([head ?? baseCommit, baseCommit])) {
    try {
      await treeOf(view, start)
      const [commit] = tree === null ? [start] : await commitFiles(saving, { tree, start, within: '' })
      await keeper.keep(view, new Map([[salvage.ref, commit]]))
      return { commit, start, talk }
    } catch (error) {
      if (salvage.signal.aborted) throw error
      failure = error
    }
    if (start === head) leaveOut('HEAD', 'broken')
    const facts = { workspace: workspace.id, start, reason: messageOf(failure) }
    salvage.agent.log('warn', 'salvage cannot build on a commit', facts)
  }
  if (tree === null) throw failure
  const [commit] = await commitFiles(saving, { tree, start: null, within: '' })
  await keeper.keep(view, new Map([[salvage.ref, commit]]))
  return { commit, start: null, talk }
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
    const place = { tree: link, start: head.commit, within: `${latin1(name)}/`, folder }
    const [commit] = await commitFiles(saving, place)
    return commit === head.commit ? own : [{ ...candidate, oid: commit, onlyUnreached: false }]
  } catch (error) {
    if (salvage.signal.aborted) throw error
    salvage.agent.log('warn', 'a linked work tree cannot be saved', { name, reason: messageOf(error) })
    leaveOut(latin1(name), 'broken')
    return own
  }
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1')
