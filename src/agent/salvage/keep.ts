/**
 * Taking a result into the salvage repository, and out of it as a bundle. In by a fetch: it copies what is reachable,
 * computes every id anew, checks every object, and refuses a ref of which something is missing. So what is kept needs
 * nothing of the agent's any more.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { git, gitOutput } from '../../platform/git.ts'
import type { Agent } from '../agent.ts'
import { Refusal } from '../errors.ts'
import { salvageRepository, scratchFolder, type Workspace } from '../workspaces/workspace.ts'
import { besidePrefixes, logRef, sessionRef } from './listing.ts'
import { GitFailure, type View } from './view.ts'

export interface Keeper {
  /** Throws when not all of it is sound. */
  keep(view: View, refs: ReadonlyMap<string, string>): Promise<void>
  /** Gives the names of those that cannot be kept. */
  keepSound(view: View, refs: ReadonlyMap<string, string>): Promise<Set<string>>
  /** Removes every ref of a result. */
  clear(ref: string): Promise<void>
  refsOf(ref: string): Promise<Map<string, string>>
  run: ReturnType<typeof gitIn>
}

export function openKeeper(repository: string, timeoutMs: number, signal: AbortSignal): Keeper {
  const run = gitIn(repository, timeoutMs, signal)
  const refsOf = async (ref: string) => {
    const all = [ref, logRef(ref), sessionRef(ref), ...besidePrefixes(ref)]
    const listed = await run(['for-each-ref', '--format=%(refname) %(objectname)', '--', ...all])
    const lines = listed.stdout.split('\n').filter(line => line !== '')
    return new Map(lines.map(line => line.split(' ') as [string, string]))
  }
  const keep = async (view: View, refs: ReadonlyMap<string, string>) => {
    const pairs = [...refs]
    if (pairs.length === 0) return
    const tips = pairs.map((_, at) => `refs/tip/${at}`)
    await view.must(['update-ref', '--stdin', '-z'], {
      input: pairs.map(([, oid], at) => `update ${tips[at]}\0${oid}\0\0`).join(''),
    })
    const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
    const specs = pairs.map(([ref], at) => `+${tips[at]}:${ref}`)
    const fetched = await run(
      [...['-c', 'transfer.fsckObjects=true', 'fetch', ...flags, '--stdin', '--', view.repository]],
      `${specs.join('\n')}\n`,
    )
    gitOutput('fetch', fetched, message => new GitFailure(message))
  }
  return {
    run,
    refsOf,
    keep,
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
      const input = [...(await refsOf(ref)).keys()].map(name => `delete ${name}\0\0`).join('')
      if (input !== '') await run(['update-ref', '--stdin', '-z'], input)
    },
  }
}

export function gitIn(repository: string, timeoutMs: number, signal: AbortSignal) {
  return (args: readonly string[], input?: string) =>
    git(args, {
      cwd: repository,
      env: { GIT_DIR: repository },
      timeoutMs,
      signal,
      encoding: 'latin1',
      ...(input === undefined ? {} : { input: Buffer.from(input, 'latin1') }),
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
  const { run, refsOf } = openKeeper(salvageRepository(workspace), BUNDLE_MS, workspace.leaving.signal)
  const refs = await refsOf(ref)
  if (!refs.has(ref)) throw new Refusal('not_found', `workspace ${workspace.id} has nothing salvaged as ${ref}`)
  const less = (await commitsOf(run, have)).map(oid => `^${oid}`)
  if (await isReached(run, [...refs.values()], less)) return null
  const folder = scratchFolder(workspace)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `bundle-${agent.world.random.bytes(6).toString('hex')}`)
  const input = [...refs.keys(), ...less].join('\n')
  const made = await run(['bundle', 'create', '--quiet', file, '--stdin'], `${input}\n`)
  gitOutput('bundle', made, message => new Refusal('internal', message))
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
