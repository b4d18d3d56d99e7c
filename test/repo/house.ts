/** How the tests of the house read the sources: imports, circles, and how long each function is. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

export interface Source {
  name: string
  text: string
  /** Every static or dynamic import, as a path from the root or a package name; Node's own modules are left out. */
  imports: string[]
  /** Those that the file needs to be read: its types as well, but nothing that is loaded by `import()`. */
  needs: string[]
}

/** A folder (with a slash at its end) or file, and what it may import; `!` in front forbids. */
export interface Arrow {
  from: string
  may: string[]
}

export function sourcesIn(folder: string): Source[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = `${folder}/${entry.name}`
    if (entry.isDirectory()) return sourcesIn(name)
    return /\.tsx?$/.test(entry.name) ? [readSource(name)] : []
  })
}

function readSource(name: string): Source {
  const text = readFileSync(name, 'utf8')
  const all = [...text.matchAll(/(?:^|[\s}])(?:from|import)\s*\(?\s*'([^'\s]+)'/gm)].map(match => match[1] ?? '')
  const needed = [...text.matchAll(/^(?:import|export)\s+(?:[^'();]*?\sfrom\s+)?'([^'\s]+)'/gm)]
  return {
    name,
    text,
    imports: all.flatMap(specifier => resolve(name, specifier)),
    needs: needed.flatMap(match => resolve(name, match[1] ?? '')),
  }
}

function resolve(name: string, specifier: string): string[] {
  if (specifier.startsWith('node:')) return []
  if (specifier.startsWith('.')) return [path.posix.join(path.posix.dirname(name), specifier)]
  return [specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')]
}

const fits = (target: string, rule: string) => (rule.endsWith('/') ? target.startsWith(rule) : target === rule)

export const rowOf = (table: readonly Arrow[], name: string) => table.find(({ from }) => fits(name, from))

export function isAllowed(target: string, may: readonly string[]): boolean {
  const banned = may.some(rule => rule.startsWith('!') && fits(target, rule.slice(1)))
  return !banned && may.some(rule => fits(target, rule))
}

/** Each circle once, as the chain of its files. */
export function circlesIn(sources: readonly Source[]): string[] {
  const needs = new Map(sources.map(({ name, needs }) => [name, needs]))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (name: string, chain: readonly string[]): void => {
    const at = chain.indexOf(name)
    if (at >= 0) return void circles.push([...chain.slice(at), name].join(' → '))
    if (done.has(name)) return
    for (const next of needs.get(name) ?? []) if (needs.has(next)) visit(next, [...chain, name])
    done.add(name)
  }
  for (const { name } of sources) visit(name, [])
  return circles
}

const FUNCTION =
  /^(\s*)(?:export )?(?:default )?(?:async )?function\b\*?\s*(\w*)|^(\s*)(?:export )?const (\w+)[^=\n]*= (?:async )?(?:\([^\n]*|\w+ )=>\s*[{(]$/

/**
 * Functions over `max` lines. A function ends at the next line that is indented as its first one and closes it: every
 * file is written by the formatter, which keeps that so.
 */
export function longFunctionsIn({ name, text }: Source, max: number): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, first) => {
    const match = FUNCTION.exec(line)
    if (!match) return []
    const indent = match[1] ?? match[3] ?? ''
    const last = lines.findIndex(
      (other, at) => at > first && new RegExp(`^${indent}[})]`).test(other) && !/^\s*\)[^;]*\{$/.test(other),
    )
    const length = last - first + 1
    return last > 0 && length > max ? [`${name}: ${match[2] || match[4]} has ${length} lines`] : []
  })
}
