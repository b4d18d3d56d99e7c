/** `diff`, `apply` and `shell` at work. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { resultRefOf } from '../../src/core/task.ts'
import { runForeground } from '../../src/platform/process.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { counted } from '../../src/text/tasks.ts'
import { type Cli, type Format, print, printJson, say } from '../cli/cli.ts'
import { paintedDiff, paintOf } from '../cli/colour.ts'
import { type Git, plainEnv, userGit } from '../cli/git.ts'
import { takeLarge } from './large.ts'
import { fetchObjects } from './pull-run.ts'
import { attemptOf, noteTaken } from './taken.ts'

const FETCH_MS = 600_000
/** Bytes as the task wrote them, whatever the user's `apply.whitespace` says. */
const APPLY = ['apply', '--whitespace=nowarn']

export async function diff(cli: Cli, reference: string, stat: boolean, format: Format): Promise<void> {
  if (format === 'json' || format === 'ndjson') return diffJson(cli, reference, stat)
  await withPatch(cli, reference, stat, async file => {
    const patch = await readFile(file)
    await new Promise<void>((resolve, reject) => {
      const paint = paintOf(cli, cli.stdout)
      const isSeen = cli.stdout.isTTY || paint !== undefined
      const text = isSeen ? paintedDiff(sanitize(patch.toString('utf8')), paint) : patch
      cli.stdout.write(text, error => (error ? reject(error) : resolve()))
    })
  })
}

/** `{"taskId","attempt","baseCommit","commit","branch","patch","stat"}`: of the last two the one that was asked for. */
async function diffJson(cli: Cli, reference: string, stat: boolean): Promise<void> {
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  await withPatch(cli, task.id, stat, async file => {
    const text = await readFile(file, 'utf8')
    printJson(cli, {
      taskId: task.id,
      attempt: task.attempt,
      baseCommit: task.repo.baseCommit,
      commit: task.result?.commit ?? null,
      branch: task.result?.branch ?? null,
      patch: stat ? null : text,
      stat: stat ? text : null,
    })
  })
}

/**
 * All of it or nothing: a patch that does not fit changes no file. With `isMerging` git merges what does not fit and leaves the
 * marks of a conflict in the files. Throws APPLY_CONFLICT.
 */
export async function apply(cli: Cli, reference: string, isMerging: boolean, format: Format): Promise<void> {
  const task = await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` })
  const git = userGit(cli, cli.cwd)
  const top = await git(['rev-parse', '--show-toplevel'])
  if (top.exitCode !== 0)
    throw new TdfError('NO_REPOSITORY', `${cli.cwd} is not a git work tree`, { hint: 'tdf apply --help' })
  await withPatch(cli, attemptOf(task), false, async file => {
    const inTop = userGit(cli, top.stdout.trimEnd())
    await takeLarge(cli, git, cli.cwd, task)
    if ((await readFile(file)).length > 0) {
      const fits = await inTop([...APPLY, '--check', file])
      if (fits.exitCode !== 0 && !isMerging) {
        throw new TdfError(
          'APPLY_CONFLICT',
          `the changes do not fit here, and nothing was touched:\n${firstOf(fits)}`,
          {
            hint: `tdf apply ${attemptOf(task)} --3way`,
          },
        )
      }
      if (fits.exitCode === 0) {
        const applied = await inTop([...APPLY, file])
        if (applied.exitCode !== 0) throw new TdfError('APPLY_CONFLICT', sanitize(applied.stderr).trim())
      } else await mergeInto(cli, inTop, task, file)
    }
    await noteTaken(cli, attemptOf(task), 'applied')
    if (format === 'json' || format === 'ndjson') return printJson(cli, task)
    const files = task.result?.filesChanged ?? 0
    say(cli, files === 0 ? 'there was nothing to apply' : `applied to ${counted(files, 'file')}, uncommitted`)
    print(cli, task.id)
  })
}

const firstOf = ({ stderr }: { stderr: string }) => sanitize(stderr).trim().split('\n').slice(0, 5).join('\n')

/**
 * By `git apply --3way`, which needs what the patch was made from: the objects come first. Throws APPLY_CONFLICT when it leaves marks,
 * or when files that it would change are changed already; then nothing was touched.
 */
async function mergeInto(cli: Cli, git: Git, task: TaskJson, file: string): Promise<void> {
  const { result } = task
  if (!result) return
  await fetchObjects(cli, git, task, [
    { branch: result.branch, commit: result.commit, ref: resultRefOf(task.id, task.attempt) },
  ])
  const merged = await git([...APPLY, '--3way', file])
  if (merged.exitCode === 0) return
  const unmerged = (await git(['diff', '--name-only', '--diff-filter=U', '-z'])).stdout.split('\0').filter(Boolean)
  if (unmerged.length === 0) {
    throw new TdfError(
      'APPLY_CONFLICT',
      `the changes cannot be merged here, and nothing was touched:\n${firstOf(merged)}`,
      {
        hint: `tdf pull ${task.id}`,
      },
    )
  }
  const files = unmerged.map(oneLine).join(', ')
  const message = `applied, with conflicts to resolve in ${files}`
  throw new TdfError('APPLY_CONFLICT', message, { hint: 'git status' })
}

async function withPatch(cli: Cli, reference: string, stat: boolean, use: (file: string) => Promise<void>) {
  const folder = await mkdtemp(path.join(tmpdir(), 'tdf-diff-'))
  try {
    const download = path.join(folder, 'patch')
    const request = `/tasks/${encodeURIComponent(reference)}/diff${stat ? '?stat=true' : ''}`
    await cli.client().raw({ path: request, download, timeoutMs: FETCH_MS })
    await use(download)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs the command that the daemon names, which finds its folder itself; its exit code is ours. */
export async function shell(cli: Cli, reference: string): Promise<void> {
  const path = `/tasks/${encodeURIComponent(reference)}/shell`
  const { command } = await cli.client().call<{ command: string[] }>({ path })
  const [file = 'sh', ...args] = command
  cli.exitCode = await runForeground(file, args, { cwd: '/', env: plainEnv(cli) })
}
