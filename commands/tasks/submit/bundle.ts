/**
 * A repository as one file that the daemon keeps: made in a repository of our own that borrows the user's objects, so that
 * nothing of the user's is written to but objects that a partial clone lacks.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../../src/core/errors.ts'
import { hashFile } from '../../../src/platform/files.ts'
import { gitOutput } from '../../../src/platform/git.ts'
import type { RunResult } from '../../../src/platform/run.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, say } from '../../cli/cli.ts'
import { readingGit, userGit } from '../../cli/git.ts'
import type { Beside } from './submodules.ts'

type Uploaded = { sha256: string; bytes: number }

export interface Content {
  commit: string
  /** What the bundle calls it. */
  name: string
  beside: Beside
}

export async function uploaded(cli: Cli, top: string, content: Content): Promise<Uploaded> {
  const client = cli.client()
  const { commit, name, beside } = content
  const key = beside.refs.size === 0 ? name : `${name}#${digest([...beside.refs.keys()].sort().join())}`
  const query = `commit=${commit}&ref=${encodeURIComponent(key)}`
  const known = await client.call<Uploaded>({ path: `/bundles?${query}` }).catch(error => {
    if (error instanceof TdfError && error.code === 'NOT_FOUND') return undefined
    throw error
  })
  if (known) return { sha256: known.sha256, bytes: known.bytes }
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-bundle-'))
  try {
    const file = await writeBundle(cli, top, content, folder)
    const sha256 = await hashFile(file)
    await client.raw({ method: 'PUT', path: `/bundles/${sha256}?${query}`, upload: file, timeoutMs: 600_000 })
    return { sha256, bytes: (await stat(file)).size }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

async function writeBundle(cli: Cli, top: string, { commit, name, beside }: Content, folder: string): Promise<string> {
  const objects = await readingGit(cli, top)(['rev-parse', '--git-path', 'objects'])
  const borrowed = path.resolve(top, objects.stdout.slice(0, -1))
  const git = readingGit(cli, folder)
  const file = path.join(folder, 'repository.bundle')
  const env = { GIT_DIR: path.join(folder, 'git') }
  const format = `--object-format=${commit.length === 64 ? 'sha256' : 'sha1'}`
  must(await git(['init', '--quiet', '--bare', '--template=', format, 'git']), 'init')
  await writeFile(
    path.join(folder, 'git', 'objects', 'info', 'alternates'),
    [borrowed, ...beside.objects].map(place => `${inQuotes(place)}\n`).join(''),
  )
  const refs = [[name, commit], ...beside.refs]
  const input = refs.map(([ref, oid]) => `update ${ref} ${oid}\n`).join('')
  must(await git(['update-ref', '--stdin'], env, { input }), 'update-ref')
  must(await git(['symbolic-ref', 'HEAD', name], env), 'symbolic-ref')
  must(await git(['bundle', 'create', '--quiet', file, name, 'HEAD', ...beside.refs.keys()], env), 'bundle create')
  return file
}

/** gitrepository-layout(5), objects/info/alternates; a path in quotes as of C may hold any character. */
const inQuotes = (text: string) => `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`

const ROUNDS_MAX = 10

/**
 * Gets what a partial clone does not have of a commit's history: in one fetch, as git itself would one by one, and into the
 * clone, as git does. Trees that come may show what else is missing. Throws REPOSITORY_PARTIAL.
 */
export async function completed(cli: Cli, top: string, commit: string, remote: string): Promise<void> {
  const git = readingGit(cli, top)
  const list = ['rev-list', '--objects', '--quiet', '--missing=print', commit]
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const missing = must(await git(list), 'rev-list')
      .split('\n')
      .flatMap(line => (line.startsWith('?') ? [line.slice(1)] : []))
    if (missing.length === 0) return
    say(cli, `getting ${missing.length} objects that this partial clone lacks from ${remote}…`)
    const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--recurse-submodules=no']
    // As promisor-remote.c of git asks: what is wanted by name is all that is wanted.
    const args = ['-c', 'fetch.negotiationAlgorithm=noop', 'fetch', remote, ...flags, '--filter=blob:none', '--stdin']
    const fetched = await userGit(cli, top)(args, {}, { input: `${missing.join('\n')}\n` })
    if (fetched.exitCode !== 0) throw partial(top, remote, fetched.stderr.trim().split('\n').at(-1) ?? '')
  }
  throw partial(top, remote, 'there was always more')
}

const partial = (top: string, remote: string, why: string) =>
  new TdfError(
    'REPOSITORY_PARTIAL',
    `${top} is a partial clone, and what it lacks did not come from ${remote}: ${why}`,
    {
      hint: `git -C ${quoted(top)} fetch --refetch --no-filter ${quoted(remote)}`,
    },
  )

export const must = (result: RunResult, what: string) =>
  gitOutput(what, result, message => new TdfError('REPOSITORY_UNREADABLE', message))
