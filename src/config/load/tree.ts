/** The configuration before it is checked: tables of anything, with the origin of what was set. */

export type Path = readonly (string | number)[]
export type Table = Record<string, unknown>

export type Origin =
  /** `note` says why it is not the plain default: "lowered to fit runner.max_execution". */
  | { kind: 'default'; note?: string }
  /** Lines and columns count from 1. */
  | { kind: 'file'; file: string; line: number; column: number; valueLine: number; valueColumn: number }
  | { kind: 'env'; name: string }

/** Of each key that was set, and of each table that was written, under `pathId`. */
export type Origins = Map<string, Origin>

export interface Draft {
  tree: Table
  origins: Origins
}

export function emptyDraft(): Draft {
  return { tree: emptyTable(), origins: new Map() }
}

/** Without a prototype: a key named `__proto__` is a key like any other. */
export function emptyTable(): Table {
  return Object.create(null)
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

export function pathId(path: readonly PropertyKey[]): string {
  return path.map(String).join('\0')
}

/** What stands at a path; undefined when nothing does. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let value = tree
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = Reflect.get(value, step)
  }
  return value
}

/** Puts a value at a path; what was set below it before is forgotten. */
export function setValue(draft: Draft, path: Path, value: unknown, origin: Origin): void {
  const id = pathId(path)
  for (const known of draft.origins.keys()) if (known.startsWith(`${id}\0`)) draft.origins.delete(known)
  draft.origins.set(id, origin)
  tableFor(draft.tree, path.slice(0, -1))[path.at(-1) ?? ''] = value
}

/** The table or list at a path; missing ones are made on the way, and plain values in the way give way. */
export function tableFor(tree: Table, path: Path): Table {
  let table = tree
  for (const [index, step] of path.entries()) {
    const next = table[step]
    const made = typeof path[index + 1] === 'number' ? [] : emptyTable()
    if (!isTable(next) && !Array.isArray(next)) table[step] = made
    // A list is used by its indexes, which are keys like others.
    table = table[step] as Table
  }
  return table
}

/** Where a path was set, or the nearest table around it. */
export function originAt(origins: Origins, path: readonly PropertyKey[]): Origin {
  for (let length = path.length; length > 0; length -= 1) {
    const origin = origins.get(pathId(path.slice(0, length)))
    if (origin) return origin
  }
  return { kind: 'default' }
}

/** Who set a value. A list that came from the environment came as a whole; anything else is set key by key. */
export function setterOf(origins: Origins, path: readonly PropertyKey[]): Origin {
  const exact = origins.get(pathId(path))
  if (exact) return exact
  const around = originAt(origins, path)
  return around.kind === 'env' ? around : { kind: 'default' }
}

/** Where a path was set; for a key that is missing, where a neighbour of it was. */
export function originNear(origins: Origins, path: readonly PropertyKey[]): Origin {
  const origin = originAt(origins, path)
  if (origin.kind !== 'default') return origin
  const around = `${pathId(path.slice(0, -1))}\0`
  for (const [id, near] of origins) if (id.startsWith(around)) return near
  return origin
}

/** `default`, `/etc/tdf/config.toml:14` or `env TDF_RUNNER__AGENT`. */
export function originText(origin: Origin): string {
  if (origin.kind === 'file') return `${origin.file}:${origin.line}`
  if (origin.kind === 'env') return `env ${origin.name}`
  return origin.note ? `default, ${origin.note}` : 'default'
}
