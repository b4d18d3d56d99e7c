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
import { clearMoved, elsewhereError, movedTo, removeSealed, writeMoved } from '../tables/meta.ts'
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
  // Rows without a schema are not taken over by any daemon.
  if (schema) await ledger.write([{ ...schema, row: null }])
  const blobs = await sendBlobs(stateDir, ledger.blobs)
  const files = readStateFiles(stateDir)
  const sealed = [...files].map(([name, content]) => metaRow(`sealed:${name}`, key.seal(name, content)))
  const own = readRows(sql).filter(({ table, key: name }) => table !== 'meta' || name !== MOVED_KEY)
  const rows = [...own, ...sealed, metaRow(...installKeyRow(install, key))]
  const names = new Set(rows.map(rowName))
  const gone = there.filter(row => row !== schema && !names.has(rowName(row))).map(row => ({ ...row, row: null }))
  const changes = [...gone, ...rows]
  for (let at = 0; at < changes.length; at += BATCH_ROWS) await ledger.write(changes.slice(at, at + BATCH_ROWS))
  writeMoved(sql, to)
  await ledger.write([schemaRow(MIGRATIONS.length)])
  return { rows: own.length, files: files.size, blobs }
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
