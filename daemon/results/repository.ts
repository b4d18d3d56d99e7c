/** One bare repository for each source: made when first needed, written to by one at a time, never with foreign settings. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { moveDurable } from '../../src/platform/files.ts'
import { type GitOptions, git, gitOutput } from '../../src/platform/git.ts'
import { unpackBundle } from '../../src/platform/objects/bundle.ts'
import type { RunResult } from '../../src/platform/run.ts'
import { createBare, type Snapshots } from '../../src/store/blobs/snapshots.ts'

/** Everything that comes in is on disk before a ref names it. */
const CAREFUL = ['-c', 'core.fsync=all', '-c', 'core.logAllRefUpdates=false']

export interface Repository {
  dir: string
  /** Runs git in it; throws RESULT_BROKEN with git's own words when it fails. */
  must(args: readonly string[], options?: Partial<GitOptions>): Promise<string>
  may(args: readonly string[], options?: Partial<GitOptions>): Promise<RunResult>
  /** Lets the objects of a bundle in and answers the refs that it names: see `unpackBundle`. Throws RESULT_BROKEN. */
  unpack(file: string): Promise<ReadonlyMap<string, string>>
  /** Runs `act` alone: whoever writes to the repository waits for its turn. */
  alone<T>(act: () => Promise<T>): Promise<T>
  /** Runs `act`, or waits for the one with the same key that runs. */
  shared(key: string, act: () => Promise<void>): Promise<void>
  /** What its refs name is durable wherever the state is when this resolves. Not within `alone`. */
  save(): Promise<void>
}

export interface Repositories {
  /**
   * The repository of a source, for objects with names of so many characters: 40 as of SHA-1, 64 as of SHA-256. Without
   * a length: the one that is there.
   */
  open(source: string, oidLength?: number): Promise<Repository>
  /** Whether it is there already. */
  has(source: string, oidLength: number): Promise<boolean>
  /** Every one that is there. */
  all(): Promise<Repository[]>
  /**
   * Removes those that were opened last before `before`, Unix ms, and hold no result, but not that of a source in `needed`,
   * which counts as used now. Answers how many.
   */
  removeUnused(before: number, needed: () => readonly string[]): Promise<number>
}

/** `saved` where the state lives elsewhere; null: what is in `folder` is all there is. */
export function repositories(folder: string, saved: Snapshots | null = null): Repositories {
  const known = new Map<string, Promise<Repository>>()

  const names = () =>
    (existsSync(folder) ? readdirSync(folder) : []).flatMap(
      entry => /^([0-9a-f]{16}(?:-sha256)?)\.git$/.exec(entry)?.[1] ?? [],
    )

  function opened(name: string): Promise<Repository> {
    const before = known.get(name)
    if (before) return before
    const format = name.endsWith('-sha256') ? 'sha256' : 'sha1'
    const fresh = openRepository(path.join(folder, `${name}.git`), format, { name, saved })
    known.set(name, fresh)
    fresh.catch(() => known.delete(name))
    return fresh
  }

  async function has(source: string, oidLength: number): Promise<boolean> {
    const name = nameOf(source, oidLength)
    return existsSync(path.join(folder, `${name}.git`)) || ((await saved?.isThere(name)) ?? false)
  }

  async function open(source: string, oidLength?: number): Promise<Repository> {
    const length = oidLength ?? ((await has(source, SHA256_LENGTH)) ? SHA256_LENGTH : SHA1_LENGTH)
    const repository = await opened(nameOf(source, length))
    // Its time says when the repository was used last.
    writeFileSync(path.join(repository.dir, MARK), '')
    return repository
  }

  async function removeUnused(before: number, needed: () => readonly string[]): Promise<number> {
    let keep: Set<string> | undefined
    let removed = 0
    for (const name of names()) {
      const dir = path.join(folder, `${name}.git`)
      if (isInUse(dir, before)) continue
      const listed = await git(['--git-dir', dir, 'for-each-ref', '--count=1', ...RESULTS], { cwd: dir })
      if (listed.exitCode !== 0 || listed.stdout !== '') continue
      // All tasks are looked through for it: only where something would go, and not again for it soon.
      keep ??= new Set(needed().flatMap(source => [SHA1_LENGTH, SHA256_LENGTH].map(length => nameOf(source, length))))
      if (keep.has(name)) writeFileSync(path.join(dir, MARK), '')
      // Between this look and the move nothing else runs.
      if (isInUse(dir, before)) continue
      moveDurable(dir, `${dir}.unused`)
      known.delete(name)
      await saved?.remove(name)
      await rm(`${dir}.unused`, { recursive: true, force: true })
      removed += 1
    }
    return removed
  }

  return { open, has, removeUnused, all: () => Promise.all(names().map(opened)) }
}

const MARK = 'tdf-used'
const RESULTS = ['refs/tdf', 'refs/tdf-checkpoint']

/** Of the names of objects, in characters. */
const SHA1_LENGTH = 40
const SHA256_LENGTH = 64

const nameOf = (source: string, oidLength: number) =>
  createHash('sha256').update(source).digest('hex').slice(0, 16) + (oidLength === SHA256_LENGTH ? '-sha256' : '')

/** One of an older version has no mark: its own time counts. */
function isInUse(dir: string, before: number): boolean {
  const mark = path.join(dir, MARK)
  return statSync(existsSync(mark) ? mark : dir).mtimeMs >= before
}

async function openRepository(
  dir: string,
  format: 'sha1' | 'sha256',
  { name, saved }: { name: string; saved: Snapshots | null },
): Promise<Repository> {
  if (!existsSync(path.join(dir, 'HEAD'))) await createBare(dir, format)
  let turn: Promise<unknown> = Promise.resolve()
  const acts = new Map<string, Promise<void>>()

  const may: Repository['may'] = (args, options = {}) =>
    git([...CAREFUL, '--git-dir', dir, ...args], { cwd: dir, ...options })

  const repository: Repository = {
    dir,
    may,
    async must(args, options) {
      return gitOutput(`${args[0]} in the repository of results`, await may(args, options), broken)
    },
    unpack: file => unpackBundle(file, { objects: path.join(dir, 'objects'), git: may }),
    alone(act) {
      const mine = turn.then(act, act)
      turn = mine.catch(() => {})
      return mine
    },
    shared(key, act) {
      const mine = acts.get(key) ?? act().finally(() => acts.delete(key))
      acts.set(key, mine)
      return mine
    },
    async save() {
      if (saved) await repository.alone(() => saved.save(name, repository))
    },
  }
  await saved?.restore(name, repository)
  return repository
}

const broken = (message: string) => new TdfError('RESULT_BROKEN', message)
