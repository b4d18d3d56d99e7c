/** The output branch at the base commit, in the name of the author. Nothing of the repository runs here. */
import { git } from '../../git.ts'
import type { BuildContext } from './build-context.ts'
import { succeed } from './clone.ts'

export async function checkOut(context: BuildContext, commit: string): Promise<void> {
  const { tree, workspace, agent, signal } = context
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal }
  const { author, outputBranch } = workspace.record.request
  const { name, email } = identityOf(author)
  await succeed(['config', 'user.name', name], options)
  await succeed(['config', 'user.email', email], options)
  await clearTheWay(context, outputBranch)
  await succeed(['checkout', '--quiet', '--no-track', '-B', outputBranch, commit], options)
}

/** A clone's own branch `tdf` and an output branch `tdf/x` cannot both be files of one name. */
async function clearTheWay(context: BuildContext, outputBranch: string): Promise<void> {
  const options = { cwd: context.tree, signal: context.signal }
  const local = await git(['for-each-ref', '--format=%(refname:lstrip=2)', 'refs/heads/'], options)
  for (const branch of local.stdout.split('\n')) {
    if (branch === '') continue
    const collides = outputBranch.startsWith(`${branch}/`) || branch.startsWith(`${outputBranch}/`)
    if (collides) await succeed(['update-ref', '-d', '--no-deref', `refs/heads/${branch}`], options)
  }
}

/** git refuses a name or address with nothing printable in it, and cuts lines and angle brackets out of them. */
export function identityOf(author: { name: string; email: string }): { name: string; email: string } {
  const clean = (text: string) => text.replace(/[\p{Cc}<>]/gu, ' ').trim()
  const usable = (text: string) => /[\p{L}\p{N}]/u.test(text)
  const name = clean(author.name)
  const email = clean(author.email)
  return { name: usable(name) ? name : 'tdf', email: usable(email) ? email : 'tdf@localhost' }
}
