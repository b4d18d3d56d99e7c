/** One salvage, from the agent's files to refs in the salvage repository. */

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Salvaged } from '../../protocol/agent-api.ts'
import type { Agent } from '../agent.ts'
import { messageOf } from '../errors.ts'
import { readJson } from '../state/durable.ts'
import { removeTree } from '../state/remove-tree.ts'
import { builtRefsPath, salvageRepository, scratchFolder, type Workspace, workTree } from '../workspaces/workspace.ts'
import { type AgentRefs, readAgentRefs } from './agent-refs.ts'
import { commitConversation, commitLogs, commitTree, writeTree } from './commits.ts'
import { findGitFolder } from './git-folder.ts'
import { type Keeper, openKeeper, prepareRepository } from './keep.ts'
import { type BytePath, headsRefs, logRef, sessionRef, shown, stashRefs } from './listing.ts'
import { gitlinksOf, isClean, REPOSITORIES_MAX, type ScanContext, scanTree } from './scan.ts'
import { fitInto, unsupported } from './select.ts'
import { openView, type View } from './view.ts'

export interface Salvage {
  agent: Agent
  workspace: Workspace
  ref: string
  bytesMax: number
  /** A session still runs: its output and its conversation are left to the end. */
  isLive: boolean
  signal: AbortSignal
}

const LEFT_OUT_MAX = 1_000
const BRANCHES_MAX = 1_000
const STASHES_MAX = 200
const builtRefs = z.record(z.string(), z.string())

