/** What is saved beside HEAD: which refs that takes, and how far each is ahead. */
import type { SavedRef } from '../../core/saved.ts'
import type { AgentHead, AgentRefs } from './agent-refs.ts'
import type { LinkedTree } from './linked.ts'
import { besideRefs, isRefName } from './listing.ts'
import type { LeaveOut } from './tree/left-out.ts'
import type { View } from './view.ts'

/** A ref that may be worth its place. */
export interface Candidate {
  ref: string
  name: string
  kind: SavedRef['kind']
  oid: string
  /** Only where nothing else holds its commits. */
  onlyUnreached: boolean
}

export interface Beside {
  ref: string
  refs: AgentRefs
  head: AgentHead
  linked: readonly LinkedTree[]
  /** Refs as the build left them. */
  built: Readonly<Record<string, string>>
  outputBranch: string
}

const HEADS = 'refs/heads/'
const SAVED_MAX = 500

/** Branches, stashes, other refs, what is open and what was left behind; in this order, the surest first. */
export function candidatesOf(beside: Beside, leaveOut: LeaveOut): Candidate[] {
  const all = [...branches(beside), ...stashes(beside), ...others(beside), ...open(beside), ...leftBehind(beside)]
  const named = all.filter(({ ref }) => isRefName(ref))
  for (const { name } of named.slice(SAVED_MAX)) leaveOut(latin1(name), 'refused', { reason: TOO_MANY })
  return named.slice(0, SAVED_MAX)
}

const TOO_MANY = `more than ${SAVED_MAX} refs beside HEAD are not saved`

/** The branch that is the result itself is not named a second time. */
function branches({ ref, refs, head, built, outputBranch }: Beside): Candidate[] {
  const own = [head.branch, `${HEADS}${outputBranch}`]
  return [...refs.all].flatMap(([name, oid]) => {
    const isNew = name.startsWith(HEADS) && built[name] !== oid
    if (!isNew || (own.includes(name) && oid === head.commit)) return []
    const short = name.slice(HEADS.length)
    return [
      {
        ref: `${besideRefs(ref).heads}/${short}`,
        name: utf8(short),
        kind: 'branch' as const,
        oid,
        onlyUnreached: false,
      },
    ]
  })
}

function stashes({ ref, refs }: Beside): Candidate[] {
  const { stash } = besideRefs(ref)
  return refs.stashes.map((oid, at) => ({
    ref: `${stash}/${at}`,
    name: `stash@{${at}}`,
    kind: 'stash',
    oid,
    onlyUnreached: false,
  }))
}

/** Tags, notes and the like. What a remote has is published. */
function others({ ref, refs, built }: Beside): Candidate[] {
  const isOther = (name: string) => !/^refs\/(?:heads|remotes)\//.test(name) && name !== 'refs/stash'
  return [...refs.all].flatMap(([name, oid]) =>
    isOther(name) && built[name] !== oid ? [unreached(ref, name.slice('refs/'.length), oid)] : [],
  )
}

function open({ ref, head, linked }: Beside): Candidate[] {
  const heads = [{ head, at: '' }, ...linked.map(tree => ({ head: tree.head, at: `-${tree.id}` }))]
  return heads.flatMap(({ head, at }) =>
    [...head.open].map(([name, oid]): Candidate => {
      const candidate = unreached(ref, `${name}${at}`, oid)
      return /autostash/i.test(name) ? { ...candidate, kind: 'stash' } : candidate
    }),
  )
}

function leftBehind({ ref, head, linked }: Beside): Candidate[] {
  const oids = [head, ...linked.map(tree => tree.head)].flatMap(one => one.leftBehind)
  return [...new Set(oids)].map((oid, at) => unreached(ref, `left-behind-${at + 1}`, oid))
}

function unreached(ref: string, name: string, oid: string): Candidate {
  return { ref: `${besideRefs(ref).others}/${name}`, name: utf8(name), kind: 'branch', oid, onlyUnreached: true }
}

/** Each with the commit that it names; what names none, or one that is not there, is told to `missing`. */
export async function peel(
  view: View,
  candidates: readonly Candidate[],
  missing: (name: string) => void,
): Promise<Candidate[]> {
  if (candidates.length === 0) return []
  const input = candidates.map(({ oid }) => `${oid}^{commit}\n`).join('')
  const lines = (await view.must(['cat-file', '--batch-check=%(objecttype) %(objectname)'], { input })).split('\n')
  return candidates.flatMap((candidate, at) => {
    const oid = /^commit ([0-9a-f]+)$/.exec(lines[at] ?? '')?.[1]
    if (oid) return [{ ...candidate, oid }]
    // A file in place of a tag or a note is nothing that is ahead of anything; git collects what is left behind.
    if (!candidate.onlyUnreached) missing(candidate.name)
    return []
  })
}

/** Commits that are not in the base, with their parents. */
export type History = ReadonlyMap<string, readonly string[]>

const COMMITS_MAX = 200_000

/** Those that cannot be walked to their beginning are told to `broken` and have no part in it. */
export async function historyOf(
  view: View,
  tips: readonly string[],
  baseCommit: string,
  broken: (oid: string) => void,
): Promise<History> {
  const walk = (some: readonly string[]) =>
    view.run(['rev-list', '--parents', `--max-count=${COMMITS_MAX}`, '--stdin'], {
      input: `${[...some, `^${baseCommit}`].join('\n')}\n`,
    })
  const whole = await walk(tips)
  if (whole.exitCode === 0) return parents(whole.stdout)
  const found = new Map<string, readonly string[]>()
  for (const tip of tips) {
    const one = await walk([tip])
    if (one.exitCode === 0) for (const [oid, before] of parents(one.stdout)) found.set(oid, before)
    else broken(tip)
  }
  return found
}

function parents(text: string): Map<string, string[]> {
  const lines = text.split('\n').filter(line => line !== '')
  return new Map(lines.map(line => line.split(' ')).map(([oid = '', ...before]) => [oid, before]))
}

/** How many of its commits a tip reaches; marks them in `seen`. */
export function reach(history: History, tip: string, seen = new Set<string>()): number {
  const before = seen.size
  const next = [tip]
  for (let oid = next.pop(); oid !== undefined; oid = next.pop()) {
    const known = history.get(oid)
    if (known === undefined || seen.has(oid)) continue
    seen.add(oid)
    next.push(...known)
  }
  return seen.size - before
}

/** Leaves out those whose commits are all held by what is `known`, by a surer candidate, or by a newer one of its like. */
export function worthwhile(history: History, candidates: readonly Candidate[], known: readonly string[]): Candidate[] {
  const seen = new Set<string>()
  for (const oid of known) reach(history, oid, seen)
  for (const { oid, onlyUnreached } of candidates) if (!onlyUnreached) reach(history, oid, seen)
  // A commit that another candidate builds on comes with it.
  const unsure = candidates.filter(({ onlyUnreached }) => onlyUnreached)
  const beneath = new Set<string>()
  for (const { oid } of unsure) for (const before of history.get(oid) ?? []) reach(history, before, beneath)
  const taken = new Set<string>()
  return candidates.filter(({ oid, onlyUnreached }) => {
    if (!onlyUnreached) return true
    const isNew = history.has(oid) && !seen.has(oid) && !beneath.has(oid) && !taken.has(oid)
    taken.add(oid)
    return isNew
  })
}

const latin1 = (text: string) => Buffer.from(text).toString('latin1')
const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8')
