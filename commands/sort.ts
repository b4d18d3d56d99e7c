/** `--sort COLUMN`: by what the column shows, numbers as numbers and times as times. */
import { usage } from './cli.ts'
import type { Column } from './output.ts'

/** A stable order; `-COLUMN` turns it round. Throws USAGE for an unknown column. */
export function sorted<T>(rows: readonly T[], columns: readonly Column<T>[], by: string | undefined): readonly T[] {
  if (by === undefined) return rows
  const isReversed = by.startsWith('-')
  const name = by
    .slice(isReversed ? 1 : 0)
    .toLowerCase()
    .replaceAll('-', ' ')
  const column = columns.find(({ title }) => title.toLowerCase() === name)
  if (!column) {
    const known = columns.map(({ title }) => title.toLowerCase().replaceAll(' ', '-')).join(', ')
    throw usage(`--sort: there is no column "${by}"; there are: ${known}`, 'tdf ls --sort -age')
  }
  const keyOf = column.sortBy ?? column.of
  const keyed = rows.map(row => ({ row, key: keyOf(row) }))
  const order = isReversed ? -1 : 1
  return keyed.sort((a, b) => order * compare(a.key, b.key)).map(({ row }) => row)
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a).localeCompare(String(b), 'en', { numeric: true })
}
