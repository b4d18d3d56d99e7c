/** The state on disk: full, held by others, damaged. Numbers and names are those of docs/faults.md. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { realWorld, type World } from '../../../src/platform/world.ts'
import { openStore, type Store } from '../../../src/store/store.ts'
import { readNewestAttempt } from '../../../src/store/tables/attempts.ts'
import { readNodes } from '../../../src/store/tables/nodes.ts'
import { HOUR, type Lives, lives, MIN } from '../../support/daemon/lives.ts'

let folder: string
let store: Store | undefined
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-fault-'))
})
afterEach(() => {
  store?.close()
  store = undefined
  rmSync(folder, { recursive: true })
})
const file = () => path.join(folder, 'tdf.db')
const open = (world: World = realWorld()) => {
  store = openStore(folder, world)
  return store
}

/** A state folder as a daemon that ended well leaves it: a copy, since libsql lets go of its lock only when it is collected. */
function closed(): void {
  open().close()
  store = undefined
  const copy = mkdtempSync(path.join(tmpdir(), 'tdf-fault-'))
  cpSync(folder, copy, { recursive: true })
  rmSync(folder, { recursive: true })
  folder = copy
}

it('16 disk-full: whichever write finds no room, nothing is lost or done twice, and it goes on with room', async () => {
  for (let nth = 1; nth <= 24; nth++) {
    const all = await lives()
    const { failpoint: power } = all.life.world
    let commits = 0
    all.life.world.failpoint = (when, effect) => {
      power(when, effect)
      if (when === 'before' && effect === 'commit') commits += 1
      if (when === 'before' && effect === 'commit' && commits === nth) {
        throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
      }
    }
    const submit = () => all.life.submit({}, { commits: 1 }, 'task-1')
    await submit().catch(error => {
      expect(error).toMatchObject({ code: 'DISK_FULL' })
      return submit()
    })
    expect(await all.rest()).toBe(true)
    const once = [...all.agent().builds.values(), ...all.agent().starts.values()]
    expect([all.life.task('task-1').status, once], `write ${nth}`).toEqual(['completed', [1, 1]])
    all.end()
  }
})

it('17 db-locked-by-other: no other process gets at the live file, and ours goes on', async () => {
  const { sql, commit } = open()
  const script = `import Database from 'libsql'; const db = new Database(process.argv[1]);
db.exec('pragma busy_timeout = 100; begin immediate');`
  const other = spawnSync(process.execPath, ['--input-type=module', '-e', script, file()], { encoding: 'utf8' })
  expect([other.status === 0, /SQLITE_BUSY|locked/.test(other.stderr)]).toEqual([false, true])
  await commit(() => sql.run("insert into meta (key, value) values ('after', 'the other')"))
  expect(sql.one("select value from meta where key = 'after'")).toEqual({ value: 'the other' })
})

describe('18 wal-missing, shm-garbage', () => {
  const write = (value: string) =>
    (store as Store).commit(() => (store as Store).sql.run("insert into meta (key, value) values ('k', ?)", value))

  it('a shared-memory file that is garbage is made anew, and nothing is missed', async () => {
    closed()
    writeFileSync(`${file()}-shm`, Buffer.alloc(32_768, 0x5a))
    open()
    await write('stored')
    expect(store?.sql.one("select value from meta where key = 'k'")).toEqual({ value: 'stored' })
  })

  it('without its write-ahead log it opens at the last checkpoint, whole', async () => {
    closed()
    rmSync(`${file()}-wal`, { force: true })
    open()
    expect(store?.sql.one('pragma quick_check(1)')).toEqual({ quick_check: 'ok' })
  })
})

describe('19 corrupt-db', () => {
  it('a page that is overwritten is refused with the way out, and the file stays as it is', () => {
    closed()
    const bytes = readFileSync(file())
    bytes.fill(0xff, 4096, 12_288)
    writeFileSync(file(), bytes)
    expect(() => open()).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT', hint: 'tdf db restore' }))
    expect(readFileSync(file()).equals(bytes)).toBe(true)
  })
})

