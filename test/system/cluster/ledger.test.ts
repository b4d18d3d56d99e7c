/** Daemons over a real PostgreSQL: who takes over and when, what a replica follows, and whom an installation refuses. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Change } from '../../../src/store/ledger/ledger.ts'
import { createLink, type Link } from './support/link.ts'
import { joinMember, stopMembers } from './support/members.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'

let postgres: Postgres
let count = 0
beforeAll(async () => {
  postgres = await startPostgres()
})
afterEach(async () => {
  await stopMembers()
  for (const link of links.splice(0)) link.close()
})
afterAll(() => postgres?.remove())

/** A url with a database of its own. */
const freshUrl = () => postgres.url(`tdf${++count}`)
const database = () => `tdf${count}`

function change(id: number, value: string | null): Change {
  return { table: 'tasks', key: `[${id}]`, row: value === null ? null : JSON.stringify({ id, value }) }
}

const links: Link[] = []
async function linked(): Promise<Link> {
  const link = await createLink(postgres.port)
  links.push(link)
  return link
}

const until = (holds: () => unknown) => expect.poll(holds, { timeout: 60_000, interval: 20 })

describe('a daemon that stands by', () => {
  it('follows what is written, and is missing nothing when the other hands the installation over', async () => {
    const url = await freshUrl()
    const one = await joinMember(url, 'one')
    const { ledger } = await one.takeOver()
    for (let id = 0; id < 20; id++) await ledger.write([change(id, 'first')])
    const two = await joinMember(url, 'two')
    const taken = two.takeOver()
    await until(() => two.replicas[0]?.rows.size).toBe(20)
    await ledger.write([change(0, 'second'), change(1, null), change(99, 'new')])
    await until(() => two.replicas[0]?.rows.get('tasks [0]')?.row).toContain('second')
    expect(two.member.serving()).toEqual({ epoch: 1, name: 'one', url: 'one.example:7434' })
    await ledger.write([change(2, 'last')])
    await ledger.close()
    const { ledger: next, replica } = await taken
    expect(next.position()).toEqual({ epoch: 2, seq: 22 })
    replica.apply(next.rows())
    expect(two.replicas).toHaveLength(1)
    expect(replica.rows.size).toBe(20)
    expect(replica.rows.get('tasks [2]')?.row).toContain('last')
    expect(replica.rows.has('tasks [1]')).toBe(false)
    await next.write([change(3, 'by the second')])
    expect(next.position()).toEqual({ epoch: 2, seq: 23 })
  })

  it('leaves a daemon alone that is well, for as long as it looks on', async () => {
    const url = await freshUrl()
    const { ledger } = await (await joinMember(url, 'one')).takeOver()
    const two = await joinMember(url, 'two')
    void two.takeOver().catch(() => {})
    // Longer than what a daemon is given up after; how long is told by the beats of the database itself.
    const beats = async () =>
      Number((await postgres.query(database(), 'select beat from tdf_ledger.installation'))[0]?.beat)
    const first = await beats()
    await until(beats).toBeGreaterThan(first + 20)
    await ledger.write([change(1, 'still here')])
    expect(ledger.position().epoch).toBe(1)
  })

  it('takes over what is cut off from the database, which is fenced once the way is there again', async () => {
    const url = await freshUrl()
    const link = await linked()
    const one = await joinMember(`postgres://postgres@127.0.0.1:${link.port}/${database()}`, 'one')
    const { ledger } = await one.takeOver()
    await ledger.write([change(1, 'stored')])
    const told: string[] = []
    ledger.onLost(why => void told.push(why))
    const two = await joinMember(url, 'two')
    const taken = two.takeOver()
    await until(() => two.replicas[0]?.rows.size).toBe(1)
    link.cut()
    const late = ledger.write([change(1, 'late')]).then(
      () => 'stored',
      error => error.code,
    )
    const { ledger: next } = await taken
    expect(next.position().epoch).toBe(2)
    await next.write([change(2, 'by the second')])
    link.restore()
    expect(await late).toBe('FENCED')
    expect(told).toEqual([expect.stringContaining('epoch 2')])
    expect((await next.reload()).map(({ row }) => row).join()).not.toContain('late')
  })

  it('leaves the installation to the one that it is handed over to', async () => {
    const url = await freshUrl()
    const one = await joinMember(url, 'one')
    const { ledger } = await one.takeOver()
    const [two, three] = [await joinMember(url, 'two'), await joinMember(url, 'three')]
    void two.takeOver().catch(() => {})
    const taken = three.takeOver()
    await until(() => two.replicas.length + three.replicas.length).toBe(2)
    await one.member.setHeir('three')
    await ledger.close()
    expect((await taken).ledger.position().epoch).toBe(2)
    expect(await three.member.members()).toMatchObject([
      { name: 'one', role: 'standby' },
      { name: 'three', role: 'serving', epoch: 2, url: 'three.example:7434', version: '1.2.3', isThere: true },
      { name: 'two', role: 'standby' },
    ])
  })

  it('reads everything anew when marks of removed rows are gone that it did not see', async () => {
    const url = await freshUrl()
    const link = await linked()
    const { ledger } = await (await joinMember(url, 'one')).takeOver()
    await ledger.write([change(1, 'kept'), change(2, 'removed later')])
    const two = await joinMember(`postgres://postgres@127.0.0.1:${link.port}/${database()}`, 'two')
    void two.takeOver().catch(() => {})
    await until(() => two.replicas[0]?.rows.size).toBe(2)
    link.cut()
    await ledger.write([change(2, null)])
    await ledger.write([change(3, 'new')])
    await postgres.query(database(), 'delete from tdf_ledger.rows where data is null')
    await postgres.query(database(), 'update tdf_ledger.installation set pruned = seq')
    link.restore()
    await until(() => [...(two.replicas[1]?.rows.keys() ?? [])].sort()).toEqual(['tasks [1]', 'tasks [3]'])
    expect(two.replicas[0]?.isClosed).toBe(true)
  })
})

