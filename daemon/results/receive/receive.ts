/** Refs of one salvage, as a node's bundle names them, in our repository: once every object is here, all names at once. */
import { TdfError } from '../../../src/core/errors.ts'
import { filesRefOf, notHome, type SavedRef } from '../../../src/core/saved.ts'
import type { Salvaged } from '../../../src/protocol/salvage.ts'
import type { Repository } from '../repository.ts'

/** Refs that stand beside a result, by what follows its name. */
const BESIDE = /^-(?:heads|stash|worktrees|others)\/./
/** The output, the conversation, artifacts, and the content of files in Git LFS. */
const TALK = /^-(?:log|session|files|large)$/
/** The rules of git-check-ref-format(1) that a name of ours could break. */
const UNSAFE = /\p{Cc}|[ ~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/u

/**
 * Names `ref`, and what was saved beside it, once all of it is here, and with it what `more` names; `came` is what the
 * unpacked bundle names, if one came. What has the same name from before and is another commit moves to a name of its own: nothing that was at home goes. Answers all
 * that is at home beside `ref`. Throws RESULT_BROKEN.
 */
export async function receiveRefs(
  repository: Repository,
  ref: string,
  saved: Salvaged,
  came: ReadonlyMap<string, string>,
  earlier: readonly SavedRef[] = [],
  more: ReadonlyMap<string, string> = new Map(),
): Promise<SavedRef[]> {
  const refs = named(ref, saved, came)
  const [before] = await Promise.all([
    refsUnder(repository, ref),
    assertCommits(repository, [...refs.values(), saved.baseCommit]),
  ])
  const moved = new Map<string, string>()
  for (const [name, oid] of before) {
    const collides = [...refs.keys()].some(
      fresh =>
        (fresh === name && refs.get(name) !== oid) || fresh.startsWith(`${name}/`) || name.startsWith(`${fresh}/`),
    )
    const isMoved = BESIDE.test(name.slice(ref.length)) || name === filesRefOf(ref)
    if (collides && isMoved) moved.set(name, aside(ref, name, oid))
  }
  await moveRefs(
    repository,
    [...moved].map(([from, to]) => ({ from, to, oid: before.get(from) ?? '' })),
  )
  const lines = [...refs, ...more].map(([name, oid]) => `update ${name} ${oid}`)
  await repository.must(['update-ref', '--stdin'], { input: `${lines.join('\n')}\n` })
  return besideOf(
    ref,
    saved,
    refs,
    earlier.map(one => ({ ...one, ref: moved.get(one.ref) ?? one.ref })),
  )
}

/** What the node named and what its bundle named, as far as it belongs to this result. */
function named(ref: string, saved: Salvaged, came: ReadonlyMap<string, string>): Map<string, string> {
  const refs = new Map([[ref, saved.commit]])
  if (saved.files) refs.set(filesRefOf(ref), saved.files.commit)
  for (const one of saved.saved) if (isBeside(ref, one.ref)) refs.set(one.ref, one.commit)
  for (const [name, oid] of came) {
    const suffix = name.slice(ref.length)
    const known = refs.get(name)
    if (known !== undefined && known !== oid) {
      throw new TdfError('RESULT_BROKEN', `the bundle holds ${oid}, the agent spoke of ${known}`)
    }
    if (name === ref + suffix && (TALK.test(suffix) || isBeside(ref, name))) refs.set(name, oid)
  }
  return refs
}

const isBeside = (ref: string, name: string) =>
  name.startsWith(ref) && BESIDE.test(name.slice(ref.length)) && !UNSAFE.test(name)

const aside = (ref: string, name: string, oid: string) =>
  `${ref}-others/earlier-${oid.slice(0, 12)}/${name.slice(ref.length + 1)}`

async function moveRefs(repository: Repository, moves: readonly { from: string; to: string; oid: string }[]) {
  if (moves.length === 0) return
  const input = (line: (move: (typeof moves)[number]) => string) => `${moves.map(line).join('\n')}\n`
  await repository.must(['update-ref', '--stdin'], { input: input(({ to, oid }) => `update ${to} ${oid}`) })
  await repository.must(['update-ref', '--stdin'], { input: input(({ from }) => `delete ${from}`) })
}

/** In the node's words where it has some; a ref that only its bundle names speaks for itself. */
function besideOf(
  ref: string,
  saved: Salvaged,
  refs: ReadonlyMap<string, string>,
  earlier: readonly SavedRef[],
): SavedRef[] {
  const all = new Map(earlier.map(one => [one.ref, one]))
  for (const [name, commit] of refs) {
    const suffix = name.slice(ref.length)
    if (!BESIDE.test(suffix)) continue
    const [, kind = '', rest = ''] = /^-(\w+)\/(.+)$/.exec(suffix) ?? []
    const said = saved.saved.find(one => one.ref === name)
    all.set(name, said ?? { ref: name, name: rest, kind: KINDS[kind] ?? 'branch', commit, ahead: 0 })
  }
  return [...all.values()]
}

const KINDS: Record<string, SavedRef['kind']> = { stash: 'stash', worktrees: 'worktree' }

/** Throws RESULT_BROKEN when one of them is not here. */
export async function assertCommits(repository: Repository, oids: readonly string[]): Promise<void> {
  const input = `${[...new Set(oids)].map(oid => `${oid}^{commit}`).join('\n')}\n`
  const checked = await repository.must(['cat-file', '--batch-check=%(objecttype)'], { input })
  const lines = checked.split('\n')
  const missing = [...new Set(oids)].find((_, at) => lines[at] !== 'commit')
  if (missing !== undefined) throw new TdfError('RESULT_BROKEN', `commit ${missing} did not come home`)
}

/** The ref itself and what stands beside it. */
export async function refsUnder(repository: Repository, ref: string): Promise<Map<string, string>> {
  const patterns = [ref, `${ref}-*`, `${ref}-*/**`]
  const listed = await repository.must(['for-each-ref', '--format=%(refname) %(objectname)', ...patterns])
  const lines = listed.split('\n').filter(Boolean)
  return new Map(lines.map(line => line.split(' ') as [string, string]))
}

/** What is still only in the workspace, by name; see `notHome`. */
export async function missingFrom(repository: Repository, ref: string, saved: Salvaged): Promise<string[]> {
  return notHome(saved, ref, await refsUnder(repository, ref))
}
