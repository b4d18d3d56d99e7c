/** The journal as a group writes it: numbered in the order of what was stored, nothing of what was undone. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { NewEvent } from '../../../../src/core/event.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { openStore, type Store } from '../../../../src/store/store.ts'
import { type JournalEvent, lastSeq, readEvents } from '../../../../src/store/tables/journal.ts'

let folder: string
let store: Store
/** Whether commits fail. */
let isCut: boolean
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-journal-'))
  isCut = false
  store = openStore(folder, {
    ...realWorld(),
    failpoint(when, effect) {
      if (isCut && when === 'before' && effect === 'commit')
        throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
    },
  })
  told = []
  store.listen(hear)
})
afterEach(() => {
  store.close()
  rmSync(folder, { recursive: true })
})

const types = () => readEvents(store.sql, { after: 0, limit: 1_000 }).map(({ seq, type }) => `${seq} ${type}`)

/** What the listener heard, as `types` says it. */
let told: string[]
const hear = ({ seq, type }: JournalEvent) => void told.push(`${seq} ${type}`)

/** The journal stores what it is given: the types of events are a matter of those who append. */
const event = (type: unknown) => ({ type, data: {} }) as NewEvent

/** A member that puts two events on the record, and then fails or not. */
function twoEvents(name: string, fails = false): Promise<void> {
  return store.commit(() => {
    for (const half of ['a', 'b']) store.append(event(`${name}${half}`), 1)
    if (fails) throw new Error('not this one')
  })
}

it('numbers what a group put on the record, in its order, and tells the numbers', async () => {
  await Promise.all(Array.from({ length: 45 }, (_, index) => twoEvents(`e${index}`)))
  expect(told.slice(0, 3)).toEqual(['1 e0a', '2 e0b', '3 e1a'])
  expect([types(), lastSeq(store.sql)]).toEqual([told, 90])
})

it('has nothing of a member that failed, and no hole where it was', async () => {
  const results = await Promise.allSettled([twoEvents('x'), twoEvents('y', true), twoEvents('z')])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  await twoEvents('later')
  expect(types()).toEqual(['1 xa', '2 xb', '3 za', '4 zb', '5 latera', '6 laterb'])
  expect(told).toEqual(types())
})

it('lets a member whose event cannot be stored fail alone', async () => {
  const bad = store.commit(() => store.append(event(true), 1))
  const results = await Promise.allSettled([twoEvents('x'), bad, twoEvents('z')])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(types()).toEqual(['1 xa', '2 xb', '3 za', '4 zb'])
})

it('tells nobody of what was not stored, and tells what is stored before its writer goes on', async () => {
  isCut = true
  await expect(twoEvents('x')).rejects.toMatchObject({ code: 'DISK_FULL' })
  isCut = false
  const heard = await twoEvents('y').then(() => [...told])
  expect(heard).toEqual(['1 ya', '2 yb'])
})
