/** Copies of the database that are whole or not there at all. */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Sql } from './sql.ts'

export const BACKUP_DIR = 'backups'
/**
 * Pages in the write-ahead log after which a commit writes them home itself (wal_autocheckpoint), where there was no
 * pause to do it in: see write-home.ts. Whoever calls meanwhile waits for it.
 */
export const CHECKPOINT_PAGES = 4_000

/** Writes a consistent copy into the backup folder, in one go. Returns its path. */
export function backUp(sql: Sql, stateDir: string, name: string): string {
  const folder = path.join(stateDir, BACKUP_DIR)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const target = path.join(folder, name)
  writeCopy(sql, target)
  return target
}

export function writeCopy(sql: Sql, target: string): void {
  rmSync(`${target}.part`, { force: true })
  sql.run('vacuum into ?', `${target}.part`)
  chmodSync(`${target}.part`, 0o600)
  syncFile(`${target}.part`)
  renameSync(`${target}.part`, target)
  syncFile(path.dirname(target))
}

/** Blocks until it is on the disk. */
export function syncFile(fileOrFolder: string): void {
  const descriptor = openSync(fileOrFolder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

export function databaseBytes(sql: Sql): number {
  const pages = Number(sql.one('pragma page_count')?.page_count ?? 0)
  return pages * Number(sql.one('pragma page_size')?.page_size ?? 0)
}

/**
 * Writes everything home and leaves the file of the database as it is from then on: it is whole, and may be copied by
 * another process (never by this one, which would lose its lock) while commits go on into the log.
 */
export function freezeFile(sql: Sql): void {
  sql.script('pragma wal_autocheckpoint = 0; pragma wal_checkpoint(truncate)')
}

export function thawFile(sql: Sql): void {
  sql.script(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
}
