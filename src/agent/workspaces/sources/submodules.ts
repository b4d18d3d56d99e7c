/** Submodules that came in the bundle of a folder, checked out where the commit has them: repositories by themselves. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { SUBMODULE_REFS, submoduleRef } from '../../../core/source.ts'
import { OPEN_UMASK } from '../../../platform/files.ts'
import { git } from '../../../platform/git.ts'
import { bundleRefs } from '../../../platform/objects/bundle.ts'
import type { BuildContext } from '../../agent.ts'
import { identitySection } from '../checkout.ts'
import { bundlePath } from '../workspace.ts'
import { succeed } from './source.ts'

/** Does nothing where none came. */
export async function checkOutSubmodules(context: BuildContext, commit: string): Promise<void> {
  const { tree, workspace } = context
  if (workspace.record.request.source.kind !== 'bundle') return
  const refs = [...(await bundleRefs(bundlePath(workspace)))].filter(([name]) => name.startsWith(SUBMODULE_REFS))
  if (refs.length === 0) return
  const input = (line: (name: string, oid: string) => string) =>
    `${refs.map(([name, oid]) => line(name, oid)).join('\n')}\n`
  const options = { ...optionsOf(context), cwd: tree }
  await succeed(['update-ref', '--stdin'], { ...options, input: input((name, oid) => `update ${name} ${oid}`) })
  const brought = new Set(refs.map(([, oid]) => oid))
  const pending = [{ folder: tree, commit }]
  for (const { folder, commit } of pending) {
    for (const { path, oid } of await gitlinks(context, folder, commit)) {
      if (!brought.has(oid)) continue
      await checkOutOne(context, join(folder, path), oid)
      pending.push({ folder: join(folder, path), commit: oid })
    }
  }
  appendFileSync(join(tree, '.git', 'config'), '[submodule]\n\tactive = .\n')
  await succeed(['update-ref', '--stdin'], { ...options, input: input(name => `delete ${name}`) })
}

async function checkOutOne(context: BuildContext, folder: string, oid: string): Promise<void> {
  const { tree, workspace } = context
  const options = { ...optionsOf(context), cwd: folder }
  const format = `--object-format=${oid.length === 64 ? 'sha256' : 'sha1'}`
  await succeed(['init', '--quiet', '--template=', format, '--', folder], { ...options, cwd: tree })
  appendFileSync(join(folder, '.git', 'config'), identitySection(workspace.record.request.author))
  const flags = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']
  const wanted = `${submoduleRef(oid)}:refs/remotes/origin/base`
  await succeed(['fetch', ...flags, '--', join(tree, '.git'), wanted], options)
  await succeed(['checkout', '--quiet', '--detach', oid], options)
}

const optionsOf = ({ agent, signal }: BuildContext) => ({ timeoutMs: agent.limits.gitMs, umask: OPEN_UMASK, signal })

async function gitlinks(
  context: BuildContext,
  folder: string,
  commit: string,
): Promise<{ path: string; oid: string }[]> {
  const listed = await git(['ls-tree', '-r', '-z', commit], { ...optionsOf(context), cwd: folder })
  return listed.stdout.split('\0').flatMap(line => {
    const [, oid, path] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(line) ?? []
    return oid === undefined || path === undefined ? [] : [{ oid, path }]
  })
}