describe('20 not-a-db, empty-file', () => {
  it.each([
    ['an empty file', ''],
    ['somebody else’s file', 'dear diary, today I became a database'],
  ])('%s is never taken for ours, nor replaced', (_, content) => {
    writeFileSync(file(), content)
    expect(() => open()).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
    expect(readFileSync(file(), 'utf8')).toBe(content)
    expect(readdirSync(folder)).toEqual(['tdf.db'])
  })
})

it('21 corrupt-row: a task whose row is damaged stands alone, the others go on', async () => {
  const all = await lives()
  await all.submit({}, { hangs: true, busy: true }, 'damaged')
  await all.submit({}, { ms: 60_000, commits: 1, busy: true }, 'healthy')
  await all.until(() => all.life.task('healthy').step === 'running')
  all.life.engine.store.sql.run("update attempts set facts = '{\"broken' where task_id = 'damaged'")
  await all.die()
  await all.begin()
  expect(await all.rest('healthy')).toBe(true)
  expect(all.life.task('healthy').status).toBe('completed')
  expect(() => readNewestAttempt(all.life.engine.store.sql, 'damaged')).toThrow(/damaged/)
  all.end()
})

it('26 power-loss: a commit is on the disk before it is answered', () => {
  expect(open().sql.one('pragma synchronous')).toEqual({ synchronous: 2 })
  expect(store?.sql.one('pragma journal_mode')).toEqual({ journal_mode: 'wal' })
})

describe('24 backup-while-busy: a daemon on an old copy, with machines under way', () => {
  let all: Lives
  afterEach(() => all.end())
  const cloud = () => {
    if (!all.out.hetzner) throw new Error('there is no cloud')
    return all.out.hetzner
  }
  /** Goes on from a copy of the state as it was at `moment`, once `later` has happened. */
  async function goBack(moment: () => boolean, later: () => boolean): Promise<void> {
    expect(await all.until(moment, HOUR)).toBe(true)
    const copy = path.join(folder, 'copy')
    cpSync(all.out.dir, copy, { recursive: true })
    expect(await all.until(later, HOUR)).toBe(true)
    await all.die()
    rmSync(all.out.dir, { recursive: true })
    cpSync(copy, all.out.dir, { recursive: true })
    await all.begin()
  }
  const step = () => all.life.task('task-1').step
  const machinesMade = () => [...cloud().cloud.made.values()]

  it('orders no machine a second time, and runs no agent twice', async () => {
    all = await lives({ nodes: [], hetzner: true })
    await all.submit({}, { ms: 10 * MIN, commits: 1, busy: true })
    await goBack(
      () => readNodes(all.life.engine.store.sql).length > 0,
      () => step() === 'running',
    )
    expect(await all.rest()).toBe(true)
    expect(all.life.task('task-1')).toMatchObject({ status: 'completed', attempt: 1 })
    expect(machinesMade()).toEqual([1])
    expect([...cloud().agents.values()].flatMap(({ starts }) => [...starts.values()])).toEqual([1])
  })

  it('takes in the machine that it does not know, brings home what is on it, and removes it', async () => {
    all = await lives({ nodes: [], hetzner: true })
    let isSubmitted = false
    const submitted = () => {
      if (!isSubmitted) void all.life.submit({}, { ms: 1_000, dirty: true, hangs: true }, 'task-1')
      isSubmitted = true
      return all.life.engine.query('task-1')?.step === 'running'
    }
    await goBack(() => true, submitted)
    expect(all.life.engine.query('task-1')).toBeUndefined()
    expect(cloud().cloud.servers()).toHaveLength(1)
    expect(await all.until(() => cloud().cloud.servers().length === 0, 24 * HOUR)).toBe(true)
    expect([machinesMade(), cloud().cloud.leaks(), cloud().lostWork]).toEqual([[1], [], []])
  })
})
