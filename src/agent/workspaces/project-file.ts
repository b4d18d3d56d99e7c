/**
 * `.tdf.toml` of the commit that a workspace begins from: what the repository itself wants done before an agent. It is
 * read as git has it, so that no link leads elsewhere, and what it asks for runs as the agent of the task would.
 */
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser'
import { z } from 'zod'
import { git } from '../../git.ts'
import { type BuildContext, BuildFailure } from './build-context.ts'
import { printable } from './printable.ts'

const FILE = '.tdf.toml'
const FILE_BYTES_MAX = 64 * 1024

const projectFile = z.strictObject({
  /** A shell command, run in the workspace before the agent. */
  setup: z.string().min(1).max(FILE_BYTES_MAX).optional(),
})

/** The command of its `setup`; null without one. Throws when the file is wrong, or asks for what may not run here. */
export async function repositorySetup(context: BuildContext, commit: string): Promise<string | null> {
  const { repositorySetup: wish } = context.workspace.record.request
  if (!wish) return null
  const text = await readFrom(context, commit)
  const { setup } = text === null ? {} : parsed(text)
  if (setup === undefined) return null
  if (setup.includes('\0')) throw new BuildFailure(`${FILE}: setup must not hold NUL`)
  if (wish.policy === 'run') return setup
  throw new BuildFailure(
    `${FILE} asks to run "${printable(setup)}", and the repository was fetched from elsewhere onto a machine of yours; ` +
      'submit with --setup to run a command of your choice, with --no-setup to run none, ' +
      'or set [runner] repository_setup = "always"',
  )
}

async function readFrom({ tree, agent, signal }: BuildContext, commit: string): Promise<string | null> {
  const options = { cwd: tree, timeoutMs: agent.limits.gitMs, signal, outputBytesMax: FILE_BYTES_MAX * 2 }
  const entry = (await git(['ls-tree', '-l', '-z', commit, '--', FILE], options)).stdout
  const [, mode, size] = /^(\d{6}) blob [0-9a-f]+ +(\d+)\t/.exec(entry) ?? []
  if (mode === undefined) return null
  if (!mode.startsWith('100')) throw new BuildFailure(`${FILE} is no plain file`)
  if (Number(size) > FILE_BYTES_MAX) throw new BuildFailure(`${FILE} is larger than ${FILE_BYTES_MAX} bytes`)
  const { exitCode, stdout } = await git(['cat-file', 'blob', `${commit}:${FILE}`], options)
  if (exitCode !== 0) throw new BuildFailure(`${FILE} cannot be read`)
  return stdout
}

function parsed(text: string): z.output<typeof projectFile> {
  const checked = projectFile.safeParse(tableIn(text))
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  const where = issue?.path.join('.') ?? ''
  throw new BuildFailure(`${FILE}: ${printable(`${where ? `${where}: ` : ''}${issue?.message ?? 'malformed'}`)}`)
}

function tableIn(text: string): unknown {
  try {
    return getStaticTOMLValue(parseTOML(text))
  } catch (error) {
    const { lineNumber } = Object(error) as { lineNumber?: number }
    throw new BuildFailure(`${FILE}${lineNumber === undefined ? '' : `:${lineNumber}`} is no TOML`)
  }
}