describe('a daemon that serves', () => {
  it('counts a write once whose answer is lost and that is asked for again', async () => {
    await freshUrl()
    const link = await linked()
    const url = `postgres://postgres@127.0.0.1:${link.port}/${database()}`
    const { ledger } = await (await joinMember(url, 'one')).takeOver()
    const lost = link.loseAnswerTo('asked twice')
    await ledger.write([change(1, 'asked twice')])
    await lost
    await ledger.write([change(2, 'asked once')])
    expect(ledger.position()).toEqual({ epoch: 1, seq: 2 })
    expect(await postgres.query(database(), 'select pk, seq from tdf_ledger.rows order by pk')).toEqual([
      { pk: '[1]', seq: '1' },
      { pk: '[2]', seq: '2' },
    ])
  })

  it('gets no answer to a write while the database is away, says since when, and has it stored once it is back', async () => {
    await freshUrl()
    const link = await linked()
    const url = `postgres://postgres@127.0.0.1:${link.port}/${database()}`
    const { ledger } = await (await joinMember(url, 'one')).takeOver()
    link.cut()
    let isAnswered = false
    const write = ledger.write([change(1, 'waited')]).then(() => (isAnswered = true))
    await until(() => ledger.outage()).toMatchObject({ since: expect.any(Number), error: expect.any(String) })
    expect(isAnswered).toBe(false)
    link.restore()
    await write
    expect(ledger.outage()).toBe(null)
    expect(await ledger.reload()).toEqual([change(1, 'waited')])
  })

  it('goes on over a PostgreSQL that is killed and started again, and nobody takes over meanwhile', async () => {
    const url = await freshUrl()
    const { ledger } = await (await joinMember(url, 'one')).takeOver()
    const two = await joinMember(url, 'two')
    void two.takeOver().catch(() => {})
    await until(() => two.replicas.length).toBe(1)
    await ledger.write([change(1, 'before')])
    await postgres.kill()
    const write = ledger.write([change(2, 'meanwhile')])
    await until(() => ledger.outage()).toMatchObject({ error: expect.stringContaining('ECONNREFUSED') })
    await postgres.start()
    await write
    expect(ledger.position()).toEqual({ epoch: 1, seq: 2 })
    await until(() => two.replicas[0]?.rows.size).toBe(2)
    await ledger.close()
  })
})

describe('an installation', () => {
  it('is made once by daemons that start at the same time, and has one id', async () => {
    const url = await freshUrl()
    const members = await Promise.all(['one', 'two', 'three', 'four'].map(name => joinMember(url, name)))
    const ids = new Set(members.map(({ member }) => member.installId))
    expect([...ids]).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)])
  })

  it('has the key of its first daemon, and refuses one with another key', async () => {
    const url = await freshUrl()
    const asked: (string | null)[] = []
    const keyed = (key: string) => ({
      keyCheck(known: string | null) {
        asked.push(known)
        return key
      },
    })
    await joinMember(url, 'first', keyed('aaaa'))
    await joinMember(url, 'second', keyed('aaaa'))
    await expect(joinMember(url, 'other', keyed('bbbb'))).rejects.toMatchObject({ code: 'STATE_FOREIGN' })
    expect(asked).toEqual([null, 'aaaa', 'aaaa'])
  })

  it('refuses a daemon that is older than what made its tables', async () => {
    const url = await freshUrl()
    await joinMember(url, 'one')
    await postgres.query(database(), 'update tdf_ledger.installation set format = 2')
    await expect(joinMember(url, 'older')).rejects.toMatchObject({ code: 'STATE_NEWER' })
  })

  it('refuses a database that cannot hold every text', async () => {
    await postgres.query('postgres', "create database latin encoding 'LATIN1' template template0")
    const url = (await postgres.url('latin')) ?? ''
    await expect(joinMember(url, 'one')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('shows its rows as tables to people', async () => {
    const { ledger } = await (await joinMember(await freshUrl(), 'one')).takeOver()
    const meta = { table: 'meta', key: '["greeting"]', row: '{"key":"greeting","value":"it\'s é"}' }
    await ledger.write([
      meta,
      { table: 'heartbeats', key: '["n1"]', row: '{"node_name":"n1","at":1700000000000,"cpu_percent":12.5}' },
    ])
    const read = (text: string) => postgres.query(database(), text).catch(() => [])
    await until(() => read('select at, cpu_percent from tdf.heartbeats')).toEqual([
      { at: '1700000000000', cpu_percent: 12.5 },
    ])
    expect(await read('select * from tdf.meta')).toEqual([{ key: 'greeting', value: "it's é" }])
    await ledger.write([{ ...meta, row: null }])
    expect(await read('select * from tdf.meta')).toEqual([])
  })
})
