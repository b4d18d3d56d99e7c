/** A bundle source: what the CLI packed, checked object by object, and the commit that its ref names. */
import { git } from '../../git.ts'
import { type BuildContext, BuildFailure } from './build-context.ts'
import { commitOf, succeed } from './clone.ts'
import { bundlePath } from './workspace.ts'

export async function unpackSource(context: BuildContext, source: { ref: string | null }): Promise<string> {
  const { tree, agent, signal } = context
  const bundle = bundlePath(context.workspace)
  const options = { cwd: tree, timeoutMs: agent.limits.cloneMs, signal }
  const heads = await git(['bundle', 'list-heads', bundle], { cwd: context.workspace.folder, signal })
  if (heads.exitCode !== 0) throw new BuildFailure('the upload is not a git bundle')
  const refs = heads.stdout.split('\n').flatMap(line => {
    const [oid = '', name] = line.split(' ')
    return name ? [{ oid, name }] : []
  })
  const chosen = choose(refs, source.ref)
  if (!chosen) {
    throw new BuildFailure(source.ref ? `the bundle has no ref ${source.ref}` : 'the bundle has no HEAD: give a ref')
  }
  const format = chosen.oid.length === 64 ? 'sha256' : 'sha1'
  await succeed(['init', '--quiet', '--template=', `--object-format=${format}`, '--', tree], {
    ...options,
    cwd: context.workspace.folder,
  })
  await succeed(['bundle', 'verify', '--quiet', bundle], options)
  await succeed(
    [
      ...['-c', 'transfer.fsckObjects=true', 'fetch', '--quiet', '--no-tags', '--', bundle],
      `+${chosen.name}:refs/tdf-source`,
      ...(refs.some(ref => ref.name.startsWith('refs/heads/')) ? ['+refs/heads/*:refs/remotes/origin/*'] : []),
      ...(refs.some(ref => ref.name.startsWith('refs/tags/')) ? ['+refs/tags/*:refs/tags/*'] : []),
    ],
    options,
  )
  const commit = await commitOf(context, 'refs/tdf-source')
  if (!commit) throw new BuildFailure(`${chosen.name} of the bundle is not a commit`)
  await succeed(['update-ref', '-d', 'refs/tdf-source'], options)
  return commit
}

function choose(refs: readonly { oid: string; name: string }[], wanted: string | null) {
  if (wanted === null) return refs.find(ref => ref.name === 'HEAD') ?? (refs.length === 1 ? refs[0] : undefined)
  const names = [wanted, `refs/heads/${wanted}`, `refs/tags/${wanted}`]
  for (const name of names) {
    const found = refs.find(ref => ref.name === name)
    if (found) return found
  }
  return refs.find(ref => ref.oid === wanted)
}
