/** `tdf fit`: each result against where its branch is by now; for a folder that is said from here, since the daemon opens none. */
import { existsSync } from 'node:fs'
import { TdfError } from '../../src/core/errors.ts'
import { isTerminal } from '../../src/core/task.ts'
import type { TaskJson } from '../../src/protocol/control.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { fitText } from '../../src/text/tasks.ts'
import { expand, idsOfGroup } from '../cli/arguments.ts'
import { type Cli, type Shape, say, usage } from '../cli/cli.ts'
import { readingGit } from '../cli/git.ts'
import { activityOf } from '../cli/progress/activity.ts'
import { type Column, printList } from '../cli/table.ts'
import { uploaded } from '../tasks/submit/bundle.ts'
import { attemptOf } from './taken.ts'

const RECENT_MAX = 200
const FIT_MS = 600_000

const COLUMNS: readonly Column<TaskJson>[] = [
  { title: 'ID', of: ({ id }) => id },
  { title: 'FIT', of: ({ fit }) => oneLine(fitText(fit)) },
  { title: 'ONTO', of: ({ fit }) => oneLine(fit?.onto.replace(/^refs\/heads\//, '') ?? '-') },
  { title: 'TITLE', of: ({ title }) => oneLine(title), flexible: true },
]

export interface Tip {
  /** The full name of the branch. */
  onto: string
  commit: string
  /** Of the upload that has it. */
  sha256: string
}

export interface FitOptions {
  onto?: string
  group?: string
}

/** Throws USAGE, NOT_FOUND, NO_RESULT, REF_UNKNOWN, or what the fetch of a url throws. */
export async function showFit(cli: Cli, references: string[], options: FitOptions, shape: Shape): Promise<void> {
  const { onto, group: name } = options
  if (name !== undefined && references.length > 0) throw usage('name tasks or a group, not both', 'tdf fit --help')
  const some = () => (references.length > 0 ? named(cli, references) : recent(cli))
  const tasks = name === undefined ? await some() : (await named(cli, await idsOfGroup(cli, name))).filter(hasResult)
  const isForPeople = shape.format === 'table' || shape.format === 'wide'
  if (tasks.length === 0 && isForPeople) return say(cli, `there is no result of this ${name ? 'group' : 'repository'}`)
  const fitted: TaskJson[] = []
  for (const group of bySource(tasks)) fitted.push(...(await fitGroup(cli, group, onto, shape)))
  printList(cli, shape, fitted, { columns: COLUMNS, id: ({ id }) => id })
}

export async function named(cli: Cli, references: string[]): Promise<TaskJson[]> {
  const all: TaskJson[] = []
  for (const reference of await expand(cli, references)) {
    all.push(await cli.client().call<TaskJson>({ path: `/tasks/${encodeURIComponent(reference)}` }))
  }
  return all
}

const hasResult = ({ status, result }: TaskJson) => isTerminal(status) && result !== null && result.ahead > 0

/** Results of the repository of the current folder; outside of one, of all. */
async function recent(cli: Cli): Promise<TaskJson[]> {
  const top = await readingGit(cli, cli.cwd)(['rev-parse', '--show-toplevel'])
  const here = top.exitCode === 0 ? top.stdout.slice(0, -1) : null
  const tasks = await cli.client().call<TaskJson[]>({ path: `/tasks?limit=${RECENT_MAX}` })
  const open = tasks.filter(hasResult)
  const own = open.filter(({ repo }) => repo.url === here)
  return own.length > 0 ? own : open.filter(({ repo }) => here === null || !existsSync(repo.url))
}

/** Of one repository, and of one branch where none is named for all. */
export function bySource(tasks: readonly TaskJson[]): TaskJson[][] {
  const groups = new Map<string, TaskJson[]>()
  for (const task of tasks) {
    const key = JSON.stringify([task.repo.url, task.repo.ref])
    groups.set(key, [...(groups.get(key) ?? []), task])
  }
  return [...groups.values()]
}

async function fitGroup(cli: Cli, group: TaskJson[], onto: string | undefined, shape: Shape): Promise<TaskJson[]> {
  const [first] = group
  const json = {
    tasks: group.map(attemptOf),
    ref: onto ?? null,
    tip: first && isFolder(first) ? await tipOf(cli, first, onto, shape) : null,
  }
  return cli.client().call<TaskJson[]>({ method: 'POST', path: '/fit', json, timeoutMs: FIT_MS })
}

export const isFolder = ({ repo }: Pick<TaskJson, 'repo'>) => repo.url.startsWith('/')

/** Where the branch of a folder is, which the daemon has then. Throws NO_REPOSITORY, USAGE or REF_UNKNOWN. */
export async function tipOf(
  cli: Cli,
  { id, repo }: TaskJson,
  given: string | undefined,
  shape: Pick<Shape, 'format'>,
): Promise<Tip> {
  if (!existsSync(repo.url)) {
    throw new TdfError('NO_REPOSITORY', `the folder ${repo.url} of task ${id} is not there`, { hint: `tdf pull ${id}` })
  }
  const onto = await branchOf(cli, repo, given)
  const found = await readingGit(
    cli,
    repo.url,
  )(['rev-parse', '--verify', '--quiet', '--end-of-options', `${onto}^{commit}`])
  const commit = found.stdout.trim()
  if (found.exitCode !== 0) {
    throw new TdfError('REF_UNKNOWN', `${repo.url} has no branch "${onto.replace(/^refs\/heads\//, '')}"`, {
      hint: `git -C ${repo.url} branch --all`,
    })
  }
  const activity = activityOf(cli, shape.format)
  try {
    const beside = { refs: new Map(), objects: new Set<string>() }
    const { sha256 } = await uploaded(cli, repo.url, { commit, name: onto, beside }, activity)
    return { onto, commit, sha256 }
  } finally {
    activity.end()
  }
}

/** The full name of the branch that is meant: named, or the one that the task began from. Throws USAGE where there is none. */
async function branchOf(cli: Cli, { url, ref }: TaskJson['repo'], given: string | undefined): Promise<string> {
  const wanted = given ?? ref ?? 'HEAD'
  if (wanted.startsWith('refs/heads/')) return wanted
  const full = await readingGit(cli, url)(['rev-parse', '--symbolic-full-name', '--end-of-options', wanted])
  const name = full.stdout.split('\n').find(line => line.startsWith('refs/heads/'))
  if (name !== undefined) return name
  throw new TdfError('USAGE', `"${wanted}" is no branch of ${url}; name one by --onto`, { hint: 'tdf fit --onto main' })
}
