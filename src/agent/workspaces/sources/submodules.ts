/** Submodules, checked out where the commit has them: repositories by themselves. A bundle brings them; a node that clones fetches them. */
import { appendFileSync, realpathSync } from 'node:fs'
import { join, relative } from 'node:path'
import { SUBMODULE_REFS, submoduleRef } from '../../../core/source.ts'
import { OPEN_UMASK } from '../../../platform/files.ts'
import { git, kindOfFailure, withoutPasswords } from '../../../platform/git.ts'
import { bundleRefs } from '../../../platform/objects/bundle.ts'
import { addressOf, gitlinksIn, SUBMODULES_MAX, submodulesIn } from '../../../platform/objects/gitlinks.ts'
import type { RunGit } from '../../../platform/objects/pointers.ts'
import type { BuildContext } from '../../agent.ts'
import { identitySection } from '../checkout.ts'
import { printable } from '../report.ts'
import { BuildFailure, bundlePath } from '../workspace.ts'
import { failureText, tried } from './server.ts'
import { succeed } from './source.ts'

/** Does nothing where none came, or none was asked for. */
export async function checkOutSubmodules(context: BuildContext, commit: string): Promise<void> {
  const { source } = context.workspace.record.request
  if (source.kind === 'bundle') await checkOutBrought(context, commit)
  else if (source.submodules) await checkOutFetched(context, source.url, commit)
}

const FLAGS = ['--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']
/** What the commit is called in a submodule: that its origin has it. */
const BASE = 'refs/remotes/origin/base'

async function checkOutBrought(context: BuildContext, commit: string): Promise<void> {
  const { tree, workspace } = context
  const refs = [...(await bundleRefs(bundlePath(workspace)))].filter(([name]) => name.startsWith(SUBMODULE_REFS))
  if (refs.length === 0) return
  const input = (line: (name: string, oid: string) => string) =>
    `${refs.map(([name, oid]) => line(name, oid)).join('\n')}\n`
  const options = optionsOf(context, tree)
  await succeed(['update-ref', '--stdin'], { ...options, input: input((name, oid) => `update ${name} ${oid}`) })
  const brought = new Set(refs.map(([, oid]) => oid))
  const pending = [{ folder: tree, commit }]
  for (const { folder, commit } of pending) {
    for (const { path, oid } of await gitlinksIn(gitIn(context, folder), commit)) {
      if (!brought.has(oid)) continue
      const inner = join(folder, path)
      await begin(context, inner, oid)
      const fetch = ['fetch', '--quiet', ...FLAGS, '--', join(tree, '.git'), `${submoduleRef(oid)}:${BASE}`]
      await succeed(fetch, optionsOf(context, inner))
      await succeed(['checkout', '--quiet', '--detach', oid], optionsOf(context, inner))
      pending.push({ folder: inner, commit: oid })
    }
  }
  markActive(tree)
  await succeed(['update-ref', '--stdin'], { ...options, input: input(name => `delete ${name}`) })
}

async function checkOutFetched(context: BuildContext, url: string, commit: string): Promise<void> {
  const { tree } = context
  const pending = [{ folder: tree, url, commit }]
  for (const place of pending) {
    const found = await submodulesIn(gitIn(context, place.folder), place.commit)
    if (pending.length + found.length > SUBMODULES_MAX) {
      throw new BuildFailure(`${withoutPasswords(place.url)} has more than ${SUBMODULES_MAX} submodules, or they have`)
    }
    for (const { path, url: given, oid } of found) {
      const failure: Failure = (why, isPassing) => {
        const name = `the submodule ${JSON.stringify(path)} of ${withoutPasswords(place.url)}`
        return new BuildFailure(printable(`${name}: ${why}`), isPassing)
      }
      const url = addressOf(place.url, given)
      if (url === null) throw failure(`"${withoutPasswords(given)}" is no address that is fetched from`)
      const folder = join(place.folder, path)
      await begin(context, folder, oid)
      await fetchCommit(context, { folder, url, oid }, failure)
      await succeed(['checkout', '--quiet', '--detach', oid], optionsOf(context, folder))
      pending.push({ folder, url, commit: oid })
    }
  }
  if (pending.length > 1) markActive(tree)
}

type Failure = (why: string, isPassing?: boolean) => BuildFailure

/** A server may refuse to give a commit by itself: then it is looked for in what it has. */
async function fetchCommit(
  context: BuildContext,
  { folder, url, oid }: { folder: string; url: string; oid: string },
  failure: Failure,
): Promise<void> {
  const fetch = (...refspecs: string[]) =>
    tried(context, url, ['fetch', '--progress', ...FLAGS, '--', url, ...refspecs], folder)
  const alone = await fetch(`${oid}:${BASE}`)
  if (alone.exitCode === 0) return
  const all =
    kindOfFailure(alone.stderr) === 'no ref'
      ? await fetch('+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*')
      : alone
  if (all.exitCode !== 0) throw failure(failureText('fetch', all), all.isPassing)
  const { exitCode } = await git(['update-ref', BASE, oid], optionsOf(context, folder))
  if (exitCode !== 0) throw failure(`${withoutPasswords(url)} has no commit ${oid}`)
}

/** An empty repository in the folder that git has made for it. */
async function begin(context: BuildContext, folder: string, oid: string): Promise<void> {
  const { tree, workspace } = context
  const inner = relative(tree, folder)
  // A link above it would lead elsewhere.
  if (realpathSync(folder) !== join(realpathSync(tree), inner)) throw new BuildFailure(`${printable(inner)} is a link`)
  const format = `--object-format=${oid.length === 64 ? 'sha256' : 'sha1'}`
  await succeed(['init', '--quiet', '--template=', format, '--', folder], optionsOf(context, tree))
  appendFileSync(join(folder, '.git', 'config'), identitySection(workspace.record.request.author))
}

/** git-submodule(1) takes them as known. */
function markActive(tree: string): void {
  appendFileSync(join(tree, '.git', 'config'), '[submodule]\n\tactive = .\n')
}

const optionsOf = ({ agent, signal }: BuildContext, cwd: string) => ({
  cwd,
  timeoutMs: agent.limits.gitMs,
  umask: OPEN_UMASK,
  signal,
})

const gitIn =
  (context: BuildContext, folder: string): RunGit =>
  (args, options) =>
    git(args, { ...optionsOf(context, folder), ...options })
