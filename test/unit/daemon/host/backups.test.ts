/** Backups of a database in use: whole, however they are made, and the daemon goes on meanwhile. */
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Backups, createBackups } from '../../../../daemon/host/backups.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { CHECKPOINT_PAGES, inspect } from '../../../../src/store/sqlite/backup.ts'
import { openSql } from '../../../../src/store/sqlite/sql.ts'
import { openStore, type Store } from '../../../../src/store/store.ts'
import { readMeta, writeMeta } from '../../../../src/store/tables/meta.ts'

let stateDir: string
let store: Store
const world = realWorld()
const backups = (asideBytes: number) => createBackups({ store, world, stateDir, asideBytes })

beforeEach(() => {
  stateDir = mkdtempSync(path.join(tmpdir(), 'tdf-backups-'))
  store = openStore(stateDir, world)
})
afterEach(() => {
  store.close()
  rmSync(stateDir, { recursive: true })
})

const write = (key: string) => store.commit(() => writeMeta(store.sql, key, 'x'.repeat(2_000)))

describe.each([
  ['in one go', Number.POSITIVE_INFINITY],
  ['aside', 0],
])('a backup written %s', (_, asideBytes) => {
  it('holds all that was stored before it, and what is stored meanwhile is not lost', async () => {
    for (let row = 0; row < 500; row++) await write(`before-${row}`)
    const made = backups(asideBytes).make()
    const meanwhile = Array.from({ length: 500 }, (_, row) => write(`meanwhile-${row}`))
    const { file, bytes } = await made
    await Promise.all(meanwhile)
    expect(inspect(file)).toMatchObject({ problems: [], tasks: 0 })
    expect(statSync(file)).toMatchObject({ size: bytes, mode: 0o100600 })
    const copy = openSql(file)
    expect(readMeta(copy, 'before-499')).toBeDefined()
    copy.close()
    expect(readMeta(store.sql, 'meanwhile-499')).toBeDefined()
    expect(store.sql.one('pragma wal_autocheckpoint')).toEqual({ wal_autocheckpoint: CHECKPOINT_PAGES })
  })

  it('is one and the same for all who ask at once', async () => {
    const one = backups(asideBytes)
    const names = (await Promise.all([one.make(), one.make(), one.make()])).map(({ name }) => name)
    expect(new Set(names).size).toBe(1)
    expect(await one.list()).toHaveLength(1)
  })
})

it('backups beyond those that are kept go, the oldest first, and with them only what is a backup', async () => {
  const one: Backups = backups(Number.POSITIVE_INFINITY)
  const { file } = await one.make()
  const folder = path.dirname(file)
  const old = (name: string, day: number) => {
    writeFileSync(path.join(folder, name), '')
    utimesSync(path.join(folder, name), day * 86_400, day * 86_400)
  }
  for (let day = 1; day <= 5; day++) old(`tdf-2026010${day}T000000Z.db`, day)
  for (let schema = 2; schema <= 6; schema++) old(`before-schema-${schema}.db`, schema)
  old('mine.txt', 1)
  expect(await one.prune(3)).toBe(5)
  expect((await one.list()).map(({ name }) => name)).toEqual([
    path.basename(file),
    'before-schema-6.db',
    'tdf-20260105T000000Z.db',
    'before-schema-5.db',
    'tdf-20260104T000000Z.db',
    'before-schema-4.db',
  ])
  expect(statSync(path.join(folder, 'mine.txt')).size).toBe(0)
})
