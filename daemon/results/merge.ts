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

export interface NewCommit {
  tree: string
  parents: readonly string[]
  message: string
  /** Unix ms. */
  at: number
  author?: { name: string; email: string }
}

const OURS = { name: 'tdf', email: 'tdf@localhost' }

/** The same gives the same commit, however often. */
export async function commitTree(repository: Repository, commit: NewCommit): Promise<string> {
  const { tree, parents, message, at, author: { name, email } = OURS } = commit
  const date = `@${Math.floor(at / 1000)} +0000`
  const env = {
    ...{ GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_AUTHOR_DATE: date },
    ...{ GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email, GIT_COMMITTER_DATE: date },
  }
  const args = ['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent])]
  return (await repository.must(args, { env, input: `${message}\n` })).trim()
}

/**
 * A commit that has both as its parents, with the marks of conflicts in its files where there are some. The same two give
 * the same commit at the same time. Throws GIT_TOO_OLD or RESULT_BROKEN.
 */
export async function mergeOf(
  repository: Repository,
  { ours, theirs, base }: { ours: string; theirs: string; base: string },
  at: number,
): Promise<{ commit: string; files: string[] }> {
  const merged = await mergeTree(repository, ours, theirs)
  const files = merged.kind === 'clean' ? [] : merged.files
  const message = `Merge ${base}${files.length > 0 ? ' with conflicts' : ''}`
  return { commit: await commitTree(repository, { tree: merged.tree, parents: [ours, theirs], message, at }), files }
}

/** Holds a commit under a name, on every host. */
export async function keepCommit(repository: Repository, ref: string, commit: string): Promise<void> {
  await repository.alone(() => repository.must(['update-ref', ref, commit]))
  await repository.save()
}

/** Names the commit that the next attempt begins from, with the conversation of the one whose result is `ref`. Answers the name. */
export async function nameStart(repository: Repository, ref: string, commit: string): Promise<string> {
  const start = `${ref}-start`
  await repository.alone(async () => {
    await repository.must(['update-ref', start, commit])
    const session = await repository.may(['rev-parse', '--verify', '--quiet', `${ref}-session`])
    if (session.exitCode === 0) await repository.must(['update-ref', `${start}-session`, session.stdout.trim()])
  })
  await repository.save()
  return start
}
