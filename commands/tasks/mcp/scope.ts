/**
 * What this server may do: its repositories, how many tasks, for how much. Counted from the tasks that the daemon has, so that
 * it holds when the server is started again.
 */
import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { collected, pages } from '../../../src/clients/pages.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { isOver } from '../../../src/core/task.ts'
import { isRepositoryUrl } from '../../../src/platform/git.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { SERVER_LABEL } from '../../../src/protocol/submit.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { counted } from '../../../src/text/tasks.ts'
import { asksPermission } from '../../../src/text/waiting.ts'
import { type Call, type Door, patiently, placeOf } from './door.ts'

/** Throws FORBIDDEN for a repository that is not among those of `--repo`. */
export function refuseRepository(door: Door, repository: string): void {
  const { repo: allowed } = door.options
  if (allowed.length === 0 || allowed.some(one => isIn(door, repository, one))) return
  const message = `this server may work on ${allowed.join(', ')} alone, and ${oneLine(repository)} is none of them`
  throw new TdfError('FORBIDDEN', message, { hint: 'tdf mcp --help' })
}

function isIn(door: Door, repository: string, allowed: string): boolean {
  const [one, other] = [repository, allowed].map(name => placed(door, name))
  if (one === undefined || other === undefined) return urlOf(repository) === urlOf(allowed)
  const way = path.relative(other, one)
  return way === '' || !(way === '..' || way.startsWith('../') || path.isAbsolute(way))
}

/** Where a folder really is; undefined for a url. */
function placed(door: Door, repository: string): string | undefined {
  const place = placeOf(door, repository)
  if (!existsSync(place) && isRepositoryUrl(repository) && !repository.startsWith('file:')) return undefined
  try {
    return realpathSync(place)
  } catch {
    return place
  }
}

const urlOf = (repository: string) => repository.replace(/\/+$/, '').replace(/\.git$/, '')

/** Throws FORBIDDEN for a task that this server may look at and not change. */
export function refuseForeign(door: Door, task: TaskJson): void {
  const { maxTasks, maxCost } = door.options
  const isOwn = task.labels[SERVER_LABEL] === door.labels[SERVER_LABEL]
  if ((maxTasks !== undefined || maxCost !== undefined) && !isOwn) {
    const message = `this server has limits, so that it changes the tasks that it submitted alone, and ${task.id} is none of them`
    throw new TdfError('FORBIDDEN', message, { hint: ownTasks(door) })
  }
  refuseRepository(door, task.repo.url)
}

/** Throws FORBIDDEN for a group with tasks that this server did not submit: who waits for that, or cancels it, means those. */
export async function refuseGroup(door: Door, name: string): Promise<void> {
  const query = new URLSearchParams({ group: name })
  const members = await collected(pages<TaskJson>(door.cli.client(), '/tasks', query), task => task)
  if (members.every(({ labels }) => labels[SERVER_LABEL] === door.labels[SERVER_LABEL])) return
  const message = `the group ${name} has tasks that this server did not submit; name another`
  throw new TdfError('FORBIDDEN', message, { hint: `tdf ls --group ${name}` })
}

/** Throws FORBIDDEN for words that would answer what the agent of a task asks its user. */
export function refuseAnswer(door: Door, task: TaskJson, text: string): void {
  if (door.options.mayAnswer === true) return
  // A question that comes up meanwhile would be answered by these.
  const isYes = /^(?:allow|yes)$/i.test(text.trim())
  if (!asksPermission(task) && !isYes) return
  const message = `the agent of task ${task.id} asks its user for a permission, which this server may not answer`
  throw new TdfError(
    'FORBIDDEN',
    isYes && !asksPermission(task) ? `"${text.trim()}" is an answer to an agent that asks for a permission` : message,
    {
      hint: `tdf send ${task.id} allow`,
    },
  )
}

/**
 * Calls `submit` unless one more task is too many or its share too much; one after the other, so that each is counted before the next.
 * Throws FORBIDDEN.
 */
export function withinLimits<T>(
  door: Door,
  call: Pick<Call, 'until' | 'signal'>,
  shareUsd: number | undefined,
  submit: () => Promise<T>,
): Promise<T> {
  const { maxTasks, maxCost } = door.options
  if (maxTasks === undefined && maxCost === undefined) return submit()
  const next = door.counted.then(async () => {
    const own = await ownOf(door, call)
    if (maxTasks !== undefined && own.length >= maxTasks) {
      const message = `this server may submit ${counted(maxTasks, 'task')} in all, and has`
      throw new TdfError('FORBIDDEN', message, { hint: ownTasks(door) })
    }
    if (maxCost !== undefined) refuseShare(door, maxCost, own, shareUsd)
    return submit()
  })
  door.counted = next.catch(() => {})
  return next
}

/** The same for a task that goes on, whose own share is counted anew. */
export async function refuseMore(door: Door, call: Call, task: TaskJson, shareUsd: number | undefined): Promise<void> {
  const { maxCost } = door.options
  if (maxCost === undefined) return
  const others = (await ownOf(door, call)).filter(({ id }) => id !== task.id)
  refuseShare(door, maxCost, others, shareUsd ?? task.maxCostUsd ?? undefined)
}

function refuseShare(door: Door, maxCost: number, tasks: readonly TaskJson[], shareUsd: number | undefined): void {
  const leftUsd = Math.max(maxCost - tasks.reduce((sum, task) => sum + committedUsd(task), 0), 0)
  if (shareUsd !== undefined && shareUsd <= leftUsd) return
  const left = `of the $${maxCost.toFixed(2)} that the tasks of this server may cost in all, $${leftUsd.toFixed(2)} are left`
  const message =
    shareUsd === undefined
      ? `${left}; say by max_cost what this task may cost`
      : `${left}, and this task asks for $${shareUsd.toFixed(2)}`
  throw new TdfError('FORBIDDEN', message, { hint: ownTasks(door) })
}

/** What it has cost, or may still cost. */
function committedUsd(task: TaskJson): number {
  const spentUsd = task.totalUsage?.costUsd ?? null
  const limitUsd = task.maxCostUsd ?? 0
  if (isOver(task) && task.totalUsage === null) return 0
  return spentUsd === null ? limitUsd : isOver(task) ? spentUsd : Math.max(spentUsd, limitUsd)
}

function ownOf(door: Door, call: Pick<Call, 'until' | 'signal'>): Promise<TaskJson[]> {
  const query = new URLSearchParams({ label: `${SERVER_LABEL}=${door.labels[SERVER_LABEL]}` })
  return patiently(door, call, () => collected(pages<TaskJson>(door.cli.client(), '/tasks', query), task => task))
}

const ownTasks = ({ labels }: Door) => `tdf ls --all --label ${SERVER_LABEL}=${labels[SERVER_LABEL]}`
