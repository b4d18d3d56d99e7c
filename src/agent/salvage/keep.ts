/**
 * Taking a result into the salvage repository. By a fetch: it copies what is reachable, computes every id anew, checks
 * every object, and refuses a ref of which something is missing. So what is kept needs nothing of the agent's any more.
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { git, gitOutput } from '../../platform/git.ts'
import { headsRefs, stashRefs } from './listing.ts'
import { GitFailure, type View } from './view.ts'

export interface Keeper {
  /** Throws when not all of it is sound. */
  keep(view: View, oid: string, ref: string): Promise<void>
  keepAll(view: View, refs: ReadonlyMap<string, string>): Promise<string[]>
  drop(refs: readonly string[]): Promise<void>
  refsOf(ref: string): Promise<string[]>
  run: ReturnType<typeof gitIn>
}

export function openKeeper(repository: string, timeoutMs: number, signal: AbortSignal): Keeper {
  const run = gitIn(repository, timeoutMs, signal)
  const fetch = async (view: View, refs: readonly [string, string][]) => {
    const tips = refs.map((_, at) => `refs/tip/${at}`)
    await view.must(['update-ref', '--stdin', '-z'], {
      input: refs.map(([oid], at) => `update ${tips[at]}\0${oid}\0\0`).join(''),
    })
    const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
    const specs = refs.map(([, ref], at) => `+${tips[at]}:${ref}`)
    const fetched = await run(
      [...['-c', 'transfer.fsckObjects=true', 'fetch', ...flags, '--stdin', '--', view.repository]],
      `${specs.join('\n')}\n`,
    )
    gitOutput('fetch', fetched, message => new GitFailure(message))
  }
  return {
    run,
    keep: (view, oid, ref) => fetch(view, [[oid, ref]]),
    /** Gives the names of those that cannot be kept. */
    keepAll: async (view, refs) => {
      const pairs = [...refs].map(([ref, oid]): [string, string] => [oid, ref])
      if (pairs.length === 0) return []
      try {
        await fetch(view, pairs)
        return []
      } catch {
        const lost: string[] = []
        for (const pair of pairs) await fetch(view, [pair]).catch(() => lost.push(pair[1]))
        return lost
      }
    },
    drop: async refs => {
      const input = refs.map(ref => `delete ${ref}\0\0`).join('')
      if (refs.length > 0) await run(['update-ref', '--stdin', '-z'], input)
    },
    refsOf: async ref => {
      const all = [ref, `${ref}-log`, `${ref}-session`, `${headsRefs(ref)}/`, `${stashRefs(ref)}/`]
      const listed = await run(['for-each-ref', '--format=%(refname)', '--', ...all])
      return listed.stdout.split('\n').filter(name => name !== '')
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
