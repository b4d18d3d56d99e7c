/** The options between the two `---` lines at the top of a template: YAML, each held against what it must be. */
import { isAlias, isMap, isScalar, type Node, parseDocument, visit } from 'yaml'
import { nearest } from '../load/suggest.ts'
import { TASK_OPTIONS, type TaskOptions } from './options.ts'

/** Something that is wrong, at its place in the file; counted in characters from 0. */
export interface Fault {
  offset: number
  message: string
}

/** `maxCost` is `max-cost` there. */
const NAMES = new Map(Object.keys(TASK_OPTIONS).map(key => [key.replace(/[A-Z]/g, '-$&').toLowerCase(), key]))

/** What the text says; `faults` gets all that is wrong with it. */
export function readFrontMatter(text: string, faults: Fault[]): TaskOptions {
  const document = parseDocument(text, { prettyErrors: false, merge: false, logLevel: 'silent' })
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    faults.push({ offset: pos[0], message: `not YAML: ${message.split('\n')[0]}` })
  }
  visit(document, {
    Alias: (_, alias) => void faults.push({ offset: alias.range?.[0] ?? 0, message: 'aliases are not taken' }),
  })
  const { contents } = document
  if (faults.length > 0 || contents === null) return {}
  if (!isMap<Node, Node>(contents)) {
    faults.push({ offset: contents.range[0], message: 'a list of options is wanted, such as "agent: claude"' })
    return {}
  }
  const found: Record<string, unknown> = {}
  for (const { key, value } of contents.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const option = NAMES.get(name)
    const given = value === null || isAlias(value) ? null : value.toJS(document)
    const fault = option === undefined ? unknown(name) : wrong(name, option, given)
    const at = option === undefined ? key : (value ?? key)
    if (fault !== null) faults.push({ offset: at.range?.[0] ?? 0, message: fault })
    else if (option !== undefined) found[option] = given
  }
  // Every option was held against the table.
  return found as TaskOptions
}

function unknown(name: string): string {
  const meant = nearest(name, NAMES.keys())
  return `unknown option "${name}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`
}

function wrong(name: string, option: string, value: unknown): string | null {
  const [check, what] = TASK_OPTIONS[option as keyof TaskOptions]
  return check(value) ? null : `${name} must be ${what}`
}
