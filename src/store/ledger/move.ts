/**
 * A whole state from the file of one daemon to a database that several share, and back. Each side says in its rows that the
 * state is elsewhere before the other one is complete: whatever is cut off in between, no two daemons have it, and doing it
 * again goes on.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { moveDurable, syncPath } from '../../platform/files.ts'
import { type Install, writeInstall } from '../../platform/install.ts'
import { bringBlobs, sendBlobs } from '../blobs/move.ts'
import { writeCopy } from '../sqlite/backup.ts'
import { MIGRATIONS } from '../sqlite/migrations.ts'
import type { Sql } from '../sqlite/sql.ts'
import {
  backupOf,
  clearBackupOf,
  clearMoved,
  elsewhereError,
  markRestored,
  movedTo,
  removeSealed,
  writeMoved,
} from '../tables/meta.ts'
import { liveOnLocal } from '../tables/nodes.ts'
import type { InstallationKey } from './key.ts'
import { type Change, type Ledger, rowName, SCHEMA_TABLE, schemaRow } from './ledger.ts'
import { openReplica } from './replica.ts'
import { readRows } from './rows.ts'
import {
  dropInstallKey,
  forgetShared,
  installKeyRow,
  openInstallKey,
  openSealed,
  readStateFiles,
  writeStateFiles,
} from './state-files.ts'

export interface Move {
  stateDir: string
  ledger: Ledger
  key: InstallationKey
  /** What the side that is left says of where the state is, for people. */
  to: string
}

export interface Moved {
  rows: number
  files: number
  blobs: number
}

const BATCH_ROWS = 2_000
const MOVED_KEY = JSON.stringify(['moved_to'])

/**
 * `sql` is the open database of the folder. Throws WRONG_STATE when the database has a state already, or when tasks are at work on
 * this machine's own node.
 */
export async function exportState(move: Move, sql: Sql, install: Install): Promise<Moved> {
  const { stateDir, ledger, key, to } = move
  const [live] = liveOnLocal(sql)
  if (live !== undefined) {
    const message = `task ${live} is at work on the node of this machine, which daemons that share a state do not have`
    throw new TdfError('WRONG_STATE', message, { hint: `tdf wait ${live}` })
  }
  const there = await ledger.reload()
  const schema = there.find(({ table }) => table === SCHEMA_TABLE)
  const isLeft = there.some(({ table, key: name }) => table === 'meta' && name === MOVED_KEY)
  if (schema && !isLeft) {
    throw new TdfError('WRONG_STATE', 'the database has a state already: it is not overwritten', {
      hint: 'tdf cluster ls',
    })
  }
  await dropSchema(ledger, there)
  const blobs = await sendBlobs(stateDir, ledger.blobs)
  const files = readStateFiles(stateDir)
  const sealed = [...files].map(([name, content]) => metaRow(`sealed:${name}`, key.seal(name, content)))
  const own = readRows(sql).filter(({ table, key: name }) => table !== 'meta' || name !== MOVED_KEY)
  const rows = [...own, ...sealed, metaRow(...installKeyRow(install, key))]
  await replaceRows(ledger, there, rows)
  writeMoved(sql, to)
  await ledger.write([schemaRow(MIGRATIONS.length)])
  return { rows: own.length, files: files.size, blobs }
}

/** Rows without a schema are not taken over by any daemon. */
async function dropSchema(ledger: Ledger, there: readonly Change[]): Promise<void> {
  const schema = there.find(({ table }) => table === SCHEMA_TABLE)
  if (schema) await ledger.write([{ ...schema, row: null }])
}

async function replaceRows(ledger: Ledger, there: readonly Change[], rows: readonly Change[]): Promise<void> {
  const names = new Set(rows.map(rowName))
  const isGone = (row: Change) => row.table !== SCHEMA_TABLE && !names.has(rowName(row))
  const changes = [...there.filter(isGone).map(row => ({ ...row, row: null })), ...rows]
  for (let at = 0; at < changes.length; at += BATCH_ROWS) await ledger.write(changes.slice(at, at + BATCH_ROWS))
}

/**
 * Puts a backup of this installation in the place of its rows, marked as restored; blobs stay as they are. `sql` is a copy of it that
 * may be changed. Cut off in between, no daemon takes the database over until it is done again. Answers how many rows there are
 * now. Throws STATE_FOREIGN for any other backup.
 */
export async function restoreState(
  { ledger, key }: Pick<Move, 'ledger' | 'key'>,
  sql: Sql,
  installId: string,
): Promise<number> {
  const of = backupOf(sql)
  if (of !== installId) {
    const whose = of === null ? 'of a state in a file' : 'of another installation'
    throw new TdfError('STATE_FOREIGN', `the backup is ${whose}: it is not put into this database`, {
      hint: of === null ? 'tdf db export --help' : 'tdf cluster ls',
    })
  }
  openSealed(sql, key)
  clearBackupOf(sql)
  clearMoved(sql)
  markRestored(sql)
  const rows = readRows(sql)
  const there = await ledger.reload()
  await dropSchema(ledger, there)
  await replaceRows(ledger, there, rows)
  await ledger.write([schemaRow(Number(sql.one('pragma user_version')?.user_version))])
  return rows.length
}

/**
 * Into a folder without a state, or with one that was exported, which is kept aside. The lock of the folder must be held. Throws
 * WRONG_STATE, STATE_NEWER and STATE_CORRUPT.
 */
export async function importState(move: Move, installId: string, now: number): Promise<Moved> {
  const { stateDir, ledger, key, to } = move
  const replica = openReplica()
  replica.apply(await ledger.reload())
  const { sql } = replica.takeOver()
  try {
    const where = movedTo(sql)
    if (where !== null && where !== to) throw elsewhereError(where)
    const files = openSealed(sql, key)
    const install: Install = { id: installId, key: openInstallKey(sql, key) }
    clearMoved(sql)
    dropInstallKey(sql)
    for (const name of files.keys()) removeSealed(sql, name)
    const blobs = await bringBlobs(stateDir, ledger.blobs)
    writeStateFiles(stateDir, files)
    forgetShared(stateDir)
    writeInstall(stateDir, install)
    const rows = readRows(sql).length
    const file = path.join(stateDir, 'tdf.db')
    sql.script(`pragma user_version = ${MIGRATIONS.length}`)
    writeCopy(sql, `${file}.import`)
    await ledger.write([metaRow('moved_to', to)])
    putAside(file, now)
    moveDurable(`${file}.import`, file)
    syncPath(stateDir)
    return { rows, files: files.size, blobs }
  } finally {
    sql.close()
  }
}

function putAside(file: string, now: number): void {
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(file + suffix)) moveDurable(file + suffix, `${file}.before-import-${now}${suffix}`)
  }
}

function metaRow(key: string, value: string): Change {
  return { table: 'meta', key: JSON.stringify([key]), row: JSON.stringify({ key, value }) }
}
