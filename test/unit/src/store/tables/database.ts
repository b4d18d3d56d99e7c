/** A database of the newest schema for the tests of one file, gone after each of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { openDatabase } from '../../../../../src/store/sqlite/open.ts'
import type { Sql } from '../../../../../src/store/sqlite/sql.ts'

/** Answers the database of the test that runs. */
export function databasePerTest(): () => Sql {
  let folder: string
  let sql: Sql
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'tdf-tables-'))
    sql = openDatabase(folder)
  })
  afterEach(() => {
    sql.close()
    rmSync(folder, { recursive: true })
  })
  return () => sql
}
