/**
 * The repository that salvage works in: made for one salvage, with a configuration of its own, borrowing objects from
 * the pristine copy and from what the agent left. New objects are made here; what is to stay is then packed into the
 * salvage repository, which checks every object of it. The agent's own configuration is never read.
 */
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { BOUNDED_CONFIG, type GitOptions, git, gitOutput } from '../../platform/git.ts'
import type { RunResult } from '../../platform/run.ts'
import { type Boundary, type GitFolder, objectFolders, objectParts, plainFilesInside } from './untrusted.ts'

export interface View {
  repository: string
  boundary: Boundary
  oidLength: number
  run(args: readonly string[], options?: ViewOptions): Promise<RunResult>
  /** The same, but throws when git fails. */
  must(args: readonly string[], options?: ViewOptions): Promise<string>
  /** Lets git find the objects of a repository within the work tree. */
  addAlternates(folder: GitFolder): void
  /** A path in UTF-8 for a folder whose name may not be, since neither arguments nor variables can hold that. */
  linkTo(folder: Buffer): string
  newIndex(): string
}

export interface ViewOptions {
  tree?: string
  index?: string
  input?: string | Readable
  env?: Record<string, string>
  /** Adds stdout to the end of this file instead of answering it. */
  appendTo?: string
}

export class GitFailure extends Error {}

const LIST_BYTES_MAX = 256 * 1024 * 1024

/**
 * Also for the processes that git starts on its own, which do not get what stands on its command line. What is made here
 * goes with the view: it is neither made small nor flushed to the disk.
 */
const CONFIG = `[core]
	repositoryFormatVersion = 1
	bare = true
	commitGraph = false
	multiPackIndex = false
	fsmonitor = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	excludesFile = /dev/null
	autocrlf = false
	untrackedCache = false
	fsync = none
	looseCompression = 0
[gc]
	auto = 0
[maintenance]
	auto = false
[fastimport]
	unpackLimit = 0
`

export interface ViewPlace {
  folder: string
  /** Where files of the agent's may be read. */
  boundary: Boundary
  mirror: string
  oidLength: number
  timeoutMs: number
  signal: AbortSignal
}

export function openView(place: ViewPlace): View {
  const { folder, oidLength, boundary } = place
  const repository = join(folder, 'view.git')
  for (const name of ['objects/info', 'refs/heads']) mkdirSync(join(repository, name), { recursive: true, mode: 0o700 })
  writeFileSync(join(repository, 'HEAD'), 'ref: refs/heads/none\n')
  const format = oidLength === 64 ? '[extensions]\n\tobjectFormat = sha256\n' : ''
  writeFileSync(join(repository, 'config'), CONFIG + BOUNDED_CONFIG + format)
  const alternates = join(repository, 'objects', 'info', 'alternates')
  writeFileSync(alternates, `${join(place.mirror, 'objects')}\n`)

  let count = 0
  const next = (kind: string) => join(folder, `${kind}-${count++}`)
  const run = (args: readonly string[], options: ViewOptions = {}) => git(args, gitOptions(place, repository, options))
  return {
    repository,
    boundary,
    oidLength,
    run,
    must: async (args, options) =>
      gitOutput(args[0] ?? '', await run(args, options), message => new GitFailure(message)),
    addAlternates: gitFolder => {
      for (const objects of objectFolders(boundary, gitFolder)) {
        const borrowed = next('objects')
        mkdirSync(borrowed, { mode: 0o700 })
        for (const part of objectParts(boundary, objects)) borrow(boundary, join(objects, part), join(borrowed, part))
        appendFileSync(alternates, `${borrowed}\n`)
      }
    },
    linkTo: target => {
      const link = next('tree')
      symlinkSync(target, link)
      return link
    },
    newIndex: () => next('index'),
  }
}

/** Objects are files: a link among them would have us read, as who we are, what the agent itself may not. */
function borrow(boundary: Boundary, from: string, to: string): void {
  const { files, isPure } = plainFilesInside(boundary, from)
  if (isPure) return symlinkSync(from, to)
  mkdirSync(to, { mode: 0o700 })
  for (const name of files) symlinkSync(join(from, name), join(to, name))
}

function gitOptions(place: ViewPlace, repository: string, options: ViewOptions): GitOptions {
  return {
    cwd: options.tree ?? place.folder,
    timeoutMs: place.timeoutMs,
    signal: place.signal,
    encoding: 'latin1',
    outputBytesMax: LIST_BYTES_MAX,
    env: {
      GIT_DIR: repository,
      ...(options.tree === undefined ? {} : { GIT_WORK_TREE: options.tree }),
      ...(options.index === undefined ? {} : { GIT_INDEX_FILE: options.index }),
      ...options.env,
    },
    ...(options.appendTo === undefined ? {} : { outputFile: options.appendTo, appends: true }),
    ...(options.input === undefined ? {} : { input: bytesOf(options.input) }),
  }
}

const bytesOf = (input: string | Readable) => (typeof input === 'string' ? Buffer.from(input, 'latin1') : input)
