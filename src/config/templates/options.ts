/**
 * The options of a task as they stand in a file: in a line of `tdf submit --file`, and in camelCase; at the top of a template, and as on
 * the command line, without the dashes before them.
 */
import { parseDuration } from '../../core/duration.ts'
import { AFTER_CONDITIONS, AT_LIMIT, ON_FAILED, PULL_GOALS } from '../../core/source.ts'

type Check<T> = (value: unknown) => value is T

const isText = (value: unknown): value is string => typeof value === 'string'
const isKey = (value: unknown): value is string => isText(value) && value.trim() !== ''
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
const isWhole = (value: unknown): value is number => Number.isInteger(value)
const isRounds = (value: unknown): value is number => isWhole(value) && value > 0
const isAmount = (value: unknown): value is number => typeof value === 'number' && value > 0 && value <= 1_000_000
const isTextOrNone = (value: unknown): value is string | false => isText(value) || value === false
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isKey)
const isNamesOrNone = (value: unknown): value is string[] | false => value === false || isTexts(value)
const isWords = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && isKey(value[0]) && value.every(isText)
const isDuration = (value: unknown): value is string => isText(value) && (parseDuration(value) ?? 0) > 0
const isLabels = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText)
const isOneOf =
  <const W extends string>(words: readonly W[]): Check<W> =>
  (value): value is W =>
    words.some(word => word === value)

const row = <T>(check: Check<T>, what: string): [check: Check<T>, what: string] => [check, what]
const text = row(isText, 'a string')
const flag = row(isFlag, 'true or false')
const PERMISSIONS = ['allow', 'deny', 'ask'] as const

/** What each must be, in words that complete "must be …". */
export const TASK_OPTIONS = {
  title: text,
  repo: text,
  ref: text,
  agent: text,
  model: text,
  setup: row(isTextOrNone, 'a string, or false for none'),
  check: row(isTextOrNone, 'a string, or false for none'),
  node: text,
  provider: text,
  size: text,
  location: text,
  outputBranch: text,
  remote: text,
  timeout: row(isDuration, 'a duration such as "45m"'),
  command: row(isWords, 'a list of strings'),
  labels: row(isLabels, 'an object of strings'),
  priority: row(isWhole, 'a whole number'),
  artifacts: row(isTexts, 'a list of strings'),
  dirty: flag,
  interactive: flag,
  push: flag,
  pr: flag,
  until: row(isOneOf(PULL_GOALS), PULL_GOALS.join(' or ')),
  rounds: row(isRounds, 'a whole number from 1 on'),
  maxCost: row(isAmount, 'an amount in USD, such as 2.50'),
  atLimit: row(isOneOf(AT_LIMIT), AT_LIMIT.join(' or ')),
  permissions: row(isOneOf(PERMISSIONS), PERMISSIONS.join(', ')),
  autoResume: flag,
  fallback: row(isNamesOrNone, 'a list of agents, or false'),
}

/** What a line of a file may say beside them: by what others name it, and what it comes after. */
export const LINE_OPTIONS = {
  prompt: text,
  key: row(isKey, 'a string that is not empty'),
  idempotencyKey: row(isKey, 'a string that is not empty'),
  after: row(isNames, 'a key or an id, or a list of them'),
  from: row(isNames, 'a key or an id, or a list of them'),
  if: row(isOneOf(AFTER_CONDITIONS), AFTER_CONDITIONS.join(' or ')),
  onFailed: row(isOneOf(ON_FAILED), ON_FAILED.join(' or ')),
}

type ValuesOf<Rows> = { [K in keyof Rows]?: Rows[K] extends [Check<infer T>, string] ? T : never }

export type TaskOptions = ValuesOf<typeof TASK_OPTIONS>
export type LineOptions = ValuesOf<typeof LINE_OPTIONS> & TaskOptions

function isNames(value: unknown): value is string | string[] {
  return isKey(value) || (isTexts(value) && value.length > 0)
}