export async function perform(salvage: Salvage): Promise<Salvaged> {
  const { agent, workspace } = salvage
  const folder = join(scratchFolder(workspace), `salvage-${agent.world.random.bytes(6).toString('hex')}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    return await performIn(salvage, folder)
  } finally {
    await removeTree(folder)
  }
}

async function performIn(salvage: Salvage, folder: string): Promise<Salvaged> {
  const { agent, workspace, ref, signal } = salvage
  const baseCommit = workspace.record.baseCommit ?? ''
  const { gitMs: timeoutMs } = agent.limits
  const mirror = salvageRepository(workspace)
  await prepareRepository(mirror, baseCommit.length)
  const keeper = openKeeper(mirror, timeoutMs, signal)
  await keeper.drop(await keeper.refsOf(ref))

  const tree = workTree(workspace)
  // Without a work tree there is nothing to compare: an empty one would read as "everything was deleted".
  const isGone = !existsSync(tree)
  const place = {
    folder,
    workTree: isGone ? folder : tree,
    mirror,
    oidLength: baseCommit.length,
    timeoutMs,
    signal,
  }
  const view = openView(place)
  const gitFolder = isGone ? null : findGitFolder(view.boundary, tree)
  const refs = gitFolder ? readAgentRefs(view.boundary, gitFolder, baseCommit.length) : null
  if (gitFolder) view.addAlternates(gitFolder)
  const leftOut = new Set<BytePath>()
  if (!refs) leftOut.add('.git')
  else if (refs.head === null && !refs.isUnborn) leftOut.add('HEAD')
  const head = refs?.head ?? null
  const saved = await saveTree({ salvage, view, keeper, leftOut, head, tree: isGone ? null : tree })
  if (refs) for (const name of await saveOthers(salvage, view, keeper, refs)) leftOut.add(name)
  if (!salvage.isLive) await saveTalk(workspace, view, keeper, ref)
  const counted = await keeper.run(['rev-list', '--count', saved.commit, `^${baseCommit}`])
  return {
    commit: saved.commit,
    baseCommit,
    ahead: counted.exitCode === 0 ? Number(counted.stdout) : 1,
    salvaged: saved.isOurs,
    leftOut: named(leftOut),
  }
}

async function saveTalk(workspace: Workspace, view: View, keeper: Keeper, ref: string): Promise<void> {
  const logs = await commitLogs(view, workspace)
  if (logs) await keeper.keep(view, logs, logRef(ref))
  const conversation = await commitConversation(view, workspace)
  if (conversation) await keeper.keep(view, conversation, sessionRef(ref))
}

interface Saving {
  salvage: Salvage
  view: View
  keeper: Keeper
  leftOut: Set<BytePath>
  head: string | null
  tree: string | null
}

/** On HEAD; when HEAD cannot be kept whole, on the base commit; when even that is gone, on nothing. */
async function saveTree(saving: Saving): Promise<{ commit: string; isOurs: boolean }> {
  const { salvage, view, leftOut, head } = saving
  const baseCommit = salvage.workspace.record.baseCommit ?? ''
  const starts = [...new Set([head, baseCommit])].filter(start => start !== null)
  let failure: unknown = new Error('there is no commit to start from')
  for (const start of starts) {
    const found = await view.run(['cat-file', '-e', `${start}^{tree}`])
    if (found.exitCode === 0) {
      try {
        return await saveOn(saving, start)
      } catch (error) {
        if (salvage.signal.aborted) throw error
        failure = error
      }
    }
    if (start === head) leftOut.add('HEAD')
    const facts = { workspace: salvage.workspace.id, start, reason: messageOf(failure) }
    salvage.agent.log('warn', 'salvage cannot build on a commit', facts)
  }
  if (saving.tree === null) throw failure
  return saveOn(saving, null)
}

async function saveOn(saving: Saving, start: string | null): Promise<{ commit: string; isOurs: boolean }> {
  const { salvage, view, keeper, leftOut, tree } = saving
  const { workspace, ref, bytesMax } = salvage
  let commit = start
  if (tree !== null) {
    const own = new Set<BytePath>()
    const baseCommit = workspace.record.baseCommit ?? ''
    const context: ScanContext = {
      view,
      baseGitlinks: start === null ? new Map() : await gitlinksOf(view, baseCommit).catch(() => new Map()),
      leaveOut: path => own.add(path),
      budget: { repositories: REPOSITORIES_MAX },
    }
    for (const path of await unsupported(view, tree)) own.add(path)
    const scan = await scanTree(context, tree, '', start)
    for (const path of fitInto(scan, bytesMax)) own.add(path)
    if (!isClean(scan) || start === null) {
      const written = await writeTree(context, scan)
      const before = start === null ? null : (await view.must(['rev-parse', `${start}^{tree}`])).trim()
      if (written !== before) commit = await commitTree(view, workspace, written, start)
    }
    if (commit === null) throw new Error('nothing to save')
    await keeper.keep(view, commit, ref)
    for (const path of own) leftOut.add(path)
  } else if (commit !== null) await keeper.keep(view, commit, ref)
  else throw new Error('nothing to save')
  return { commit, isOurs: commit !== start }
}

/** Branches and stashes; gives the names of those that cannot be kept. */
async function saveOthers(salvage: Salvage, view: View, keeper: Keeper, refs: AgentRefs): Promise<BytePath[]> {
  const built = readJson(builtRefsPath(salvage.workspace), builtRefs) ?? {}
  const wanted = new Map<string, string>()
  const names = new Map<string, string>()
  const want = (target: string, oid: string, name: string) => {
    wanted.set(target, oid)
    names.set(target, name)
  }
  const moved = [...refs.branches].filter(([name, oid]) => built[name] !== oid)
  for (const [name, oid] of moved.slice(0, BRANCHES_MAX)) {
    want(`${headsRefs(salvage.ref)}/${name.slice('refs/heads/'.length)}`, oid, name)
  }
  for (const [at, oid] of refs.stashes.slice(0, STASHES_MAX).entries()) {
    want(`${stashRefs(salvage.ref)}/${at}`, oid, `stash@{${at}}`)
  }
  const lost = [...moved.slice(BRANCHES_MAX).map(([name]) => name)]
  for (const target of await keeper.keepAll(view, await onlyCommits(view, wanted))) wanted.delete(target)
  const kept = new Set(await keeper.refsOf(salvage.ref))
  for (const [target, name] of names) if (!kept.has(target)) lost.push(name)
  return lost
}

async function onlyCommits(view: View, wanted: Map<string, string>): Promise<Map<string, string>> {
  const pairs = [...wanted]
  if (pairs.length === 0) return wanted
  const input = pairs.map(([, oid]) => `${oid}\n`).join('')
  const types = (await view.must(['cat-file', '--batch-check=%(objecttype)'], { input })).split('\n')
  return new Map(pairs.filter((_, at) => types[at] === 'commit'))
}

function named(paths: Set<BytePath>): string[] {
  const all = [...paths].sort().map(shown)
  if (all.length <= LEFT_OUT_MAX) return all
  return [...all.slice(0, LEFT_OUT_MAX), `… and ${all.length - LEFT_OUT_MAX} more`]
}
