/** Lists in every form: tables for people, JSON for scripts, ids for pipes. */
import { once } from 'node:events'
import { jsonText, sanitize } from '../../src/text/sanitize.ts'
import { shorten, widthOf } from '../../src/text/width.ts'
import type { Tone } from '../../src/tui/state/states.ts'
import { type Cli, type Shape, say, usage } from './cli.ts'

export interface Column<T> {
  title: string
  of(row: T): string
  /** How a cell looks where there is colour. */
  tone?(row: T): Tone | undefined
  /** For `--sort`, where the text of a cell does not have the order of what it means. */
  sortBy?(row: T): number
  /** Only in `wide`. */
  wide?: boolean
  /** Shortened when the terminal is too narrow; at most one of a table, its last. */
  flexible?: boolean
  /** Left out, from the right, when the terminal is too narrow for the flexible one. */
  spare?: boolean
}

export interface List<T> {
  columns: readonly Column<T>[]
  id(row: T): string
}

/** What the last column should have before others are left out for it. */
const FLEXIBLE_WIDTH_MIN = 20

export function printList<T>(cli: Cli, shape: Shape, rows: readonly T[], list: List<T>): void {
  cli.stdout.write(harmless(render(rows, shape, list), shape))
}

/** A list that comes in parts, each printed before the next is asked for: memory is that of one. `none` is said in place of an empty table. */
export async function printParts<T>(
  cli: Cli,
  shape: Shape,
  parts: AsyncIterable<readonly T[]>,
  list: List<T>,
  none?: string,
): Promise<void> {
  const { begin, part, end } = listWriter(shape, list)
  let isBegun = false
  for await (const rows of parts) {
    if (rows.length === 0 && (isBegun || none !== undefined)) continue
    await written(cli.stdout, (isBegun ? '' : begin) + harmless(part(rows), shape))
    isBegun = true
  }
  if (!isBegun && none !== undefined && shape.format === 'table') return say(cli, none)
  await written(cli.stdout, isBegun ? end : begin + end)
}

/** JSON is harmless as it is, and what is painted was cleaned cell by cell. */
function harmless(text: string, { format, paint }: Shape): string {
  return format === 'json' || format === 'ndjson' || paint !== undefined ? text : sanitize(text)
}

/** Waits while the reader is slow. */
async function written(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain')
}

/** Rows in any of the forms; a list is always a list, also when it is empty. Throws USAGE for an unknown column. */
export function render<T>(rows: readonly T[], shape: Shape, list: List<T>): string {
  const { begin, part, end } = listWriter(shape, list)
  return begin + part(rows) + end
}

interface ListWriter<T> {
  begin: string
  part(rows: readonly T[]): string
  end: string
}

function listWriter<T>(shape: Shape, { columns, id }: List<T>): ListWriter<T> {
  const { format } = shape
  const shown = shape.columns
    ? chosen(columns, shape.columns)
    : columns.filter(column => format === 'wide' || !column.wide)
  const lines = (of: (row: T) => string): ListWriter<T> => ({
    begin: '',
    part: rows => rows.map(row => `${of(row)}\n`).join(''),
    end: '',
  })
  if (format === 'ndjson') return lines(row => jsonText(row))
  if (format === 'id') return lines(id)
  if (format === 'csv') {
    const titles = shape.header
      ? `${shown.map(({ title }) => csvField(keyOf(title).replaceAll('-', '_'))).join(',')}\n`
      : ''
    return { ...lines(row => shown.map(({ of }) => csvField(sanitize(of(row)))).join(',')), begin: titles }
  }
  if (format !== 'json') return { begin: '', part: tableWriter(shown, shape), end: '' }
  let count = 0
  const part = (rows: readonly T[]) => rows.map(row => `${count++ === 0 ? '' : ','}${jsonText(row)}`).join('')
  return { begin: '[', part, end: ']\n' }
}

/** RFC 4180, one line a row. */
const csvField = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** `waiting-for` on the command line, `WAITING FOR` above the column. */
const keyOf = (title: string) => title.toLowerCase().replaceAll(' ', '-')

function chosen<T>(columns: readonly Column<T>[], names: readonly string[]): Column<T>[] {
  return names.map(name => {
    const column = columns.find(({ title }) => keyOf(title) === keyOf(name))
    if (column) return column
    const known = columns.map(({ title }) => keyOf(title)).join(', ')
    throw usage(`unknown column "${name}"; valid are: ${known}`, 'tdf ls --columns id,status,title')
  })
}

type TableShape = Partial<Pick<Shape, 'width' | 'header' | 'paint'>>

