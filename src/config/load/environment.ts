/** `TDF_<TABLE>__<KEY>`: every key of the schema can be set by the environment. */
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser'
import { configSchema } from '../schema/config.ts'
import { aboutOf, keysOf, keyText, partOf, type Schema, shapeOf } from '../schema/shape.ts'
import type { Problem } from './problem.ts'
import { foldedName, meantKey } from './suggest.ts'
import { type Draft, isTable, type Path, setValue, valueAt } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

interface Place {
  path: Path
  schema: Schema
}

/**
 * Sets what the environment says, over what the file says. Variables without `__` belong to others (TDF_HOME, …).
 * Those of a whole table come before those of its keys, so that the more exact one wins.
 */
export function applyEnvironment(draft: Draft, env: Environment, problems: Problem[]): void {
  for (const { path, schema } of keysOf(configSchema)) {
    const name = aboutOf(schema)?.env
    if (name && env[name]) setParts(draft, { path, schema }, name, parsedAs(schema, env[name]))
  }
  const names = Object.keys(env).filter(name => /^TDF_.*__/.test(name) && env[name] !== undefined)
  const seen = new Map<string, string>()
  for (const name of names.sort((a, b) => a.split('__').length - b.split('__').length || (a < b ? -1 : 1))) {
    const place = placeOf(name, draft)
    const twin = seen.get(foldedName(name))
    seen.set(foldedName(name), name)
    if ('message' in place) problems.push(place)
    else if (twin) problems.push({ where: `env ${name}`, message: `${twin} sets the same key` })
    else setParts(draft, place, name, parsedAs(place.schema, env[name] ?? ''))
  }
}

export function variableOf(path: Path): string {
  return `TDF_${path.map(step => String(step).toUpperCase().replaceAll('-', '_')).join('__')}`
}

function placeOf(name: string, draft: Draft): Place | Problem {
  let place: Place = { path: [], schema: configSchema }
  const steps = name.slice('TDF_'.length).split('__')
  for (const [index, step] of steps.entries()) {
    const next = stepInto(place, step, draft)
    if (next) {
      place = next
      continue
    }
    const { path, schema } = place
    const where = `env ${name}`
    if (aboutOf(schema)) return { where, message: `${keyText(path)} is set as a whole`, suggestion: variableOf(path) }
    const meant = meantKey(schema, path, foldedName(step))
    const table = path.length > 0 ? `[${keyText(path)}] has no key` : 'there is no table'
    const suggestion = meant && variableOf([...meant, ...steps.slice(index + 1)])
    return { where, message: `${table} "${foldedName(step)}"`, suggestion }
  }
  return place
}

function stepInto({ path, schema }: Place, name: string, draft: Draft): Place | undefined {
  const shape = shapeOf(schema)
  const known = shape.kind === 'table' ? Object.keys(shape.keys) : Object.keys(Object(valueAt(draft.tree, path)))
  const match = known.find(key => foldedName(key) === foldedName(name))
  const step = match ?? (shape.kind === 'names' && name ? foldedName(name) : undefined)
  const part = step === undefined ? undefined : partOf(schema, step)
  return step !== undefined && part && shape.kind !== 'list' ? { path: [...path, step], schema: part } : undefined
}

/** A table is taken key by key, so that what it does not name stays as it is. */
function setParts(draft: Draft, { path, schema }: Place, name: string, value: unknown): void {
  const shape = shapeOf(schema)
  if (!isTable(value) || (shape.kind !== 'table' && shape.kind !== 'names')) {
    return setValue(draft, path, value, { kind: 'env', name })
  }
  for (const [step, part] of Object.entries(value)) {
    const partSchema = partOf(schema, step)
    if (partSchema) setParts(draft, { path: [...path, step], schema: partSchema }, name, part)
    else setValue(draft, [...path, step], part, { kind: 'env', name })
  }
}

/** What does not read as its kind stays text, for the schema to refuse with what it expected. */
function parsedAs(schema: Schema, text: string): unknown {
  const shape = shapeOf(schema)
  if (shape.kind !== 'value' || shape.holds === 'structure') return structureOf(text)
  if (shape.holds === 'number') return /^-?\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : text
  if (shape.holds === 'flag') return FLAGS[text.toLowerCase()] ?? text
  return text
}

const FLAGS: Partial<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false }

/** Lists and tables, as JSON or as TOML would write them. */
function structureOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    try {
      return getStaticTOMLValue(parseTOML(`value = ${text}`)).value
    } catch {
      return text
    }
  }
}
