/**
 * Durations and sizes as people write them, always with their unit: `"200ms"`, `"1h30m"`, `"256MiB"`. Inside, a
 * duration is a whole number of ms and a size a whole number of bytes. Imports nothing.
 */

const DURATION_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

const SIZE_UNITS = [
  ['TiB', 1024 ** 4],
  ['TB', 1000 ** 4],
  ['GiB', 1024 ** 3],
  ['GB', 1000 ** 3],
  ['MiB', 1024 ** 2],
  ['MB', 1000 ** 2],
  ['KiB', 1024],
  ['kB', 1000],
  ['B', 1],
] as const

/** Units from large to small, each at most once; one that is not ms may have a fraction. A bare number is refused. */
export const DURATION_PATTERN =
  /^(?=\d)(?:(\d{1,15}(?:\.\d{1,3})?)d)?(?:(\d{1,15}(?:\.\d{1,3})?)h)?(?:(\d{1,15}(?:\.\d{1,3})?)m)?(?:(\d{1,15}(?:\.\d{1,3})?)s)?(?:(\d{1,15})ms)?$/

export const SIZE_PATTERN = /^(\d{1,16}(?:\.\d{1,3})?)(TiB|TB|GiB|GB|MiB|MB|KiB|kB|B)$/

/** Whole ms, or undefined when the text is not a duration or too large to count exactly. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION_PATTERN.exec(text)
  if (!match) return undefined
  let ms = 0
  for (const [index, [, unitMs]] of DURATION_UNITS.entries()) ms += Math.round(Number(match[index + 1] ?? 0) * unitMs)
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** Exact: `parseDuration` of the answer is `ms` again. `ms` is a whole number from 0 on. */
export function formatDuration(ms: number): string {
  let rest = ms
  let text = ''
  for (const [name, unitMs] of DURATION_UNITS) {
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${name}`
    rest -= count * unitMs
  }
  return text || '0s'
}

/** For people: at most two units, rounded down. `0.2s`, `41s`, `3m`, `3m20s`, `5h12m`, `2d4h`. Below zero is `0s`. */
export function formatDurationShort(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000
  if (seconds < 10) return `${Math.floor(seconds * 10) / 10}s`
  if (seconds < 60) return `${Math.floor(seconds)}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return twoUnits(minutes, 'm', Math.floor(seconds) - minutes * 60, 's')
  if (minutes < 60) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return twoUnits(hours, 'h', minutes - hours * 60, 'm')
  const days = Math.floor(hours / 24)
  return days < 10 ? twoUnits(days, 'd', hours - days * 24, 'h') : `${days}d`
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`
}

/** Whole bytes, or undefined when the text is not a size or too large to count exactly. */
export function parseSize(text: string): number | undefined {
  const match = SIZE_PATTERN.exec(text)
  const unitBytes = SIZE_UNITS.find(([name]) => name === match?.[2])?.[1]
  if (!match || unitBytes === undefined) return undefined
  const bytes = Math.round(Number(match[1]) * unitBytes)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Exact, in the largest unit that divides `bytes`, a whole number from 0 on. */
export function formatSize(bytes: number): string {
  const unit = SIZE_UNITS.find(([, unitBytes]) => bytes >= unitBytes && bytes % unitBytes === 0)
  return unit ? `${bytes / unit[1]}${unit[0]}` : `${bytes}B`
}
