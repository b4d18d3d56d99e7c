/**
 * A second hold on what was cloned: a bare repository of our own whose files are hard links to the clone's. Whatever
 * the agent does to its `.git`, gc included, the base commit stays ours, and salvage can build on it.
 */
import { copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { git } from '../../git.ts'
import { BASE_REF } from '../salvage/names.ts'
import { writeJson } from '../state/json-file.ts'
import type { BuildContext } from './build-context.ts'
import { succeed } from './clone.ts'

export async function keepPristine(context: BuildContext, repository: string): Promise<void> {
  const { tree, workspace, agent, signal } = context
  const commit = workspace.record.baseCommit ?? ''
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal }
  const format = commit.length === 64 ? 'sha256' : 'sha1'
  await succeed(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '--', repository], options)
  const source = join(tree, '.git')
  linkFiles(join(source, 'objects'), join(repository, 'objects'))
  if (isFile(join(source, 'shallow'))) copyFileSync(join(source, 'shallow'), join(repository, 'shallow'))
  await succeed(['update-ref', BASE_REF, commit], { ...options, cwd: repository })
  const heads = await git(['for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads/'], options)
  const { outputBranch } = workspace.record.request
  const refs = Object.fromEntries([
    ...heads.stdout.split('\n').flatMap(line => (line === '' ? [] : [line.split(' ')])),
    [`refs/heads/${outputBranch}`, commit],
  ])
  writeJson(join(repository, '..', 'built-refs.json'), refs)
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
