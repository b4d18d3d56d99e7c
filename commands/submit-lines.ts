/** The lines of a file of tasks, checked as a whole before the first is submitted. */
import { nearest } from '../src/config/nearest.ts'
import { usage } from './cli.ts'
import type { SubmitOptions } from './submit-body.ts'

export interface Line {
  /** Counted from 1, as editors do. */
  number: number
  prompt: string
  command: string[] | null
  options: SubmitOptions
}

type Check = (value: unknown) => boolean

const isText: Check = value => typeof value === 'string'
const isFlag: Check = value => typeof value === 'boolean'
const isWhole: Check = value => Number.isInteger(value)
const isWords: Check = value => Array.isArray(value) && value.length > 0 && value.every(isText)
const isLabels: Check = value =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText)

/** The keys of a line: what they are called, and what they must be. */
const KEYS: Record<string, [check: Check, what: string]> = {
  ...Object.fromEntries(
    [
      ...['prompt', 'title', 'repo', 'ref', 'agent', 'model', 'setup', 'check', 'node', 'provider', 'size'],
      ...['location', 'timeout', 'outputBranch', 'idempotencyKey', 'remote'],
    ].map(key => [key, [isText, 'a string']] as const),
  ),
  command: [isWords, 'a list of strings'],
  labels: [isLabels, 'an object of strings'],
  priority: [isWhole, 'a whole number'],
  dirty: [isFlag, 'true or false'],
  interactive: [isFlag, 'true or false'],
  push: [isFlag, 'true or false'],
  pr: [isFlag, 'true or false'],
}

/** Throws USAGE with file and line of the first that is wrong; blank lines are skipped. */
export function parseLines(text: string, file: string, defaults: SubmitOptions): Line[] {
  const lines = text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [{ line, number: index + 1 }]))
  if (lines.length === 0) throw usage(`${file} holds no task`, 'tdf submit --help')
  // Only the options of one task are handed on; those of the command itself are read where it runs.
  const { wait, follow, waitTimeout, dryRun, idempotencyKey, file: _file, ...shared } = defaults
  return lines.map(({ line, number }) => {
    const { prompt = '', command = null, labels, ...own } = checked(line, `${file}:${number}`)
    const options = { ...shared, ...own, label: { ...shared.label, ...labels } }
    if (prompt === '' && command === null) throw usage(`${file}:${number}: there is no prompt`, 'tdf submit --help')
    return { number, prompt, command, options }
  })
}

type Fields = Partial<SubmitOptions> & { prompt?: string; command?: string[]; labels?: Record<string, string> }

function checked(line: string, where: string): Fields {
  const fields = parsed(line, where)
  for (const [key, value] of Object.entries(fields)) {
    const known = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
    if (!known) {
      const meant = nearest(key, Object.keys(KEYS))
      throw usage(`${where}: unknown key "${key}"${meant ? ` (did you mean "${meant}"?)` : ''}`, 'tdf submit --help')
    }
    if (!known[0](value)) throw usage(`${where}: ${key} must be ${known[1]}`, 'tdf submit --help')
  }
  // Every key was checked against the table above.
  return fields as Fields
}

function parsed(line: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, in the same words.
  }
  throw usage(`${where}: this is no JSON object`, 'tdf submit --help')
}
