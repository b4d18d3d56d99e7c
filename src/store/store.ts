/** The store as the daemon holds it: one connection, one way to write. */
import type { World } from '../world.ts'
import { createGroup, type Group } from './group.ts'
import { openDatabase } from './open.ts'
import type { Sql } from './sql.ts'

export interface Store extends Group {
  /** For reading at any time; writes go through `commit`. */
  sql: Sql
  close(): void
}

export function openStore(stateDir: string, world: World): Store {
  const sql = openDatabase(stateDir)
  return {
    ...createGroup(sql, world),
    sql,
    close: () => {
      sql.script('pragma wal_checkpoint(truncate)')
      sql.close()
    },
  }
}
