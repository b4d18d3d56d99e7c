/** The output branch at the base commit, in the name of the author. Nothing of the repository runs here. */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { OPEN_UMASK } from '../../platform/files.ts'
import { git } from '../../platform/git.ts'
import type { BuildContext } from '../agent.ts'
import { prepareRepository } from '../salvage/keep.ts'
import { BASE_REF, STATUS } from '../salvage/listing.ts'
import { writeJson } from '../state/durable.ts'
import { inConfig, succeed, writeRefs } from './sources/source.ts'
import { builtIgnoredPath, builtIndexPath, salvageRepository, workTree } from './workspace.ts'

/** `refs` are those of the fresh clone, by full name. */
export async function checkOut(context: BuildContext, commit: string, refs: Iterable<string>): Promise<void> {
  const { tree, workspace, agent, signal } = context
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, umask: OPEN_UMASK, signal }
  const { author, outputBranch } = workspace.record.request
  appendFileSync(join(tree, '.git', 'config'), identitySection(author))
  for (const ref of refs) {
    // A clone's own branch `tdf` and an output branch `tdf/x` cannot both be files of one name.
    const output = `refs/heads/${outputBranch}`
    const collides = ref.startsWith('refs/heads/') && (output.startsWith(`${ref}/`) || ref.startsWith(`${output}/`))
    if (collides) await succeed(['update-ref', '-d', '--no-deref', ref], options)
  }
  await succeed(['checkout', '--quiet', '--no-track', '-B', outputBranch, commit], options)
}

/** For the configuration of a repository that the agent commits in. */
export function identitySection(author: { name: string; email: string }): string {
  const { name, email } = identityOf(author)
  return `[user]\n\tname = ${inConfig(name)}\n\temail = ${inConfig(email)}\n`
}

/** git refuses a name or address with nothing printable in it, and cuts lines and angle brackets out of them. */
export function identityOf(author: { name: string; email: string }): { name: string; email: string } {
  const clean = (text: string) => text.replace(/[\p{Cc}<>]/gu, ' ').trim()
  const usable = (text: string) => /[\p{L}\p{N}]/u.test(text)
  const name = clean(author.name)
  const email = clean(author.email)
  return { name: usable(name) ? name : 'tdf', email: usable(email) ? email : 'tdf@localhost' }
}

/**
 * A second hold on what was cloned: a bare repository of our own whose files are hard links to the clone's. Whatever
 * the agent does to its `.git`, gc included, the base commit stays ours, and salvage can build on it; so does a conversation
 * that was brought along. `refs` are those of the clone, `conversation` those that hold one.
 */
export function keepPristine(
  { tree, workspace }: BuildContext,
  folder: string,
  refs: ReadonlyMap<string, string>,
  conversation: Record<string, string>,
): void {
  const commit = workspace.record.baseCommit ?? ''
  const repository = join(folder, 'salvage.git')
  prepareRepository(repository, commit.length)
  const source = join(tree, '.git')
  linkFiles(join(source, 'objects'), join(repository, 'objects'))
  if (isFile(join(source, 'shallow'))) copyFileSync(join(source, 'shallow'), join(repository, 'shallow'))
  writeRefs(repository, new Map(Object.entries({ [BASE_REF]: commit, ...conversation })))
  const { outputBranch } = workspace.record.request
  writeJson(join(folder, 'built-refs.json'), { ...Object.fromEntries(refs), [`refs/heads/${outputBranch}`]: commit })
}

/** Salvage has the files that are as this says read no more. The time that it was written at belongs to it. */
export function keepIndex({ tree }: BuildContext, folder: string): void {
  const [source, copy] = [join(tree, '.git', 'index'), join(folder, 'built-index')]
  const { atime, mtime } = statSync(source)
  copyFileSync(source, copy)
  utimesSync(copy, atime, mtime)
}

/** Called before anything of the repository ran, so what is here is what git made. */
function linkFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) linkFiles(source, target)
    else if (entry.isFile()) link(source, target)
  }
}

function link(source: string, target: string): void {
  try {
    linkSync(source, target)
  } catch {
    copyFileSync(source, target)
  }
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** What the set-up left where the ignore rules name it, such as installed packages. The configuration is the pristine copy's. */
export async function noteIgnored({ workspace, agent, signal }: BuildContext): Promise<void> {
  const tree = workTree(workspace)
  const listed = await git(STATUS, {
    cwd: tree,
    env: {
      GIT_DIR: salvageRepository(workspace),
      GIT_WORK_TREE: tree,
      GIT_INDEX_FILE: builtIndexPath(workspace),
    },
    timeoutMs: agent.limits.gitMs,
    outputBytesMax: 256 * 1024 * 1024,
    encoding: 'latin1',
    signal,
  })
  const ignored = listed.stdout.split('\0').flatMap(line => (line.startsWith('! ') ? [line.slice(2)] : []))
  writeJson(builtIgnoredPath(workspace), ignored)
}

/**
 * Commits keep their author, who answers for them; a trailer says what made them. On commits of ours it is written at
 * once, on those of an agent by a hook of its own clone, which runs as the agent and which it may do without.
 */

/** git-interpret-trailers(1): a commit that is amended gets it once. */
export function attributeCommits({ tree, workspace }: BuildContext): void {
  const { trailer } = workspace.record.request
  if (!trailer) return
  const hooks = join(tree, '.git', 'hooks')
  mkdirSync(hooks, { recursive: true })
  // A session of an agent that takes over from another says its own.
  const own = `trailer=${quoted(trailer)}\n[ -z "$TDF_TRAILER" ] || trailer=$TDF_TRAILER`
  const add = `${own}\ngit interpret-trailers --in-place --if-exists addIfDifferent --trailer "$trailer" "$1"`
  const hook = join(hooks, 'prepare-commit-msg')
  writeFileSync(hook, `#!/bin/sh\n# Says which task of tdf made a commit.\n${add}\n`)
  for (const path of [hooks, hook]) chmodSync(path, 0o755)
}

/** The end of a message of ours. */
export function withTrailer(message: string, trailer: string | undefined): string {
  return trailer ? `${message}\n${trailer}\n` : message
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
