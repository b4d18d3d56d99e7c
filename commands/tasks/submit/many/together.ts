/**
 * Tasks that are submitted together, all of them or none: the lines of a file that name each other, a task for each line of a list, and
 * what is put into a group.
 */
import { createHash } from 'node:crypto'
import type { Command } from 'commander'
import { TdfError } from '../../../../src/core/errors.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { BatchBody, SubmitBody } from '../../../../src/protocol/submit.ts'
import { type Cli, durationOf, usage } from '../../../cli/cli.ts'
import { takenBefore } from '../continue.ts'
import type { Taken } from '../repository.ts'
import { type Line, refuseBase, type SubmitOptions, sayPassedOver, submitBody } from '../request.ts'
import { allowSetup, withRepositoryFile } from '../setup.ts'

type Take = (options: SubmitOptions) => Promise<Taken>

/** Whether a line is more than a task by itself. */
export const isLinked = ({ key, options }: Line) => key !== null || Boolean(options.after ?? options.from)

/** Answers in the order of the lines. Throws before anything is stored, naming file and line. */
export async function submitTogether(
  cli: Cli,
  lines: readonly Line[],
  options: SubmitOptions,
  { command, where, take }: { command: Command; where: string; take: Take },
): Promise<TaskJson[]> {
  const ordered = inOrder(lines, where)
  const takenOf = new Map<string | null, Taken>()
  const tasks: BatchBody['tasks'] = []
  for (const line of ordered) {
    const taken = await takenFor(cli, line, takenOf, take)
    if (line.key !== null) takenOf.set(line.key, taken)
    await allowSetup(cli, command, taken.setup, line.options)
    const body = await bodyOf(cli, line, taken)
    const idempotencyKey = line.options.idempotencyKey ?? keyOf(options, line.number)
    tasks.push({ ...body, key: line.key, idempotencyKey, fromCompleted: line.isReduce === true })
  }
  const json: BatchBody = { group: groupOf(options), tasks }
  try {
    const submitted = await cli.client().call<TaskJson[]>({ method: 'POST', path: '/tasks/batch', json })
    cli.submitted.push(...submitted.map(({ id }) => id))
    sayPassedOver(cli, submitted)
    const byLine = new Map(ordered.map((line, index) => [line, submitted[index]]))
    return lines.flatMap(line => byLine.get(line) ?? [])
  } catch (thrown) {
    throw named(thrown, ordered, where)
  }
}

const keyOf = ({ idempotencyKey }: SubmitOptions, number: number) =>
  idempotencyKey === undefined ? null : `${idempotencyKey}-${number}`

/** One task into its group. */
export async function postInGroup(cli: Cli, body: SubmitBody, idempotencyKey: string | null, options: SubmitOptions) {
  const json: BatchBody = { group: groupOf(options), tasks: [{ ...body, key: null, idempotencyKey }] }
  const [task] = await cli.client().call<[TaskJson]>({ method: 'POST', path: '/tasks/batch', json })
  cli.submitted.push(task.id)
  return task
}

/** For a plan: what names other lines is checked, and each is a task by itself. */
export function unlinked(lines: readonly Line[], where: string): Line[] {
  inOrder(lines, where)
  return lines.map(
    ({ options: { after: _after, from: _from, if: _if, onFailed: _onFailed, ...options }, ...line }) => ({
      ...line,
      options,
    }),
  )
}

function groupOf({ group, each, atMost }: SubmitOptions): BatchBody['group'] {
  return group === undefined ? null : { name: group, kind: each === undefined ? 'set' : 'each', atMost: atMost ?? null }
}

async function bodyOf(cli: Cli, { prompt, command, options }: Line, taken: Taken): Promise<SubmitBody> {
  const { repo, author, remote, setup } = taken
  const timeoutMs = options.timeout === undefined ? null : durationOf(options.timeout, 'timeout')
  const whole = await withRepositoryFile(cli, setup, options)
  return submitBody({ prompt, command, repo, author, remote, timeoutMs, options: whole })
}

/** One that begins from the work of another has its repository. */
async function takenFor(cli: Cli, { options, own }: Line, known: ReadonlyMap<string | null, Taken>, take: Take) {
  const [before] = options.from ?? []
  if (before === undefined) return take(options)
  refuseBase(own ?? {})
  const other = known.get(before)
  return other ? { ...other, repo: { kind: 'result' as const, ref: null } } : takenBefore(cli, before)
}

/** Each behind those that it names. Throws USAGE for a key that is there twice, and for lines that wait for each other. */
function inOrder(lines: readonly Line[], where: string): Line[] {
  const byKey = new Map<string, Line>()
  for (const line of lines) {
    if (line.key === null) continue
    if (byKey.has(line.key)) throw wrong(where, line, `the key "${line.key}" is there twice`)
    byKey.set(line.key, line)
  }
  const placed = new Set<Line>()
  const next = (line: Line) => [...(line.options.after ?? []), ...(line.options.from ?? [])]
  let left = [...lines]
  while (left.length > 0) {
    const isFree = (line: Line) => next(line).every(key => !byKey.has(key) || placed.has(byKey.get(key) as Line))
    const free = left.filter(isFree)
    const [stuck] = left
    if (free.length === 0 && stuck) throw wrong(where, stuck, 'it waits for itself, by the tasks that it names')
    for (const line of free) placed.add(line)
    left = left.filter(line => !placed.has(line))
  }
  return [...placed]
}

const wrong = (where: string, { number }: Line, why: string) => usage(`${where}:${number}: ${why}`, 'tdf submit --help')

function named(thrown: unknown, ordered: readonly Line[], where: string): unknown {
  if (!(thrown instanceof TdfError)) return thrown
  const line = ordered[Number(/^tasks\.(\d+)/.exec(thrown.field ?? '')?.[1] ?? Number.NaN)]
  if (!line) return thrown
  const message = `${where}:${line.number}: ${thrown.message}; nothing was submitted`
  return new TdfError(thrown.code, message, { hint: thrown.hint })
}

/** In a group whose name nobody gave: the same words in the same folder name the same one. */
export function groupName(cli: Cli, { group, repo }: SubmitOptions, words: string): string {
  const text = JSON.stringify([words, repo ?? cli.cwd])
  return group ?? `each-${createHash('sha256').update(text).digest('hex').slice(0, 10)}`
}

/** No line of a list is called so. */
const REDUCE = '\nreduce'

/** A task for each line that is not empty, once each; and one after all of them, from the work of those that are completed. */
export function linesOfList(
  text: string,
  where: string,
  { prompt, command }: { prompt: string; command: string[] | null },
  options: SubmitOptions,
): Line[] {
  const words = [prompt, ...(command ?? [])]
  if (!words.some(word => word.includes('{}')))
    throw usage('--each: the prompt has no {} for the line', 'tdf submit --help')
  const { reduce, ...shared } = options
  const items = [...new Set(text.split('\n').map(line => line.trim()))].filter(Boolean)
  const lines = items.map((item, index): Line => {
    const filled = (word: string) => word.replaceAll('{}', () => item)
    const filledIn = { prompt: filled(prompt), command: command?.map(filled) ?? null }
    return { number: index + 1, key: item, ...filledIn, options: shared }
  })
  if (lines.length === 0) throw usage(`--each: ${where} has no line`, 'tdf submit --help')
  if (reduce === undefined) return lines
  const from = lines.flatMap(({ key }) => key ?? [])
  const last = { ...shared, from, if: 'ended' as const }
  return [...lines, { number: 0, key: REDUCE, prompt: reduce, command: null, options: last, isReduce: true }]
}
