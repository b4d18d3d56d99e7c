/** The store over a ledger: what counts is stored there, before anything is answered, told or shown. */
import { expect, it } from 'vitest'
import { type Failpoint, realWorld, type World } from '../../../../../src/platform/world.ts'
import { openReplica } from '../../../../../src/store/ledger/replica.ts'
import { readRows } from '../../../../../src/store/ledger/rows.ts'
import { openLedgerStore } from '../../../../../src/store/ledger/store.ts'
import { MIGRATIONS } from '../../../../../src/store/sqlite/migrations.ts'
import type { Store } from '../../../../../src/store/store.ts'
import { lastSeq } from '../../../../../src/store/tables/journal.ts'
import { readMeta, writeMeta } from '../../../../../src/store/tables/meta.ts'
import { type FakeLedger, fakeLedger, NO_FAULTS } from '../../../../fakes/ledger.ts'
import { simWorld, timeline } from '../../../../fakes/world.ts'
import { afterFile } from '../../../../support/after-file.ts'

async function open(fake: FakeLedger, world: World = realWorld(), replica = openReplica()): Promise<Store> {
  const store = await openLedgerStore(fake.claim(), world, replica)
  afterFile(() => store.sql.close())
  return store
}

const set = (store: Store, key: string, value = 'x') => store.commit(() => writeMeta(store.sql, key, value))
const EVENT = { type: 'node.removed', nodeName: 'n1', data: {} } as const
const failingAt = (failpoint: Failpoint): World => ({ ...realWorld(), failpoint })
/** What is in memory and what is stored, which have to be the same. */
const both = (store: Store, fake: FakeLedger) => {
  const stored = [...fake.rows.values()].filter(({ table }) => table !== 'schema')
  const inOrder = stored.sort((a, b) => (a.table + a.key < b.table + b.key ? -1 : 1))
  const here = readRows(store.sql).sort((a, b) => (a.table + a.key < b.table + b.key ? -1 : 1))
  expect(inOrder).toEqual(here)
  return here.map(({ key }) => key)
}
const turns = async (count: number) => {
  for (let left = count; left > 0; left--) await new Promise(resolve => setImmediate(resolve))
}

it('a write is answered and told once it is stored, and what comes meanwhile is stored together', async () => {
  const fake = fakeLedger()
  const store = await open(fake)
  const heard: number[] = []
  store.listen(({ seq }) => heard.push(seq))
  fake.leave()
  let answered = 0
  const append = () => store.append(EVENT, 1)
  const writes = [store.commit(append).then(() => answered++)]
  await turns(5)
  const before = fake.position.seq
  for (let count = 0; count < 20; count++) writes.push(store.commit(append).then(() => answered++))
  await turns(5)
  expect([answered, heard, store.outage()]).toMatchObject([0, [], { until: null, error: { code: 'STORE_AWAY' } }])
  fake.comeBack()
  await Promise.all(writes)
  expect([answered, heard.length, lastSeq(store.sql), fake.position.seq - before]).toEqual([21, 21, 21, 2])
  expect(store.outage()).toMatchObject({ until: expect.any(Number) })
  both(store, fake)
})

it('a group that changes nothing needs no ledger', async () => {
  const fake = fakeLedger()
  const store = await open(fake)
  fake.leave()
  expect(await store.commit(() => 'an answer')).toBe('an answer')
})

it('a write that asks for another one is stored before it', async () => {
  const fake = fakeLedger({ turns: () => 2 })
  const store = await open(fake)
  const more: Promise<unknown>[] = []
  await store.commit(() => {
    writeMeta(store.sql, 'a', 'x')
    more.push(set(store, 'b'))
  })
  expect([await Promise.all(more), both(store, fake)]).toEqual([[undefined], ['["a"]', '["b"]']])
})

it('a member that fails alone is not stored, the others are', async () => {
  const fake = fakeLedger()
  const store = await open(fake)
  const refused = store.commit(() => {
    writeMeta(store.sql, 'b', 'x')
    throw new Error('not this one')
  })
  await Promise.allSettled([set(store, 'a'), refused, set(store, 'c')])
  await expect(refused).rejects.toThrow('not this one')
  expect(both(store, fake)).toEqual(['["a"]', '["c"]'])
})

