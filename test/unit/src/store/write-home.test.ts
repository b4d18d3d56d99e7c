/** The write-ahead log goes home in a pause: never in the middle of work, and never while a backup copies the file. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freezeFile, thawFile } from '../../../../src/store/sqlite/backup.ts'
import { openStore, type Store } from '../../../../src/store/store.ts'
import { type SimWorld, simWorld, timeline } from '../../../fakes/world.ts'

const ENOUGH = 100
const PAUSE_MS = 5

let folder: string
let world: SimWorld
let store: Store
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-home-'))
  world = simWorld(timeline())
  store = openStore(folder, world)
  freezeFile(store.sql)
  thawFile(store.sql)
})
afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

const bytesHome = () => statSync(path.join(folder, 'tdf.db')).size
async function commits(count: number, everyMs = 0): Promise<void> {
  for (let row = 0; row < count; row++) {
    await store.commit(() => store.sql.run('insert into meta values (?, ?)', `${row}-${bytesHome()}`, 'x'.repeat(500)))
    if (everyMs > 0) await world.clock.advance(everyMs)
  }
}

it('goes home once there is enough of it and nobody has committed for a moment', async () => {
  const before = bytesHome()
  await commits(ENOUGH)
  expect(bytesHome()).toBe(before)
  await world.clock.advance(PAUSE_MS)
  expect(bytesHome()).toBeGreaterThan(before)
})

it('stays where it is while there is little of it', async () => {
  const before = bytesHome()
  await commits(ENOUGH - 1)
  await world.clock.advance(1_000)
  expect(bytesHome()).toBe(before)
})

it('waits while commits come, and goes home after them', async () => {
  const before = bytesHome()
  await commits(ENOUGH * 3, PAUSE_MS - 1)
  expect(bytesHome()).toBe(before)
  await world.clock.advance(2 * PAUSE_MS)
  expect(bytesHome()).toBeGreaterThan(before)
})

it('leaves the file alone while a backup copies it', async () => {
  freezeFile(store.sql)
  const before = bytesHome()
  await commits(ENOUGH)
  await world.clock.advance(1_000)
  expect(bytesHome()).toBe(before)
})
