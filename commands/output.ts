/** The output forms: tables for people, JSON for scripts, ids for pipes. */
export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'id'] as const
export type Format = (typeof FORMATS)[number]

export interface Column<T> {
  title: string
  of(row: T): string
  /** Only in `wide`. */
  wide?: boolean
}

/** Rows in any of the forms; a list is always a list, also when it is empty. */
export function render<T>(
  rows: readonly T[],
  format: Format,
  columns: readonly Column<T>[],
  id: (row: T) => string,
): string {
  if (format === 'json') return `${JSON.stringify(rows)}\n`
  if (format === 'ndjson') return rows.map(row => `${JSON.stringify(row)}\n`).join('')
  if (format === 'id') return rows.map(row => `${id(row)}\n`).join('')
  return table(
    rows,
    columns.filter(column => format === 'wide' || !column.wide),
  )
}

/** Plain columns with two spaces between; the last one is not padded. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map(row => columns.map(column => column.of(row)))]
  const widths = columns.map((_, index) => Math.max(...cells.map(line => width(line[index] ?? ''))))
  return cells
    .map(line => {
      const padded = line.map((cell, index) =>
        index === line.length - 1 ? cell : cell + ' '.repeat((widths[index] ?? 0) - width(cell)),
      )
      return `${padded.join('  ').trimEnd()}\n`
    })
    .join('')
}

const width = (text: string) => [...text].length