it('an answer that was lost is asked for again, and its group is stored once', async () => {
  let lost = 0
  const fake = fakeLedger({ losesAnswer: () => lost++ % 3 !== 2 })
  const store = await open(fake)
  await Promise.all([set(store, 'a'), store.commit(() => store.append(EVENT, 1))])
  await set(store, 'b')
  expect([both(store, fake), fake.position.seq]).toEqual([['[1]', '["a"]', '["b"]'], 3])
})

it('a daemon whose place was taken stores nothing, answers nothing and is told once', async () => {
  const fake = fakeLedger()
  const ledger = fake.claim()
  const lost: string[] = []
  ledger.onLost(why => lost.push(why))
  const store = await openLedgerStore(ledger, realWorld())
  await set(store, 'a')
  const next = await open(fake)
  const heard: unknown[] = []
  store.listen(event => heard.push(event))
  const write = store.commit(() => {
    store.append(EVENT, 1)
    store.afterCommit(() => heard.push('stored'))
    writeMeta(store.sql, 'a', 'of the old one')
  })
  await expect(write).rejects.toMatchObject({ code: 'FENCED' })
  await expect(set(store, 'b')).rejects.toMatchObject({ code: 'FENCED' })
  expect([heard, lost, readMeta(store.sql, 'a')]).toEqual([[], ['another daemon serves'], 'x'])
  await set(next, 'c')
  expect(both(next, fake)).toEqual(['["a"]', '["c"]'])
})

it('nothing is sent when the daemon fails before it', async () => {
  const fake = fakeLedger()
  let fails = false
  const store = await open(
    fake,
    failingAt((when, effect) => {
      if (fails && when === 'before' && effect === 'ledger') throw new Error('the end')
    }),
  )
  fails = true
  await expect(set(store, 'a')).rejects.toThrow('the end')
  fails = false
  await set(store, 'b')
  expect(both(store, fake)).toEqual(['["b"]'])
})

it.each(['before', 'after'] as const)(
  'a group that is stored and then fails in memory, %s its commit, is mended from there and refuses nobody',
  async when => {
    const fake = fakeLedger()
    let fails = 0
    const store = await open(
      fake,
      failingAt((at, effect) => {
        if (at === when && effect === 'commit' && fails-- > 0)
          throw Object.assign(new Error('no'), { code: 'SQLITE_IOERR' })
      }),
    )
    await set(store, 'a')
    const heard: unknown[] = []
    store.listen(({ seq }) => heard.push(seq))
    fails = 1
    const write = store.commit(() => {
      store.append(EVENT, 1)
      store.afterCommit(() => heard.push('stored'))
      writeMeta(store.sql, 'b', 'x')
      return 'done'
    })
    expect(await write).toBe('done')
    expect([heard, readMeta(store.sql, 'b')]).toEqual([[1, 'stored'], 'x'])
    await Promise.all([set(store, 'c'), store.commit(() => store.sql.run("delete from meta where key = 'a'"))])
    expect(both(store, fake)).toEqual(['[1]', '["b"]', '["c"]'])
  },
)

it('what cannot be mended because another daemon serves is refused', async () => {
  const fake = fakeLedger()
  const store = await open(
    fake,
    failingAt((when, effect) => {
      if (when !== 'before' || effect !== 'commit') return
      fake.claim()
      throw new Error('no')
    }),
  )
  await expect(set(store, 'a')).rejects.toMatchObject({ code: 'FENCED' })
})

it('writes that nothing can take any more are refused, and those before them are stored', async () => {
  const fake = fakeLedger()
  const store = await open(fake)
  fake.leave()
  const writes = Array.from({ length: 20_001 }, (_, index) => store.commit(() => writeMeta(store.sql, 'k', `${index}`)))
  await expect(writes.pop()).rejects.toMatchObject({ code: 'STORE_AWAY', class: 'wait' })
  fake.comeBack()
  await Promise.all(writes)
  expect(readMeta(store.sql, 'k')).toBe('19999')
  both(store, fake)
})

