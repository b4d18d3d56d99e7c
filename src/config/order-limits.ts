/** Holds the limits against each other: defaults give way (fit.ts), contradictions become problems. */
import { formatDuration } from '../duration.ts'
import { type Conflict, fitLimits, type Limits } from './fit.ts'
import { LIMIT_KEYS, type LimitKey } from './limits.ts'
import { type Problem, problemAt } from './problem.ts'
import type { RawConfig } from './schema.ts'
import { type Origin, type Origins, originAt, originText, pathId, tableFor, valueAt } from './tree.ts'

/** Changes `raw` and `origins` where a default had to give way. */
export function orderLimits(raw: RawConfig, origins: Origins, file: string, problems: Problem[]): void {
  const limits = Object.fromEntries(LIMIT_KEYS.map(key => [key, valueAt(raw, key.split('.'))])) as Limits // All are durations.
  const isSet = (key: LimitKey) => origins.has(pathId(key.split('.')))
  const { moved, conflicts } = fitLimits(limits, isSet)
  for (const conflict of conflicts) problems.push(conflictProblem(conflict, limits, origins, file))
  for (const { key, ms, direction, toFit } of moved) {
    const path = key.split('.')
    tableFor(raw, path.slice(0, -1))[path.at(-1) ?? ''] = ms
    origins.set(pathId(path), { kind: 'default', note: `${direction} to fit ${toFit}` })
  }
}

/** At the later of the two, which is the one that was just written; it says where the other stands. */
function conflictProblem({ lower, upper, chain }: Conflict, limits: Limits, origins: Origins, file: string): Problem {
  const [low, high] = [originAt(origins, lower.split('.')), originAt(origins, upper.split('.'))]
  const here = isLater(low, high) ? low : high
  const shown = (key: LimitKey, origin: Origin) => {
    const place =
      origin === here ? '' : origin.kind === 'file' ? `, set on line ${origin.line}` : `, set by ${originText(origin)}`
    return `${key} (${formatDuration(limits[key])}${place})`
  }
  const factor = chain.reduce((product, order) => product * order.factor, 1)
  const rule = chain.some(order => order.strict) ? 'must be below' : 'must not exceed'
  const share = factor === 1 ? '' : factor === 2 ? 'half of ' : `1/${factor} of `
  const why = [...new Set(chain.map(order => order.why))].join('; ')
  return problemAt(here, 'key', file, `${shown(lower, low)} ${rule} ${share}${shown(upper, high)}: ${why}`)
}

/** The environment speaks after the file. */
function isLater(a: Origin, b: Origin): boolean {
  if (a.kind === 'file' && b.kind === 'file') return a.line > b.line || (a.line === b.line && a.column > b.column)
  return a.kind === 'env' && b.kind !== 'env'
}
