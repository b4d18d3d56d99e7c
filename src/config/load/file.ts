/** Reads a configuration file, if there is one. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { TdfError } from '../../core/errors.ts'

export interface ConfigFile {
  text: string
  /** Permission bits, as of stat(2). */
  mode: number
}

/** Null when there is no such file; throws what the system says when it cannot be read. */
export type ReadFile = (file: string) => ConfigFile | null

const FILE_BYTES_MAX = 1024 * 1024

export const readConfigFile: ReadFile = file => {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return null
    throw thrown
  }
  try {
    const { mode, size } = fstatSync(fd)
    if (size <= FILE_BYTES_MAX) return { text: readFileSync(fd, 'utf8'), mode }
    throw new TdfError('CONFIG_INVALID', `${file} has ${size} bytes; a configuration has at most ${FILE_BYTES_MAX}`)
  } finally {
    closeSync(fd)
  }
}

/** As CONFIG_INVALID, with what the system said and whom it said it to. */
export function unreadable(file: string, thrown: unknown): TdfError {
  if (thrown instanceof TdfError) return thrown
  const code = codeOf(thrown)
  const reason = REASONS[code] ?? (thrown instanceof Error ? thrown.message : String(thrown))
  return new TdfError('CONFIG_INVALID', `cannot read the configuration file ${file}: ${reason}`, {
    cause: thrown,
    hint: `ls -ld ${file}`,
  })
}

const REASONS: Partial<Record<string, string>> = {
  EACCES: 'permission denied (EACCES)',
  EPERM: 'permission denied (EPERM)',
  EISDIR: 'it is a folder (EISDIR)',
  ENOTDIR: 'a part of its path is not a folder (ENOTDIR)',
  ELOOP: 'its symbolic links go round in a circle (ELOOP)',
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
}
