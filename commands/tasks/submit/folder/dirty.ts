/** `--dirty`: the working tree as a commit on top of HEAD, made with an index of our own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../../../src/core/errors.ts'
import { hasLfs, NO_PROGRAM } from '../../../../src/platform/objects/lfs.ts'
import { quoted } from '../../../cli/arguments.ts'
import type { Cli } from '../../../cli/cli.ts'
import { type Git, readingGit, runner } from '../../../cli/git.ts'
import { must } from '../bundle.ts'

type Author = { name: string; email: string } | null

/**
 * `commit` itself when the working tree is as it has it. The same tree on the same commit gives the same id, at any time.
 * Throws USAGE when HEAD is elsewhere, REPOSITORY_UNREADABLE when git does not take the files.
 */
export async function dirtyCommit(cli: Cli, top: string, commit: string, author: Author): Promise<string> {
  const git = readingGit(cli, top)
  const head = must(await git(['rev-list', '--max-count=1', '--format=%T %cI', 'HEAD']), 'rev-list')
  const [, standsOn, committed, date = ''] = /^commit (\S+)\n(\S+) (.*)\n/.exec(head) ?? []
  if (standsOn !== commit) {
    throw new TdfError('USAGE', `--dirty takes the working tree, which stands on HEAD and not on ${commit}`, {
      hint: `git -C ${quoted(top)} checkout ${commit}`,
    })
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-index-'))
  try {
    const env = { GIT_INDEX_FILE: path.join(folder, 'index') }
    must(await git(['read-tree', 'HEAD'], env), 'read-tree')
    const added = await git(['add', '--all', '--', ':/'], env)
    if (added.exitCode !== 0) throw (await notAdded(git, top, added.stderr)) ?? must(added, 'add')
    const tree = must(await git(['write-tree'], env), 'write-tree').trim()
    if (tree === committed) return commit
    const args = ['commit-tree', tree, '-p', commit, '-m', 'Uncommitted changes at submit']
    return must(await git(args, identityEnv(author, date)), 'commit-tree').trim()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A required filter that cannot run, such as that of Git LFS where the program is missing; else undefined. */
async function notAdded(git: Git, top: string, stderr: string): Promise<TdfError | undefined> {
  const filter = /clean filter '(.+)' failed/.exec(stderr)?.[1] ?? (await processIn(git, stderr))
  if (filter === undefined) return undefined
  const isMissing = filter === 'lfs' && !(await hasLfs(runner(git)))
  const why = isMissing ? NO_PROGRAM : (stderr.trim().split('\n')[0] ?? '')
  const message = `--dirty cannot take the files along, since their clean filter "${filter}" failed: ${why}`
  const shown = `git -C ${quoted(top)} config --get-regexp ${quoted(`^filter\\.${filter}\\.`)}`
  const install = isMissing ? 'sudo apt-get install git-lfs' : 'git lfs install'
  return new TdfError('REPOSITORY_UNREADABLE', message, { hint: filter === 'lfs' ? install : shown })
}

/** One program filters all files (gitattributes(5), filter.<driver>.process): git says that it has ended, and the shell names it. */
async function processIn(git: Git, stderr: string): Promise<string | undefined> {
  const { stdout } = await git(['config', '-z', '--get-regexp', '^filter\\..*\\.process$'])
  const set = stdout.split('\0').map(entry => /^filter\.(.*)\.process\n\s*(\S+)/s.exec(entry) ?? [])
  return set.find(([, , program]) => program !== undefined && stderr.includes(program))?.[1]
}

/** git refuses to guess who somebody is; for a commit of ours it need not. */
function identityEnv(author: Author, date: string): Record<string, string> {
  const { name, email } = author ?? { name: 'tdf', email: 'tdf@localhost' }
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  }
}
