/**
 * Whether a submodule may stay a mere pointer: its commit is to be had elsewhere, and its work tree is that commit.
 * A repository that an agent's `git add` took for a submodule has neither remote nor history elsewhere.
 */
import { readdirSync } from 'node:fs'
import { readAgentRefs, remoteTips } from './agent-refs.ts'
import { findGitFolder, type GitFolder } from './git-folder.ts'
import type { IndexEntry } from './listing.ts'
import { absolute, isClean, type ScanContext, scanTree, type TreeScan } from './scan.ts'

export async function isUntouched(context: ScanContext, scan: TreeScan, entry: IndexEntry): Promise<boolean> {
  const { view } = context
  const folder = absolute(scan, entry.path)
  const path = scan.prefix + entry.path
  const tree = view.linkTo(folder)
  const repository = findGitFolder(view.boundary, tree)
  if (!repository) return isEmpty(folder)
  const { head } = readAgentRefs(view.boundary, repository, view.oidLength)
  if (head !== entry.oid) return false
  view.borrow(repository)
  const isPublished = context.baseGitlinks.get(path) === head || (await remoteHas(context, repository, head))
  if (!isPublished || context.budget.repositories-- <= 0) return false
  try {
    return isClean(await scanTree({ ...context, leaveOut: () => {} }, tree, `${path}/`, head))
  } catch {
    // Without its objects it cannot be compared: then its files are saved.
    return false
  }
}

async function remoteHas(context: ScanContext, repository: GitFolder, commit: string): Promise<boolean> {
  const { view } = context
  const tips = remoteTips(view.boundary, repository, view.oidLength)
  if (tips.length === 0) return false
  const input = [commit, '--not', ...tips].join('\n')
  const missing = await view.run(['rev-list', '--count', '--ignore-missing', '--stdin'], { input: `${input}\n` })
  return missing.exitCode === 0 && missing.stdout.trim() === '0'
}

/** As a clone leaves a submodule that nobody asked for. */
function isEmpty(folder: Buffer): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return false
  }
}
