/** The output forms: tables for people, JSON for scripts, ids for pipes. */
import stringWidth from 'string-width'
import { shorten } from '../src/shorten.ts'

export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'id'] as const
export type Format = (typeof FORMATS)[number]

export interface Column<T> {
  title: string
  of(row: T): string
  /** Only in `wide`. */
  wide?: boolean
  /** Shortened when the terminal is too narrow; at most one of a table, its last. */
  flexible?: boolean
}

export interface Form<T> {
  columns: readonly Column<T>[]
  id(row: T): string
  /** Columns of the terminal; undefined in a pipe, where nothing is shortened. */
  width?: number | undefined
}

/** Rows in any of the forms; a list is always a list, also when it is empty. */
export function render<T>(rows: readonly T[], format: Format, form: Form<T>): string {
  if (format === 'json') return `${JSON.stringify(rows)}\n`
  if (format === 'ndjson') return rows.map(row => `${JSON.stringify(row)}\n`).join('')
  if (format === 'id') return rows.map(row => `${form.id(row)}\n`).join('')
  const shown = form.columns.filter(column => format === 'wide' || !column.wide)
  return table(rows, shown, form.width)
}

/** Plain columns with two spaces between; the last one is not padded. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], width?: number): string {
  const cells = [columns.map(({ title }) => title), ...rows.map(row => columns.map(column => column.of(row)))]
  const widths = columns.map((_, index) => Math.max(...cells.map(line => stringWidth(line[index] ?? ''))))
  const used = widths.slice(0, -1).reduce((sum, cell) => sum + cell + 2, 0)
  const last = columns.length - 1
  const room = columns[last]?.flexible && width !== undefined ? Math.max(width - used, 8) : Infinity
  return cells
    .map(line => {
      const padded = line.map((cell, index) =>
        index === last ? shorten(cell, room) : cell + ' '.repeat((widths[index] ?? 0) - stringWidth(cell)),
      )
      return `${padded.join('  ').trimEnd()}\n`
    })
    .join('')
}

/** Facts one below the other; those without a value are left out, long ones go on under their beginning. */
export function pairs(rows: readonly (readonly [string, string | null | undefined])[]): string {
  const filled = rows.flatMap(([name, value]) => (value ? [[name, value] as const] : []))
  const width = Math.max(...filled.map(([name]) => name.length)) + 2
  return filled
    .map(([name, value]) => `${name.padEnd(width)}${value.replaceAll('\n', `\n${' '.repeat(width)}`)}\n`)
    .join('')
}
