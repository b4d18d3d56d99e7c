/** Merges and history in the repository of results, without a work tree: `git merge-tree` writes the merged tree and nothing else. */
import { TdfError } from '../../src/core/errors.ts'
import type { Repository } from './repository.ts'

/** *clean*: `tree` holds both. Else git cannot merge `files`, and `tree` has the marks of their conflicts. */
export type Merged = { kind: 'clean'; tree: string } | { kind: 'conflict'; tree: string; files: string[] }

const FILES_MAX = 100

/** git-merge-tree(1), of git 2.38 on. Throws GIT_TOO_OLD, or RESULT_BROKEN when one of the commits is not there. */
export async function mergeTree(repository: Repository, ours: string, theirs: string): Promise<Merged> {
  const flags = ['--write-tree', '--name-only', '--no-messages', '-z']
  const merged = await repository.may(['merge-tree', ...flags, '--end-of-options', ours, theirs])
  const [tree = '', ...files] = merged.stdout.split('\0').filter(word => word !== '')
  if (merged.exitCode === 0) return { kind: 'clean', tree }
  if (merged.exitCode === 1) return { kind: 'conflict', tree, files: [...new Set(files)].slice(0, FILES_MAX) }
  if (/usage: git merge-tree|unknown option/.test(merged.stderr)) {
    const version = (await repository.may(['version'])).stdout.trim()
    throw new TdfError('GIT_TOO_OLD', `merging needs git 2.38 or newer where the daemon runs; it has ${version}`)
  }
  throw new TdfError('RESULT_BROKEN', `${theirs} cannot be merged with ${ours}: ${merged.stderr.trim()}`)
}

/** Whether one commit has the other in its history. */
export async function reaches(repository: Repository, from: string, to: string): Promise<boolean> {
  return (await repository.may(['merge-base', '--is-ancestor', '--end-of-options', to, from])).exitCode === 0
}

export async function treeOf(repository: Repository, commit: string): Promise<string> {
  return (await repository.must(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`])).trim()
}

/** Whether it is there with its tree. */
export async function isThere(repository: Repository, commit: string): Promise<boolean> {
  return (await repository.may(['cat-file', '-e', `${commit}^{tree}`])).exitCode === 0
}
