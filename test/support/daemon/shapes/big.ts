/**
 * Repositories as large as public ones are, made by `git fast-import` from a seed: many files that no compressor makes smaller,
 * in many folders, and a history in which some of them change by a line, so that their packs have deltas as real ones do.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'

export interface BigShape {
  files: number
  /** Of each file at first, in bytes; none of it can be compressed. */
  fileBytes: number
  commits: number
  /** Files that each commit after the first changes. */
  changedFiles: number
}

const FILES = 100_000
/** Their packs, in bytes, with the history. */
export const BIG = {
  '130 MB': { files: FILES, fileBytes: 1_050, commits: 4_000, changedFiles: 40 },
  '300 MB': { files: FILES, fileBytes: 2_750, commits: 4_000, changedFiles: 40 },
} satisfies Record<string, BigShape>

const FOLDER_FILES = 100
const FOLDERS_CHANGED = 4
const BATCH_BYTES = 4 * 1024 * 1024
const IDENTITY = 'you <you@localhost>'
/** Of the first commit, in seconds; each later one is a minute after. */
const BEGAN = 1_700_000_000

/** A repository in `dir` with its files checked out. The same seed gives the same commits. */
export async function makeBigRepository(dir: string, shape: BigShape, seed = 1): Promise<void> {
  mkdirSync(dir, { recursive: true })
  const git = (...args: string[]) => execFileSync('git', args, { cwd: dir })
  git('init', '--quiet', '--initial-branch=main')
  const importing = spawn('git', ['fast-import', '--quiet', '--done', '--big-file-threshold=1m'], {
    cwd: dir,
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = once(importing, 'exit')
  await write(importing.stdin, stream(shape, seed))
  const [code] = await ended
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
  git('reset', '--quiet', '--hard', 'main')
}

/** All packs of it, in bytes. */
export function packBytesOf(dir: string): number {
  const packs = path.join(dir, '.git', 'objects', 'pack')
  return readdirSync(packs).reduce((sum, name) => sum + statSync(path.join(packs, name)).size, 0)
}

async function write(to: Writable, pieces: Iterable<Buffer>): Promise<void> {
  let batch: Buffer[] = []
  let bytes = 0
  for (const piece of pieces) {
    batch.push(piece)
    bytes += piece.length
    if (bytes < BATCH_BYTES) continue
    if (!to.write(Buffer.concat(batch))) await once(to, 'drain')
    batch = []
    bytes = 0
  }
  to.end(Buffer.concat(batch))
  await finished(to)
}

/** git-fast-import(1). Versions of a file follow each other, since a blob can only be a delta of the one before it. */
function* stream({ files, fileBytes, commits, changedFiles }: BigShape, seed: number): Generator<Buffer> {
  const random = generator(seed)
  const versions = new Map<number, { commit: number; mark: number }[]>()
  let mark = 0
  // As people work: in few folders at a time.
  const changes = Array.from({ length: commits - 1 }, () => {
    const folders = Array.from({ length: FOLDERS_CHANGED }, () => Math.floor((random() * files) / FOLDER_FILES))
    return Array.from(
      { length: changedFiles },
      (_, at) => (folders[at % FOLDERS_CHANGED] ?? 0) * FOLDER_FILES + Math.floor(random() * FOLDER_FILES),
    )
  })
  for (const [at, changed] of changes.entries()) {
    for (const file of new Set(changed))
      versions.set(file, [...(versions.get(file) ?? []), { commit: at + 1, mark: 0 }])
  }
  const first: number[] = []
  for (let file = 0; file < files; file++) {
    let content = contentOf(random, fileBytes)
    first.push(++mark)
    yield blob(mark, content)
    for (const version of versions.get(file) ?? []) {
      content = Buffer.concat([content, Buffer.from(`changed in ${version.commit}\n`)])
      version.mark = ++mark
      yield blob(mark, content)
    }
  }
  const byCommit = new Map<number, string[]>()
  for (const [file, all] of versions) {
    for (const { commit, mark } of all) byCommit.set(commit, [...(byCommit.get(commit) ?? []), entry(file, mark)])
  }
  yield commit(
    0,
    first.map((mark, file) => entry(file, mark)),
  )
  for (let at = 1; at < commits; at++) yield commit(at, byCommit.get(at) ?? [])
  yield Buffer.from('done\n')
}

const blob = (mark: number, content: Buffer) =>
  Buffer.concat([Buffer.from(`blob\nmark :${mark}\ndata ${content.length}\n`), content, Buffer.from('\n')])

const entry = (file: number, mark: number) => `M 100644 :${mark} ${nameOf(file)}\n`

const commit = (at: number, entries: readonly string[]) =>
  Buffer.from(
    `commit refs/heads/main\ncommitter ${IDENTITY} ${BEGAN + at * 60} +0000\ndata <<EOM\ncommit ${at}\nEOM\n${entries.join('')}\n`,
  )

/** Two levels of folders with a hundred entries each. */
function nameOf(file: number): string {
  const folder = Math.floor(file / FOLDER_FILES)
  return `src/part-${Math.floor(folder / FOLDER_FILES)}/folder-${folder % FOLDER_FILES}/file-${file % FOLDER_FILES}.txt`
}

/** A line of text and bytes that no compressor makes smaller. */
function contentOf(random: () => number, bytes: number): Buffer {
  const content = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) content.writeUInt32LE(Math.floor(random() * 2 ** 32), at)
  return Buffer.concat([content, Buffer.from('\n')])
}

/** Uniform in [0, 1): xorshift32. */
function generator(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}

/** Ten commits of a line each. */
export function commitTen(dir: string, word: string): void {
  for (let at = 0; at < 10; at++) {
    appendFileSync(path.join(dir, nameOf(at)), `${word} ${at}\n`)
    const who = ['-c', 'user.name=you', '-c', 'user.email=you@localhost', '-c', 'gc.auto=0']
    execFileSync('git', [...who, 'commit', '--quiet', '--all', '--message', `${word} ${at}`], { cwd: dir })
  }
}

/** A shell script that changes so many files, each in another folder. */
export const changing = (count: number) =>
  `for n in $(seq 0 ${count - 1}); do echo changed >> src/part-$((n / 100))/folder-$((n % 100))/file-0.txt; done`