/** Plain columns with two spaces between; the last one is not padded. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], shape: TableShape = {}): string {
  return tableWriter(columns, shape)(rows)
}

/** A table in parts: the first has the titles and says how wide the columns are. A longer cell of a later part juts out. */
function tableWriter<T>(columns: readonly Column<T>[], shape: TableShape): (rows: readonly T[]) => string {
  const { header = true, paint } = shape
  let layout: Layout | undefined
  return rows => {
    // What is painted is not cleaned any more when it is printed. Blanks stay: bars stand below each other by them.
    const cellOf = (text: string) => (paint ? sanitize(text).replace(/\s/g, ' ') : text)
    const cells = columns.map(({ title, of }) => [title, ...rows.map(row => cellOf(of(row)))])
    const isFirst = layout === undefined
    layout ??= layoutOf(columns, cells, shape.width)
    const { kept, widths, room } = layout
    const lineOf = (row: number) =>
      kept.map(index => {
        const cell = cells[index]?.[row] ?? ''
        const missing = Math.max((widths[index] ?? 0) - widthOf(cell), 0)
        const fitted = index === kept.at(-1) ? shorten(cell, room) : cell + ' '.repeat(missing)
        return paint ? paint(fitted, row === 0 ? 'bold' : toneOf(columns[index], rows[row - 1])) : fitted
      })
    const lines = Array.from({ length: rows.length + 1 }, (_, row) => `${lineOf(row).join('  ').trimEnd()}\n`)
    return lines.slice(header && isFirst ? 0 : 1).join('')
  }
}

interface Layout {
  /** The columns that are shown, by index. */
  kept: readonly number[]
  widths: readonly number[]
  /** Of the last column. */
  room: number
}

/** `cells` are those of each column, its title first. */
function layoutOf<T>(columns: readonly Column<T>[], cells: readonly string[][], width: number | undefined): Layout {
  const widths = cells.map(column => column.reduce((most, cell) => Math.max(most, widthOf(cell)), 0))
  const kept = fitting(columns, widths, width)
  const last = kept.at(-1)
  const used = kept.slice(0, -1).reduce((sum, index) => sum + (widths[index] ?? 0) + 2, 0)
  const isBounded = last !== undefined && columns[last]?.flexible && width
  return { kept, widths, room: isBounded ? Math.max(width - used, 8) : Infinity }
}

function toneOf<T>(column: Column<T> | undefined, row: T | undefined): Tone | undefined {
  return row === undefined ? undefined : column?.tone?.(row)
}

/** The columns that a terminal has room for, by index: spare ones go first, the rightmost before the others. */
function fitting<T>(columns: readonly Column<T>[], widths: readonly number[], width: number | undefined): number[] {
  const kept = [...columns.keys()]
  const needed = () =>
    kept.reduce((sum, index) => {
      const full = widths[index] ?? 0
      return sum + 2 + (columns[index]?.flexible ? Math.min(full, FLEXIBLE_WIDTH_MIN) : full)
    }, -2)
  while (width !== undefined && needed() > width) {
    const spare = kept.findLast(index => columns[index]?.spare)
    if (spare === undefined) break
    kept.splice(kept.indexOf(spare), 1)
  }
  return kept
}

/** Facts one below the other; those without a value are left out, long ones go on under their beginning. */
export function pairs(rows: readonly (readonly [string, string | null | undefined])[]): string {
  const filled = rows.flatMap(([name, value]) => (value ? [[name, value] as const] : []))
  const width = Math.max(...filled.map(([name]) => name.length)) + 2
  return filled
    .map(([name, value]) => `${name.padEnd(width)}${value.replace(/\n(?=[^\n])/g, `\n${' '.repeat(width)}`)}\n`)
    .join('')
}

/**
 * `--sort COLUMN` in a stable order, numbers as numbers and times as times; `-COLUMN` reverses it. Throws USAGE for an unknown
 * column.
 */
export function sorted<T>(rows: readonly T[], columns: readonly Column<T>[], by: string | undefined): readonly T[] {
  if (by === undefined) return rows
  const isReversed = by.startsWith('-')
  const name = keyOf(isReversed ? by.slice(1) : by)
  const column = columns.find(({ title }) => keyOf(title) === name)
  if (!column) {
    const known = columns.map(({ title }) => keyOf(title)).join(', ')
    throw usage(`--sort: unknown column "${by}"; valid are: ${known}`, 'tdf ls --sort -age')
  }
  const keyed = rows.map(row => ({ row, key: (column.sortBy ?? column.of)(row) }))
  const order = isReversed ? -1 : 1
  return keyed.sort((a, b) => order * compare(a.key, b.key)).map(({ row }) => row)
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a).localeCompare(String(b), 'en', { numeric: true })
}
