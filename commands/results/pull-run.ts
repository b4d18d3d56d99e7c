/** `tdf pull`: the commits of a task as a branch, without touching what is checked out. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import { resultRefOf } from '../../src/core/task.ts'
import { isSafeBranch } from '../../src/platform/git.ts'
import { unpackBundle } from '../../src/platform/objects/bundle.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { sanitize } from '../../src/text/sanitize.ts'
import { resultLine, savedText } from '../../src/text/tasks.ts'
import { type Cli, type Format, print, printJson, say } from '../cli/cli.ts'
import { branchName, clashingBranch, flatName, type Git, userGit } from '../cli/git.ts'
import { takeLarge } from './large.ts'
import { attemptOf, noteTaken } from './taken.ts'

/** How many commits of the user's repository are named to the daemon, so that it leaves out what is there already. */
const HAVE_MAX = 50
const FETCH_MS = 600_000

export interface PullOptions {
  branch?: string
  all?: boolean
}

/** A commit to fetch, and the branch of the user's repository that is to name it. */
interface Pick {
  branch: string
  commit: string
  ref: string
}

/** Throws NO_REPOSITORY, NO_RESULT or APPLY_CONFLICT; then no branch was made or moved. */
export async function pull(cli: Cli, reference: string, options: PullOptions, format: Format): Promise<void> {
  const git = userGit(cli, cli.cwd)
  if ((await git(['rev-parse', '--git-dir'])).exitCode !== 0) {
    throw new TdfError('NO_REPOSITORY', `${cli.cwd} is not a git repository`, { hint: 'tdf pull --help' })
  }
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const { result } = task
  if (!result) {
    const message = `task ${task.id} has no result: it is ${task.status}`
    throw new TdfError('NO_RESULT', message, { hint: `tdf why ${task.id}` })
  }
  const { branch: wanted } = options
  const named = wanted === undefined ? options : { ...options, branch: branchName(wanted) }
  const picks = picksOf(task, result, named)
  for (const { branch, commit } of picks) {
    if (!isSafeBranch(branch)) throw new TdfError('REF_UNSAFE', `"${branch}" cannot be the name of a branch`)
    await refuseCheckedOut(git, branch, commit)
    await refuseClash(git, task, branch)
  }
  await fetchObjects(cli, git, task, picks)
  await takeLarge(cli, git, cli.cwd, task)
  for (const pick of picks) await moveBranch(git, task, pick.branch, pick.commit)
  await noteTaken(cli, attemptOf(task), 'pulled')
  const [first] = picks
  const branch = first?.branch ?? result.branch
  const branches = picks.map(pick => pick.branch)
  if (format === 'json' || format === 'ndjson') return printJson(cli, { ...task, pulled: { branch, branches } })
  const isResult = first?.commit === result.commit
  const what = isResult ? resultLine({ ...task, result: { ...result, branch } }) : `came home beside ${result.branch}`
  say(cli, `${what}\n  look:  git log ${branch}\n  take:  git merge ${branch}`)
  const saved = options.all || !isResult ? null : savedText(task)
  if (saved) say(cli, `  beside it: ${saved}`)
  for (const name of branches) print(cli, name)
}

/** The result; with `--all` what is beside it too; or the one beside it that is asked for by name. */
function picksOf(task: TaskJson, result: NonNullable<TaskJson['result']>, { branch, all }: PullOptions): Pick[] {
  const named = task.saved.find(({ name }) => name === branch)
  if (named && branch !== undefined && !all) {
    const local = isSafeBranch(branch) ? branch : besideName(result.branch, named.name)
    return [{ branch: local, commit: named.commit, ref: named.ref }]
  }
  const main = branch ?? result.branch
  const beside = all ? task.saved.map(one => ({ ...one, branch: besideName(main, one.name) })) : []
  return [{ branch: main, commit: result.commit, ref: resultRefOf(task.id, task.attempt) }, ...beside]
}

const besideName = (branch: string, name: string) =>
  `${branch}-${name.replace(/[^\p{L}\p{N}_]+/gu, '-').replace(/^-+|-+$/g, '')}`

async function refuseCheckedOut(git: Git, branch: string, commit: string): Promise<void> {
  const ref = `refs/heads/${branch}`
  const trees = (await git(['worktree', 'list', '--porcelain'])).stdout
  if (!trees.split('\n').includes(`branch ${ref}`)) return
  if ((await git(['rev-parse', '--verify', '--quiet', ref])).stdout.trim() === commit) return
  throw new TdfError('APPLY_CONFLICT', `the branch ${branch} is checked out; it is not moved under your feet`, {
    hint: 'git switch -',
  })
}

async function refuseClash(git: Git, { id }: TaskJson, branch: string): Promise<void> {
  const other = await clashingBranch(git, branch)
  if (other === null) return
  throw new TdfError('APPLY_CONFLICT', `the branch ${branch} cannot be made where there is a branch ${other}`, {
    hint: `tdf pull ${id} --branch ${flatName(branch)}`,
  })
}

/** What the picks reach and the repository lacks; no branch is made or moved. */
export async function fetchObjects(cli: Cli, git: Git, task: TaskJson, picks: readonly Pick[]): Promise<void> {
  const tips = (await git(['rev-list', '--all', `--max-count=${HAVE_MAX}`])).stdout.split('\n').filter(Boolean)
  const base = task.repo.baseCommit
  const have = [...new Set([...(base && (await has(git, base)) ? [base] : []), ...tips])]
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-pull-'))
  try {
    const download = path.join(folder, 'result.bundle')
    const query = new URLSearchParams([
      ...have.map((oid): [string, string] => ['have', oid]),
      ...picks.map(({ ref }): [string, string] => ['ref', ref]),
    ])
    const reply = await cli
      .client()
      .raw({ path: `/tasks/${attemptOf(task)}/bundle?${query}`, download, timeoutMs: FETCH_MS })
    if (reply.status === 204) return
    const found = (await git(['rev-parse', '--git-path', 'objects'])).stdout.trimEnd()
    await unpackBundle(download, {
      objects: path.resolve(cli.cwd, found),
      git: (args, { env, ...more }) => git(args, env, more),
    }).catch(thrown => {
      throw broken(asTdfError(thrown).message)
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function moveBranch(git: Git, task: TaskJson, branch: string, commit: string): Promise<void> {
  const ref = `refs/heads/${branch}`
  const before = (await git(['rev-parse', '--verify', '--quiet', ref])).stdout.trim()
  if (before === commit) return
  if (before !== '' && (await git(['merge-base', '--is-ancestor', before, commit])).exitCode !== 0) {
    const message = `the branch ${branch} has commits of its own; it was left as it is`
    throw new TdfError('APPLY_CONFLICT', message, { hint: `tdf pull ${task.id} --branch ${branch}-2` })
  }
  const from = before || '0'.repeat(commit.length)
  const moved = await git(['update-ref', '--create-reflog', '-m', `tdf: task ${task.id}`, ref, commit, from])
  if (moved.exitCode !== 0) throw broken(moved.stderr)
}

async function has(git: Git, commit: string): Promise<boolean> {
  return (await git(['cat-file', '-e', `${commit}^{commit}`])).exitCode === 0
}

export function broken(stderr: string): TdfError {
  const why = sanitize(stderr).trim().split('\n').slice(0, 5).join('\n')
  return new TdfError('RESULT_BROKEN', `git did not take the result: ${why}`, { hint: 'git fsck' })
}
