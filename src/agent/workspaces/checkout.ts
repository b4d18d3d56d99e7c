/** The output branch at the base commit, in the name of the author. Nothing of the repository runs here. */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { OPEN_UMASK } from '../../platform/files.ts'
import { git } from '../../platform/git.ts'
import type { BuildContext } from '../agent.ts'
import { BASE_REF } from '../salvage/listing.ts'
import { writeJson } from '../state/durable.ts'
import { succeed } from './sources/source.ts'
import { builtIgnoredPath, salvageRepository, workTree } from './workspace.ts'

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

/** As a value of a configuration file (git-config(1), SYNTAX). */
const inConfig = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

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
 * that was brought along. Answers the refs of the clone.
 */
export async function keepPristine(
  context: BuildContext,
  repository: string,
  conversation: Record<string, string>,
): Promise<string[]> {
  const { tree, workspace, agent, signal } = context
  const commit = workspace.record.baseCommit ?? ''
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal }
  const format = commit.length === 64 ? 'sha256' : 'sha1'
  await succeed(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '--', repository], options)
  const source = join(tree, '.git')
  linkFiles(join(source, 'objects'), join(repository, 'objects'))
  if (isFile(join(source, 'shallow'))) copyFileSync(join(source, 'shallow'), join(repository, 'shallow'))
  const kept = Object.entries({ [BASE_REF]: commit, ...conversation })
  const input = kept.map(([ref, oid]) => `update ${ref} ${oid}\n`).join('')
  await succeed(['update-ref', '--stdin'], { ...options, cwd: repository, input })
  const listed = await git(['for-each-ref', '--format=%(refname) %(objectname)'], options)
  const { outputBranch } = workspace.record.request
  const refs = listed.stdout.split('\n').flatMap(line => (line === '' ? [] : [line.split(' ')]))
  const built = Object.fromEntries([...refs, [`refs/heads/${outputBranch}`, commit]])
  writeJson(join(repository, '..', 'built-refs.json'), built)
  return refs.map(([name = '']) => name)
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
  const flags = ['-z', '--others', '--ignored', '--exclude-standard', '--directory']
  const listed = await git(['ls-files', ...flags], {
    cwd: tree,
    env: {
      GIT_DIR: salvageRepository(workspace),
      GIT_WORK_TREE: tree,
      GIT_INDEX_FILE: join(workspace.folder, 'no-index'),
    },
    timeoutMs: agent.limits.gitMs,
    encoding: 'latin1',
    signal,
  })
  writeJson(
    builtIgnoredPath(workspace),
    listed.stdout.split('\0').filter(path => path !== ''),
  )
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
  const add = `git interpret-trailers --in-place --if-exists addIfDifferent --trailer ${quoted(trailer)} "$1"`
  const hook = join(hooks, 'prepare-commit-msg')
  writeFileSync(hook, `#!/bin/sh\n# Says which task of tdf made a commit.\n${add}\n`)
  for (const path of [hooks, hook]) chmodSync(path, 0o755)
}

/** The end of a message of ours. */
export function withTrailer(message: string, trailer: string | undefined): string {
  return trailer ? `${message}\n${trailer}\n` : message
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
