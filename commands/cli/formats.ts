/** The output forms, and how a command line asks for one. Imports nothing that runs, as every command needs it. */
import type { Paint } from './colour.ts'

export const FORMATS = ['table', 'wide', 'json', 'ndjson', 'id'] as const
export type Format = (typeof FORMATS)[number]

/** What a list looks like. */
export interface Shape {
  format: Format
  /** Titles of the columns in this order; undefined for those of the format. */
  columns: readonly string[] | undefined
  header: boolean
  /** Columns of the terminal; undefined in a pipe, where nothing is shortened. */
  width: number | undefined
  /** Undefined where there is no colour. */
  paint?: Paint | undefined
}
