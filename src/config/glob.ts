/**
 * Globs as people write them for files to keep: `test-results/**`, `*.png`. `*` and `?` stay within a folder, `**` crosses
 * folders, `{a,b}` is either; a glob that ends in a plain name means a folder of that name with all that is in it. Matched in
 * time that grows with the product of the two lengths, whatever they hold: globs come from repositories too.
 */
import { ARTIFACT_GLOB_CHARS_MAX } from '../core/saved.ts'

const ALTERNATIVES_MAX = 64
const ANY_FOLDERS = '**'
/** Holds more files than anybody means: only a glob with this very name looks into it. */
const PACKAGES = 'node_modules'

export interface Glob {
  /** Each as the parts between its slashes. */
  readonly alternatives: readonly (readonly string[])[]
}

/** Never throws: of what it cannot read it takes each character for itself. */
export function parseGlob(pattern: string): Glob {
  const expanded = expand(pattern.slice(0, ARTIFACT_GLOB_CHARS_MAX))
  return { alternatives: expanded.map(one => one.split('/').filter(part => part !== '' && part !== '.')) }
}

/** `path`: relative, with slashes. */
export function matchesGlob({ alternatives }: Glob, path: string): boolean {
  const parts = path.split('/')
  return alternatives.some(glob => {
    const lengths = lengthsMatched(glob, parts)
    return lengths.has(parts.length) || (namesFolder(glob) && lengths.size > 0)
  })
}

/** Whether it could name something in a folder; false means that nobody has to look. */
export function mayHold({ alternatives }: Glob, folder: string): boolean {
  const parts = folder.split('/')
  return alternatives.some(glob => {
    for (const [at, name] of parts.entries()) {
      const part = glob[at]
      if (part === undefined) return namesFolder(glob)
      if (part === ANY_FOLDERS) return !parts.slice(at).includes(PACKAGES)
      if (!matchesName(part, name) || (name === PACKAGES && part !== name)) return false
    }
    return glob.length > parts.length || namesFolder(glob)
  })
}

function namesFolder(glob: readonly string[]): boolean {
  const last = glob.at(-1)
  return last !== undefined && !/[*?]/.test(last)
}

function expand(pattern: string): string[] {
  let all = [pattern]
  for (;;) {
    const next = all.flatMap(one => {
      const [, before, inner, after] = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(one) ?? []
      return inner === undefined ? [one] : inner.split(',').map(word => `${before}${word}${after}`)
    })
    if (next.length > ALTERNATIVES_MAX) return all
    if (next.length === all.length && next.every((one, at) => one === all[at])) return all
    all = next
  }
}

/** How many of the first parts of a path a glob can name as a whole. */
function lengthsMatched(glob: readonly string[], parts: readonly string[]): Set<number> {
  let taken = new Set([0])
  for (const part of glob) {
    const next = new Set<number>()
    if (part === ANY_FOLDERS) for (let end = Math.min(...taken); end <= parts.length; end++) next.add(end)
    else for (const at of taken) if (at < parts.length && matchesName(part, parts[at] ?? '')) next.add(at + 1)
    taken = next
  }
  return taken
}

/** Goes back to the last star alone, which is enough (Krauss, "Matching Wildcards"). */
function matchesName(part: string, name: string): boolean {
  let [at, from, star, resumed] = [0, 0, -1, 0]
  while (from < name.length) {
    if (part[at] === '*') {
      star = at++
      resumed = from
    } else if (at < part.length && (part[at] === '?' || part[at] === name[from])) {
      at += 1
      from += 1
    } else if (star >= 0) {
      at = star + 1
      from = ++resumed
    } else return false
  }
  while (part[at] === '*') at += 1
  return at === part.length
}
