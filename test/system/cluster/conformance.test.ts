/** The ledger over a real PostgreSQL does what the store relies on. */
import { afterAll, beforeAll } from 'vitest'
import type { Ledger } from '../../../src/store/ledger/ledger.ts'
import { ledgerConformance } from '../../conformance/ledger.suite.ts'
import { joinMember, stopMembers } from './support/members.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let count = 0
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(async () => {
  await stopMembers()
  await postgres?.remove()
})

/** As if the daemon that serves had given it up, which it knows nothing of. */
const GIVE_UP = 'update tdf_ledger.installation set holder = null'

ledgerConformance('PostgreSQL', async () => {
  const database = `tdf${++count}`
  const url = await postgres.url(database)
  const names = ['one', 'two']
  async function claim(): Promise<Ledger> {
    const { ledger, replica } = await (await joinMember(url, names.shift() ?? 'three')).takeOver()
    // What it followed and what it missed: all there is.
    return { ...ledger, rows: () => [...replica.rows.values(), ...ledger.rows()] }
  }
  return {
    claim,
    async usurp() {
      await postgres.query(database, GIVE_UP)
      return claim()
    },
  }
})
