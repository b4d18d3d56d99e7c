/**
 * Taking a result into the salvage repository, and out of it as a bundle. In as a pack that git checks object by object:
 * each id is computed anew, and all that an object links to has to be here. What is here is whole, and so what is kept
 * needs nothing of the agent's any more. The pack is that of a bundle, which is what is asked for next.
 */
import { closeSync, createReadStream, existsSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { filesRefOf } from '../../core/saved.ts'
import { largeOf } from '../../core/source.ts'
import { git, gitOutput } from '../../platform/git.ts'
import type { Agent } from '../agent.ts'
import { Refusal } from '../errors.ts'
import { salvageRepository, scratchFolder, type Workspace } from '../workspaces/workspace.ts'
import { readAgentRefs } from './agent-refs.ts'
import { besidePrefixes, logRef, sessionRef } from './listing.ts'
import { boundaryOf } from './untrusted.ts'
import { GitFailure, type View } from './view.ts'

export type Refs = ReadonlyMap<string, string>

export interface Keeper {
  /** Throws when not all of it is sound. */
  keep(view: View, refs: Refs): Promise<void>
  /** The same for all refs of a result at once, whose bundle is ready then. */
  keepWhole(view: View, refs: Refs): Promise<void>
  /** Gives the names of those that cannot be kept. */
  keepSound(view: View, refs: Refs): Promise<Set<string>>
  /** Removes every ref of a result. */
  clear(ref: string): Promise<void>
  refsOf(ref: string): Map<string, string>
  run: ReturnType<typeof gitIn>
}

export function openKeeper(workspace: Workspace, timeoutMs: number, signal: AbortSignal): Keeper {
  const repository = salvageRepository(workspace)
  const run = gitIn(repository, timeoutMs, signal)
  const refsOf = (ref: string) => {
    const [all, prefixes] = [[ref, logRef(ref), sessionRef(ref), filesRefOf(ref), largeOf(ref)], besidePrefixes(ref)]
    const isOf = (name: string) => all.includes(name) || prefixes.some(prefix => name.startsWith(prefix))
    return new Map([...refsIn(workspace)].filter(([name]) => isOf(name)))
  }
  const take = async (view: View, refs: Refs, less: readonly string[], file: string) => {
    const { objects, from } = await pack(view, refs, less, file)
    if (objects > 0) {
      // What a thin pack builds on is written beside it once more, for as long as the workspace lives.
      const check = ['-c', 'core.compression=0', 'index-pack', '--stdin', '--fix-thin', '--strict']
      const taken = await run(check, createReadStream(file, { start: from }))
      gitOutput('index-pack', taken, message => new GitFailure(message))
    }
    // Of an object that is not here it makes no ref.
    const input = [...refs].map(([ref, oid]) => `update ${ref}\0${oid}\0\0`).join('')
    gitOutput('update-ref', await run(['update-ref', '--stdin', '-z'], input), message => new GitFailure(message))
    return objects
  }
  const keep = async (view: View, refs: Refs) => {
    if (refs.size === 0) return
    const less = await commitsOf(run, [...new Set(refsIn(workspace).values())])
    await take(view, refs, less, join(view.repository, 'result.bundle'))
  }
  return {
    ...{ run, refsOf, keep },
    keepWhole: async (view, refs) => {
      const less = [...new Set(refsIn(workspace).values())]
      const file = join(scratchFolder(workspace), `${basename(dirname(dirname(view.repository)))}.bundle`)
      const objects = await take(view, refs, less, file).catch(error => {
        rmSync(file, { force: true })
        throw error
      })
      if (objects === 0) rmSync(file, { force: true })
      setReady(workspace, { file: objects > 0 ? file : null, refs, less })
    },
    keepSound: async (view, refs) => {
      try {
        await keep(view, refs)
        return new Set()
      } catch {
        const lost = new Set<string>()
        for (const [ref, oid] of refs) await keep(view, new Map([[ref, oid]])).catch(() => lost.add(ref))
        return lost
      }
    },
    clear: async ref => {
      const input = [...refsOf(ref).keys()].map(name => `delete ${name}\0\0`).join('')
      if (input !== '') await run(['update-ref', '--stdin', '-z'], input)
    },
  }
}

/** Read as files: nobody but us writes to them while one of us works on the workspace. */
function refsIn(workspace: Workspace): Refs {
  const repository = salvageRepository(workspace)
  if (!existsSync(repository)) return new Map()
  const folder = { own: repository, shared: repository }
  return readAgentRefs(boundaryOf(repository), folder, (workspace.record.baseCommit ?? '').length).all
}

/** Writes a bundle of what `refs` reach and `less` do not. Where its pack begins, and how many objects it has. */
async function pack(view: View, refs: Refs, less: readonly string[], file: string) {
  const lines = [...less.map(oid => `-${oid}`), ...[...refs].map(([ref, oid]) => `${oid} ${ref}`)]
  const format = view.oidLength === 64 ? '# v3 git bundle\n@object-format=sha256\n' : '# v2 git bundle\n'
  const header = Buffer.from(`${format}${lines.join('\n')}\n\n`, 'latin1')
  writeFileSync(file, header, { mode: 0o600 })
  const input = [...new Set(refs.values()), ...less.map(oid => `^${oid}`)].map(line => `${line}\n`).join('')
  // What a file was before stands next to it: to look further costs twice the time.
  const flags = ['--quiet', '--revs', '--thin', '--window=3', '--delta-base-offset', '--stdout']
  await view.must(['pack-objects', ...flags], { input, appendTo: file })
  return { from: header.length, objects: countObjects(file, header.length) }
}

/** As the header of the pack says (gitformat-pack(5)). */
function countObjects(path: string, from: number): number {
  const head = Buffer.alloc(12)
  const file = openSync(path, 'r')
  try {
    if (readSync(file, head, 0, head.length, from) < head.length) throw new GitFailure('git made no pack')
    return head.readUInt32BE(8)
  } finally {
    closeSync(file)
  }
}

export function gitIn(repository: string, timeoutMs: number, signal: AbortSignal) {
  return (args: readonly string[], input?: string | Readable) =>
    git(args, {
      cwd: repository,
      env: { GIT_DIR: repository },
      timeoutMs,
      signal,
      encoding: 'latin1',
      ...(input === undefined ? {} : { input: typeof input === 'string' ? Buffer.from(input, 'latin1') : input }),
    })
}

/** The repository that results are kept in. Its files lie beside the work tree, so its settings are written anew each time. */

const CONFIG = `[core]
	repositoryFormatVersion = 1
	bare = true
	commitGraph = false
	fsmonitor = false
	hooksPath = /dev/null
	attributesFile = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
`

/** Made by the build; here too, for a workspace whose agent destroyed it. */
export function prepareRepository(repository: string, oidLength: number): void {
  for (const name of ['objects', 'refs']) mkdirSync(join(repository, name), { recursive: true, mode: 0o700 })
  for (const name of ['hooks', 'objects/info/alternates', 'info']) {
    rmSync(join(repository, name), { recursive: true, force: true })
  }
  const format = oidLength === 64 ? '[extensions]\n\tobjectFormat = sha256\n' : ''
  writeFileSync(join(repository, 'config'), CONFIG + format)
  if (!existsSync(join(repository, 'HEAD'))) writeFileSync(join(repository, 'HEAD'), 'ref: refs/heads/none\n')
}

/** `GET …/bundle`: what was salvaged under a ref, less what the caller has, as a file that is whole before it is sent. */

const BUNDLE_MS = 10 * 60_000

interface Ready {
  /** Null: nothing of it is new to a caller that has `less`. */
  file: string | null
  refs: Refs
  /** Commits that its pack builds on. */
  less: readonly string[]
}

/** Of the newest salvage; the file is in the scratch folder, and so is gone after a restart, as this is. */
const ready = new WeakMap<Workspace, Ready>()

function setReady(workspace: Workspace, bundle: Ready): void {
  const before = ready.get(workspace)
  if (before?.file) rmSync(before.file, { force: true })
  ready.set(workspace, bundle)
}

/** Given out once, if it is what is asked for. */
function takeReady(workspace: Workspace, refs: Refs, have: readonly string[]): Ready | null {
  const bundle = ready.get(workspace)
  if (!bundle?.less.every(oid => have.includes(oid)) || bundle.refs.size !== refs.size) return null
  if ([...refs].some(([ref, oid]) => bundle.refs.get(ref) !== oid)) return null
  if (bundle.file !== null && !existsSync(bundle.file)) return null
  if (bundle.file !== null) ready.delete(workspace)
  return bundle
}

/**
 * The path of a file for the caller to send and remove; null when REF and every ref beside it are known to the caller.
 * git leaves a ref out of a bundle whose objects the other side has: the answer of the salvage names them all.
 */
export async function writeBundle(
  agent: Agent,
  workspace: Workspace,
  ref: string,
  have: readonly string[],
): Promise<string | null> {
  const { run, refsOf } = openKeeper(workspace, BUNDLE_MS, workspace.leaving.signal)
  const refs = refsOf(ref)
  if (!refs.has(ref)) throw new Refusal('not_found', `workspace ${workspace.id} has nothing salvaged as ${ref}`)
  const made = takeReady(workspace, refs, have)
  if (made) return made.file
  const less = (await commitsOf(run, have)).map(oid => `^${oid}`)
  if (await isReached(run, [...refs.values()], less)) return null
  const folder = scratchFolder(workspace)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `bundle-${agent.world.random.bytes(6).toString('hex')}`)
  const input = [...refs.keys(), ...less].join('\n')
  const bundled = await run(['bundle', 'create', '--quiet', file, '--stdin'], `${input}\n`)
  gitOutput('bundle', bundled, message => new Refusal('internal', message))
  return file
}

type Run = Keeper['run']

/** Those of the caller's ids that are commits here; the others say nothing. */
async function commitsOf(run: Run, have: readonly string[]): Promise<string[]> {
  if (have.length === 0) return []
  const checked = await run(['cat-file', '--batch-check=%(objecttype) %(objectname)'], `${have.join('\n')}\n`)
  return checked.stdout.split('\n').flatMap(line => (line.startsWith('commit ') ? [line.slice('commit '.length)] : []))
}

/** Also when all are ancestors: git makes no bundle of nothing. */
async function isReached(run: Run, commits: readonly string[], less: readonly string[]): Promise<boolean> {
  if (less.length === 0) return false
  const missing = await run(['rev-list', '--max-count=1', '--stdin'], `${[...commits, ...less].join('\n')}\n`)
  return missing.exitCode === 0 && missing.stdout.trim() === ''
}
