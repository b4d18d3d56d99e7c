/** When a daemon that stands by takes an installation over: what it saw of the one that serves, and for how long. */
import { expect, it } from 'vitest'
import { claim, type Sight, seen } from '../../../../../../src/store/ledger/postgres/claim.ts'
import type { Connection } from '../../../../../../src/store/ledger/postgres/connection/connection.ts'
import type { Installation } from '../../../../../../src/store/ledger/postgres/follow.ts'

const serving: Installation = {
  epoch: 7,
  seq: 40,
  beat: 3,
  began: 30,
  pruned: 0,
  holder: 'box 1',
  heir: null,
  name: 'one',
  url: null,
}
const looker = { name: 'two', process: 'box 2' }
const LOOK_MS = 100

/** A database in which nothing moves between a look and what follows from it. */
function database(isLocked = false): Connection {
  const query = async (text: string) => {
    if (text.includes('pg_try_advisory_lock')) return [{ mine: !isLocked }]
    return text.startsWith('update') ? [{ epoch: 8 }] : []
  }
  return { host: { url: '', shown: '' }, query, prepared: query, isOpen: () => true, close() {} }
}

/** Looks from `from` to `until`, ms; `at` says what is seen then, null while the database is away. */
async function takenAt(
  until: number,
  at: (now: number) => Installation | null,
  connection = database(),
): Promise<number | undefined> {
  let sight: Sight | undefined
  for (let now = 0; now <= until; now += LOOK_MS) {
    const installation = at(now)
    if (installation === null) continue
    sight = seen(sight, installation, now)
    if ((await claim(connection, sight, looker, now)) !== undefined) return now
  }
  return undefined
}

const beating = (now: number) => ({ ...serving, beat: now })

it('what stands still is taken after half a second where its lock is free, and after three where it is not', async () => {
  expect(await takenAt(5_000, () => serving)).toBe(500)
  expect(await takenAt(5_000, () => serving, database(true))).toBe(3_000)
  expect(await takenAt(5_000, beating)).toBe(undefined)
})

it('the time in which the database was away says nothing about the daemon that serves', async () => {
  // Back after ten seconds; the daemon that serves needs two more to find it.
  const back = (now: number) => (now < 1_000 || now >= 12_000 ? beating(now) : now < 10_000 ? null : beating(900))
  expect(await takenAt(20_000, back)).toBe(undefined)
  expect(await takenAt(20_000, back, database(true))).toBe(undefined)
})

it('a daemon that does not come back with its database is taken over from', async () => {
  const gone = (now: number) => (now >= 1_000 && now < 10_000 ? null : beating(Math.min(now, 900)))
  expect(await takenAt(20_000, gone)).toBe(13_000)
})

it('a daemon that came back and is gone then is taken over from as ever', async () => {
  const later = (now: number) => (now >= 1_000 && now < 10_000 ? null : beating(Math.min(now, 11_000)))
  expect(await takenAt(20_000, later)).toBe(11_500)
})

it('a daemon takes at once what it has taken already without hearing of it', async () => {
  expect(await takenAt(1_000, now => ({ ...serving, beat: now, holder: looker.process }))).toBe(0)
})

it('what was given up is taken by its heir, or by anyone', async () => {
  const free = { ...serving, holder: null }
  expect(await takenAt(1_000, () => free)).toBe(0)
  expect(await takenAt(1_000, () => ({ ...free, heir: 'two' }))).toBe(0)
  expect(await takenAt(5_000, () => ({ ...free, heir: 'three' }))).toBe(undefined)
})
