/** Whether results still fit onto where a branch is by now, and which of them exclude each other. Nothing is changed by it. */
import type { Fit } from '../../../src/core/facts.ts'
import { isThere, mergeTree, reaches, treeOf } from '../merge.ts'
import type { Repository } from '../repository.ts'

export interface Tip {
  /** The full name of the branch. */
  onto: string
  commit: string
}

export interface Candidate {
  id: string
  commit: string
  baseCommit: string
}

/** As many are held against each other; the others are told of the branch alone. */
const COMPARED_MAX = 200

/** In the order of `candidates`; null for one that is not there any more. */
export async function fitsOf(
  repository: Repository,
  candidates: readonly Candidate[],
  tip: Tip,
  now: number,
): Promise<(Fit | null)[]> {
  const fits: (Fit | null)[] = []
  for (const one of candidates) fits.push(await fitOf(repository, one, tip, now))
  const open = candidates.filter((_, at) => fits[at] !== null && fits[at]?.state !== 'in').slice(0, COMPARED_MAX)
  const excluded = await excluding(repository, open)
  return fits.map((fit, at) => fit && { ...fit, with: excluded.get(candidates[at]?.id ?? '') ?? [] })
}

async function fitOf(repository: Repository, one: Candidate, { onto, commit }: Tip, now: number): Promise<Fit | null> {
  if (!(await isThere(repository, one.commit))) return null
  const seen = (state: Fit['state'], files: string[] = [], moved = 0): Fit => {
    return { onto, commit, state, files, with: [], moved, at: now }
  }
  if (await reaches(repository, commit, one.commit)) return seen('in')
  if (await reaches(repository, one.commit, commit)) return seen('fits')
  const merged = await mergeTree(repository, commit, one.commit)
  const counted = await repository.must(['rev-list', '--count', '--end-of-options', `${one.commit}..${commit}`])
  if (merged.kind === 'conflict') return seen('conflict', merged.files, Number(counted))
  // Its changes came there by other commits.
  if (merged.tree === (await treeOf(repository, commit))) return seen('in')
  return seen('behind', [], Number(counted))
}

/** By id: which of the others cannot be merged with it. Only those that touch one file are tried. */
async function excluding(repository: Repository, all: readonly Candidate[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  const touched = new Map<string, Set<string>>()
  for (const { id, baseCommit, commit } of all) {
    const listed = await repository.must(['diff', '--name-only', '--no-renames', '-z', baseCommit, commit])
    touched.set(id, new Set(listed.split('\0').filter(Boolean)))
  }
  const filesOf = (id: string) => touched.get(id) ?? new Set<string>()
  for (const [at, one] of all.entries()) {
    for (const other of all.slice(at + 1)) {
      const isShared = [...filesOf(one.id)].some(file => filesOf(other.id).has(file))
      if (!isShared || one.commit === other.commit) continue
      if ((await mergeTree(repository, one.commit, other.commit)).kind === 'clean') continue
      found.set(one.id, [...(found.get(one.id) ?? []), other.id])
      found.set(other.id, [...(found.get(other.id) ?? []), one.id])
    }
  }
  return found
}
