/**
 * A template of a task: options between two `---` lines at the top, as YAML, and below them the prompt, with `{{name}}` where a value
 * is filled in. Strict: an unknown option, and a variable without a value, are refused with their place.
 */
import { TdfError } from '../../core/errors.ts'
import { type Fault, readFrontMatter } from './front-matter.ts'
import type { TaskOptions } from './options.ts'

export interface Rendered {
  options: TaskOptions
  prompt: string
  /** The variables that stand in it. */
  variables: string[]
}

/** Of the file in characters. */
export const TEMPLATE_CHARS_MAX = 512 * 1024
const FAULTS_SHOWN_MAX = 20
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/
/** Braces that stay are written `\{{`. */
const BRACES = /(\\)?\{\{(?:([^{}\n]*)\}\})?/g

/**
 * `text` with the values of its variables in place of their names, in the prompt and the title alone: a value is text wherever it
 * comes from, and sets no option. `file` is what messages call it. Throws TEMPLATE_INVALID with every place that is wrong.
 */
export function renderTemplate(file: string, text: string, values: Readonly<Record<string, string>>): Rendered {
  if (text.length > TEMPLATE_CHARS_MAX) {
    throw new TdfError('TEMPLATE_INVALID', `${file} has ${text.length} characters; at most ${TEMPLATE_CHARS_MAX}`)
  }
  const whole = text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n')
  const faults: Fault[] = []
  const { head, headAt, body, bodyAt } = partsOf(whole, faults)
  const inHead: Fault[] = []
  const options = readFrontMatter(head, inHead)
  faults.push(...inHead.map(({ offset, message }) => ({ offset: headAt + offset, message })))
  const names = new Set<string>()
  const fill = (part: string, at: number) => filled(part, at, { values, names, faults })
  const prompt = fill(body, bodyAt).trim()
  const { title } = options
  const titled = title === undefined ? {} : { title: fill(title, headAt + Math.max(head.indexOf(title), 0)) }
  if (prompt === '' && options.command === undefined) faults.push({ offset: bodyAt, message: 'there is no prompt' })
  if (faults.length > 0) throw invalid(file, whole, faults)
  return { options: { ...options, ...titled }, prompt, variables: [...names] }
}

interface Parts {
  head: string
  headAt: number
  body: string
  bodyAt: number
}

function partsOf(text: string, faults: Fault[]): Parts {
  const opened = /^---[ \t]*\n/.exec(text)?.[0]
  if (opened === undefined) return { head: '', headAt: 0, body: text, bodyAt: 0 }
  const closing = /^---[ \t]*(?:\n|$)/m
  const rest = text.slice(opened.length)
  const closed = closing.exec(rest)
  if (closed === null) faults.push({ offset: 0, message: 'there is no second "---" line after the options' })
  const end = closed?.index ?? rest.length
  const bodyAt = opened.length + end + (closed?.[0].length ?? 0)
  return { head: rest.slice(0, end), headAt: opened.length, body: text.slice(bodyAt), bodyAt }
}

interface Filling {
  values: Readonly<Record<string, string>>
  /** Gets the variables that were met. */
  names: Set<string>
  faults: Fault[]
}

function filled(part: string, at: number, { values, names, faults }: Filling): string {
  return part.replace(BRACES, (found: string, kept: string | undefined, inner: string | undefined, index: number) => {
    if (kept !== undefined) return found.slice(1)
    const name = inner?.trim() ?? ''
    const offset = at + index
    if (!VARIABLE.test(name)) {
      faults.push({ offset, message: 'these braces hold no name of a variable; write \\{{ where they are to stay' })
      return found
    }
    names.add(name)
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined) faults.push({ offset, message: `the variable "${name}" has no value` })
    return value ?? found
  })
}

function invalid(file: string, text: string, faults: readonly Fault[]): TdfError {
  const sorted = faults.toSorted((one, other) => one.offset - other.offset)
  const lines = sorted
    .slice(0, FAULTS_SHOWN_MAX)
    .map(({ offset, message }) => `${file}:${placeOf(text, offset)}: ${message}`)
  if (sorted.length > lines.length) lines.push(`… and ${sorted.length - lines.length} more`)
  return new TdfError('TEMPLATE_INVALID', lines.join('\n'))
}

/** `LINE:COLUMN`, both counted from 1. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n')
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
}
