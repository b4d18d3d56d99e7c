/** A git source: a full clone of the url, and the commit that its ref names. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asTdfError } from '../../../core/errors.ts'
import { OPEN_UMASK, underUmask } from '../../../platform/files.ts'
import { type GitOptions, git } from '../../../platform/git.ts'
import { type BundleGitOptions, bundleRefs, unpackBundle } from '../../../platform/objects/bundle.ts'
import type { WorkspaceSource } from '../../../protocol/workspace-source.ts'
import type { BuildContext } from '../../agent.ts'
import { printable } from '../report.ts'
import { BuildFailure, bundlePath } from '../workspace.ts'
import { copyKept, GroundLost, keepSource } from './cache.ts'
import { failureText, PATIENCE, SSH, tried } from './server.ts'

/** What a work tree is made of: the commit that it begins from, and the refs of its repository. */
export interface Base {
  commit: string
  refs: ReadonlyMap<string, string>
}

export async function cloneSource(context: BuildContext, source: { url: string; ref: string | null }): Promise<Base> {
  const commit = await cloned(context, source)
  const { tree, signal, agent } = context
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal }
  const listed = await git(['for-each-ref', '--format=%(refname) %(objectname)'], options)
  const lines = listed.stdout.split('\n').filter(line => line !== '')
  return { commit, refs: new Map(lines.map(line => line.split(' ') as [string, string])) }
}

async function cloned(context: BuildContext, source: { url: string; ref: string | null }): Promise<string> {
  const { tree } = context
  // --no-local packs what the refs reach: no hard links into somebody's repository, no alternates, nothing unreachable.
  const flags = ['--progress', '--no-checkout', '--no-recurse-submodules', '--no-local', '--template=']
  const result = await tried(context, source.url, ['clone', ...flags, '--', source.url, tree], context.workspace.folder)
  if (result.exitCode !== 0) throw new BuildFailure(failureText('clone', result), result.isPassing)
  if (source.ref === null || source.ref === 'HEAD') {
    const head = await commitOf(context, 'HEAD')
    if (head) return head
    const any = await git(['for-each-ref', '--count=1'], { cwd: tree })
    throw new BuildFailure(
      any.stdout.trim() === ''
        ? 'the repository is empty: it has no commit to start from'
        : "the repository's HEAD names no commit: give a ref",
    )
  }
  for (const name of candidates(source.ref)) {
    const commit = await commitOf(context, name)
    if (commit) return commit
  }
  return fetchUncloned(context, source.url, source.ref)
}

/** What a ref may stand for in a fresh clone: a full name, a branch, a tag, a commit, in this order. */
function candidates(ref: string): string[] {
  if (ref.startsWith('refs/heads/')) return [`refs/remotes/origin/${ref.slice('refs/heads/'.length)}`]
  if (ref.startsWith('refs/')) return [ref]
  const names = [`refs/remotes/origin/${ref}`, `refs/tags/${ref}`, `refs/remotes/${ref}`]
  return /^[0-9a-f]{7,64}$/.test(ref) ? [...names, ref] : names
}

/** Refs that a clone does not take, such as refs/pull/1/head, and commits that no branch holds. */
async function fetchUncloned(context: BuildContext, url: string, ref: string): Promise<string> {
  const unknown = new BuildFailure(`the repository has no ref or commit ${ref}`)
  if (!ref.startsWith('refs/') && !/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(ref)) throw unknown
  const fetched = await tried(context, url, ['fetch', '--quiet', '--no-tags', '--', 'origin', ref], context.tree)
  if (fetched.exitCode !== 0 && fetched.isPassing) throw new BuildFailure(failureText('fetch', fetched), true)
  const commit = fetched.exitCode === 0 ? await commitOf(context, 'FETCH_HEAD') : null
  if (!commit) throw unknown
  return commit
}

export async function commitOf(context: BuildContext, name: string): Promise<string | null> {
  const found = await git(['rev-parse', '--quiet', '--verify', '--end-of-options', `${name}^{commit}`], {
    cwd: context.tree,
    signal: context.signal,
  })
  return found.exitCode === 0 ? found.stdout.trim() : null
}

