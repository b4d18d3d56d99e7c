/** `.tdf.toml` at the top of a repository: what it wants done for a task, whoever submits it. */
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser'
import { z } from 'zod'
import { ARTIFACT_GLOB_CHARS_MAX } from '../core/saved.ts'
import { REPOSITORY_FILE, REPOSITORY_FILE_BYTES_MAX } from '../core/source.ts'

const shellCommand = z
  .string()
  .min(1)
  .max(REPOSITORY_FILE_BYTES_MAX)
  .refine(text => !text.includes('\0'), 'must not hold NUL')

const repositoryFile = z.strictObject({
  /** Run in the workspace before the agent. */
  setup: shellCommand.optional(),
  /** Run after the agent, as `--check` would be; read where a folder is submitted. */
  check: shellCommand.optional(),
  /** Globs as of `--artifacts`; read where a folder is submitted. */
  artifacts: z.array(z.string().min(1).max(ARTIFACT_GLOB_CHARS_MAX)).max(50).optional(),
})

export type RepositoryFile = z.output<typeof repositoryFile>

/** The table of any TOML file; empty for what is none. */
export function tomlTable(text: string): object {
  const table = tableIn(text)
  return typeof table === 'string' ? {} : table
}

/** What the file says, or in words what is wrong with it. */
export function parseRepositoryFile(text: string): RepositoryFile | { problem: string } {
  const table = tableIn(text)
  if (typeof table === 'string') return { problem: table }
  const checked = repositoryFile.safeParse(table)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  const where = issue?.path.join('.') ?? ''
  return { problem: `${REPOSITORY_FILE}: ${where ? `${where}: ` : ''}${issue?.message ?? 'malformed'}` }
}

function tableIn(text: string): object | string {
  try {
    return getStaticTOMLValue(parseTOML(text))
  } catch (error) {
    const { lineNumber } = Object(error) as { lineNumber?: number }
    return `${REPOSITORY_FILE}${lineNumber === undefined ? '' : `:${lineNumber}`} is not TOML`
  }
}
