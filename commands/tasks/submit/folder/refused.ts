/** Folders that git does not take for a repository: one sentence each, and the command that mends it. */
import path from 'node:path'
import { TdfError } from '../../../../src/core/errors.ts'
import { quoted } from '../../../cli/arguments.ts'

export interface NotUsed {
  /** As its user wrote it, and where that is. */
  given: string
  local: string
  isThere: boolean
  /** The words of git. */
  said: string
}

const SAID_CHARACTERS_MAX = 300

/** NO_REPOSITORY where there is none; REPOSITORY_UNREADABLE for one that git does not use. */
export function notUsed({ given, local, isThere, said }: NotUsed): TdfError {
  const why = said.trim().split('\n')[0] ?? ''
  if (!isThere || said === '' || /not a git repository \(or any/.test(said)) {
    const missing = given.startsWith('~') ? 'the shell did not expand the ~, as in quotes' : 'there is no such folder'
    const hint = isThere ? `git -C ${quoted(local)} init` : 'tdf submit --help'
    return new TdfError('NO_REPOSITORY', `${given} is not a git repository (${isThere ? why : missing})`, { hint })
  }
  const mended = MENDED.find(({ words }) => words.test(said))
  const reason =
    mended?.why ??
    said
      .replace(/^fatal: /, '')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, SAID_CHARACTERS_MAX)
  const hint = mended?.hint(local, mended.words.exec(said)?.[1] ?? '') ?? `git -C ${quoted(local)} status`
  return new TdfError('REPOSITORY_UNREADABLE', `git does not use ${given}, since ${reason}`, { hint })
}

interface Mended {
  words: RegExp
  /** In place of the words of git, where those do not stand for themselves. */
  why?: string
  /** `found` is what the brackets of `words` hold. */
  hint(local: string, found: string): string
}

/** setup.c and config.c of git. */
const MENDED: readonly Mended[] = [
  // git names the command that allows it.
  {
    words: /^\s*(git config --global --add safe\.directory .+)$/m,
    why: 'another user owns it',
    hint: (_, found) => found,
  },
  {
    words: /cannot use bare repository/,
    why: 'it is bare, and safe.bareRepository is "explicit"',
    hint: () => 'git config --global safe.bareRepository all',
  },
  {
    words: /bad config (?:line \d+|.*) in file (.+)/,
    hint: (local, found) => `git config --file ${quoted(path.resolve(local, found))} --edit`,
  },
  {
    words: /must be run in a work tree/,
    why: 'it is the folder that git keeps for a work tree',
    hint: local => `tdf submit --repo ${quoted(path.dirname(local))}`,
  },
  // A linked work tree whose repository was moved.
  { words: /not a git repository: (.+)/, hint: local => `git worktree repair ${quoted(local)}` },
  { words: /unknown repository extension|[Ee]xpected git repo version/, hint: () => 'git --version' },
]