/** The commit that each object is, or a tag of one; null where it is none. */
async function commitsOf({ tree, agent, signal }: BuildContext, oids: readonly string[]): Promise<(string | null)[]> {
  const input = oids.map(oid => `${oid}^{commit}\n`).join('')
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal, input }
  const lines = (await git(['cat-file', '--batch-check=%(objectname)'], options)).stdout.split('\n')
  return oids.map((_, at) => /^[0-9a-f]+$/.exec(lines[at] ?? '')?.[0] ?? null)
}

/** Runs git and passes on what it says when it fails. */
export async function succeed(args: readonly string[], options: GitOptions): Promise<void> {
  const result = await git([...PATIENCE, ...args], { ...options, env: { ...SSH, ...options.env } })
  if (result.exitCode === 0) return
  if (result.timedOut) throw new BuildFailure(`git ${args[0]} did not end within ${options.timeoutMs} ms`)
  throw new BuildFailure(printable(result.stderr) || `git ${args[0]} failed (exit code ${result.exitCode})`)
}

/** A bundle source: what the CLI packed, checked object by object, and the commit that its ref names. */
export async function unpackSource(
  context: BuildContext,
  source: Pick<Extract<WorkspaceSource, { kind: 'bundle' }>, 'ref' | 'origin' | 'cache'>,
): Promise<Base> {
  const { tree, agent, signal } = context
  const bundle = bundlePath(context.workspace)
  const refs = await bundleRefs(bundle).catch(refused)
  const chosen = choose([...refs], source.ref)
  if (!chosen) {
    throw new BuildFailure(source.ref ? `the bundle has no ref ${source.ref}` : 'the bundle has no HEAD: give a ref')
  }
  const [name, oid] = chosen
  const format = oid.length === 64 ? 'sha256' : 'sha1'
  const options = { cwd: tree, timeoutMs: agent.limits.cloneMs, umask: OPEN_UMASK, signal }
  await succeed(['init', '--quiet', '--template=', `--object-format=${format}`, '--', tree], {
    ...options,
    cwd: context.workspace.folder,
  })
  const runGit = (args: readonly string[], more: BundleGitOptions) => git(args, { ...options, ...more })
  const { cache } = source
  const isThin = context.workspace.record.bundleIsThin && cache !== undefined
  if (isThin) await copyKept(context, cache.key)
  await unpackBundle(bundle, { objects: join(tree, '.git', 'objects'), isFresh: true, git: runGit }).catch(thrown => {
    if (isThin && !signal.aborted) throw new GroundLost(asTdfError(thrown).message)
    return refused(thrown)
  })
  const [commit, ...others] = await commitsOf(context, [oid, ...refs.values()])
  if (!commit) throw new BuildFailure(`${name} of the bundle is not a commit`)
  if (cache?.adds) await keepSource(context, cache.key, [commit, ...others.filter(one => one !== null)])
  const own = [...refs].flatMap(([ref, id]): [string, string][] => {
    if (ref.startsWith('refs/heads/')) return [[`refs/remotes/origin/${ref.slice('refs/heads/'.length)}`, id]]
    return ref.startsWith('refs/tags/') ? [[ref, id]] : []
  })
  writeRefs(join(tree, '.git'), new Map(own))
  if (source.origin !== undefined) appendFileSync(join(tree, '.git', 'config'), remoteSection(source.origin))
  return { commit, refs: new Map(own) }
}

function refused(thrown: unknown): never {
  throw new BuildFailure(printable(asTdfError(thrown).message))
}

function choose(refs: readonly [name: string, oid: string][], wanted: string | null) {
  if (wanted === null) return refs.find(([name]) => name === 'HEAD') ?? (refs.length === 1 ? refs[0] : undefined)
  const names = [wanted, `refs/heads/${wanted}`, `refs/tags/${wanted}`]
  for (const full of names) {
    const found = refs.find(([name]) => name === full)
    if (found) return found
  }
  return refs.find(([, oid]) => oid === wanted)
}

/** The first refs of a repository that nobody else uses yet, in the form of gitrepository-layout(5), packed-refs. */
export function writeRefs(repository: string, refs: ReadonlyMap<string, string>): void {
  const lines = [...refs].map(([name, oid]) => `${oid} ${name}\n`)
  underUmask(OPEN_UMASK, () => writeFileSync(join(repository, 'packed-refs'), lines.join('')))
}

/** As `git remote add origin` writes it. */
const remoteSection = (url: string) =>
  `[remote "origin"]\n\turl = ${inConfig(url)}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`

/** As a value of a configuration file (git-config(1), SYNTAX). */
export const inConfig = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