it('who waits for an answer is told when there is none; what had not begun is not begun any more', async () => {
  const fake = fakeLedger()
  const world = simWorld(timeline())
  const store = await open(fake, world)
  fake.leave()
  const answers = [store.answered(() => writeMeta(store.sql, 'a', 'x'))]
  await world.settle()
  answers.push(store.answered(() => writeMeta(store.sql, 'b', 'x')))
  const told = Promise.allSettled(answers)
  await world.clock.advance(10_000)
  expect((await told).map(answer => answer.status === 'rejected' && answer.reason)).toMatchObject([
    { code: 'STORE_AWAY', message: expect.stringContaining('may be stored later') },
    { code: 'STORE_AWAY', message: expect.stringContaining('nothing was stored') },
  ])
  fake.comeBack()
  await world.settle()
  expect(both(store, fake)).toEqual(['["a"]'])
  expect([await store.answered(() => 'an answer'), store.durable()]).toEqual(['an answer', undefined])
})

it('the schema moves when a newer tdf takes over, for the rows too; an older one refuses it', async () => {
  const fake = fakeLedger()
  const older = openReplica(MIGRATIONS.slice(0, 4))
  const store = await open(fake, realWorld(), older)
  await store.commit(() => {
    const values = "'sha', 1, 'c', 'r', 1, 1"
    store.sql.run(`insert into bundles (sha256, bytes, commit_id, ref, created_at, used_at) values (${values})`)
  })
  const standby = openReplica()
  expect(standby.apply([...fake.rows.values()])).toBe('applied')
  const newer = await open(fake, realWorld(), openReplica())
  expect(both(newer, fake)).toEqual(['["sha"]'])
  expect([...fake.rows.values()].map(({ row }) => row)).toEqual([
    `{"version":${MIGRATIONS.length}}`,
    expect.stringContaining('"source":null'),
  ])
  // One that followed the older schema begins anew.
  expect(standby.apply([...fake.rows.values()])).toBe('stale')
  standby.close()
  await expect(open(fake, realWorld(), openReplica(MIGRATIONS.slice(0, 4)))).rejects.toMatchObject({
    code: 'STATE_NEWER',
  })
})

it('a daemon that followed takes over with what it missed alone', async () => {
  const fake = fakeLedger()
  const store = await open(fake)
  await set(store, 'a')
  await set(store, 'b')
  const standby = openReplica()
  standby.apply([...fake.rows.values()])
  await set(store, 'c')
  await store.commit(() => store.sql.run("delete from meta where key = 'a'"))
  const missed = [
    { table: 'meta', key: '["c"]', row: '{"key":"c","value":"x"}' },
    { table: 'meta', key: '["a"]', row: null },
  ]
  const next = await openLedgerStore(fake.claim({ behind: missed }), realWorld(), standby)
  expect(both(next, fake)).toEqual(['["b"]', '["c"]'])
  next.sql.close()
})

it('rows without a schema, and a schema that is no number, are refused', () => {
  const row = { table: 'meta', key: '["a"]', row: '{"key":"a","value":"x"}' }
  expect(() => openReplica().apply([row])).toThrowError(expect.objectContaining({ code: 'STATE_CORRUPT' }))
  const schema = { table: 'schema', key: '["version"]', row: '{"version":"six"}' }
  expect(() => openReplica().apply([schema, row])).toThrowError(expect.objectContaining({ code: 'STATE_CORRUPT' }))
})

it('the end waits for the group that is under way, and gives the installation up after it', async () => {
  const fake = fakeLedger({ ...NO_FAULTS, turns: () => 3 })
  const ledger = fake.claim()
  let isGivenUp = false
  const close = async () => {
    isGivenUp = true
  }
  const store = await openLedgerStore({ ...ledger, close }, realWorld())
  const write = set(store, 'a').then(() => isGivenUp)
  await turns(1)
  await store.close()
  expect([await write, isGivenUp, fake.rows.has('meta ["a"]')]).toEqual([false, true, true])
})
