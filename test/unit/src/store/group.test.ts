/** Group commit: many writes, one transaction; each fails alone, and nobody is told of what was not stored. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Failpoint, realWorld } from '../../../../src/platform/world.ts'
import { createGroup, type GroupParts } from '../../../../src/store/sqlite/group-commit.ts'
import { openSql, type Sql } from '../../../../src/store/sqlite/sql.ts'
import { storageError } from '../../../../src/store/sqlite/storage-error.ts'

let folder: string
let sql: Sql
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-group-'))
  sql = openSql(path.join(folder, 'a.db'))
  sql.script('create table t (a unique)')
})
afterEach(() => {
  sql.close()
  rmSync(folder, { recursive: true })
})

/** A group also closes after some ms: here no time passes, however busy the machine is. */
const timeless = (): ReturnType<typeof realWorld> => {
  const real = realWorld()
  return { ...real, clock: { ...real.clock, mono: () => 0 } }
}

const groupOf = (parts: Partial<GroupParts> = {}) =>
  createGroup({
    sql,
    world: timeless(),
    participant: { write() {}, rollback() {}, committed() {}, rollbackAll() {} },
    onFull: () => false,
    ...parts,
  })
const insert = (value: number) => sql.run('insert into t values (?)', value)
const stored = () => sql.all('select a from t order by a').map(({ a }) => a)

describe('a group', () => {
  it('stores what is asked for in one turn with one commit', async () => {
    let commits = 0
    const failpoint: Failpoint = (when, effect) => void (when === 'after' && effect === 'commit' && commits++)
    const group = groupOf({ world: { ...timeless(), failpoint } })
    await Promise.all([1, 2, 3].map(value => group.commit(() => insert(value))))
    expect([stored(), commits]).toEqual([[1, 2, 3], 1])
  })

  it('undoes the member that fails, and no other', async () => {
    const group = groupOf()
    const told: string[] = []
    const results = await Promise.allSettled([
      group.commit(() => insert(1)),
      group.commit(() => {
        insert(2)
        group.afterCommit(() => told.push('the second'))
        throw new Error('not this one')
      }),
      group.commit(() => {
        insert(3)
        group.afterCommit(() => told.push('the third'))
        return 'three'
      }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect([stored(), told]).toEqual([[1, 3], ['the third']])
  })

  it('copies no pages for members that all succeed', async () => {
    const scripts: string[] = []
    const script = (text: string) => {
      scripts.push(text)
      sql.script(text)
    }
    const group = groupOf({ sql: { ...sql, script } })
    await Promise.all([1, 2, 3].map(value => group.commit(() => insert(value))))
    expect(scripts).toEqual(['begin immediate', 'commit'])
  })

  it('refuses a write that waits', async () => {
    const group = groupOf()
    await expect(group.commit(async () => insert(1))).rejects.toThrow(/no await/)
    expect(stored()).toEqual([])
  })

  it('tells nobody that something was stored when the commit fails', async () => {
    const world = {
      ...realWorld(),
      failpoint(when: string) {
        if (when === 'before') throw Object.assign(new Error('disk full'), { code: 'SQLITE_FULL' })
      },
    }
    const group = groupOf({ world: world as ReturnType<typeof realWorld> })
    const told: string[] = []
    const write = group.commit(() => {
      insert(1)
      group.afterCommit(() => told.push('stored'))
    })
    await expect(write).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect([stored(), told, sql.inTransaction()]).toEqual([[], [], false])
  })

  it('stores exactly what was told to be stored, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ value: fc.nat(20), fails: fc.boolean() }), { maxLength: 30 }),
        async writes => {
          sql.script('delete from t')
          const group = groupOf()
          const results = await Promise.allSettled(
            writes.map(({ value, fails }) =>
              group.commit(() => {
                insert(value)
                if (fails) throw new Error('no')
                return value
              }),
            ),
          )
          const told = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
          expect(stored()).toEqual(told.sort((a, b) => a - b))
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('a group on a full disk', () => {
  /** The next commit fails as SQLite does when there is no room. */
  function full(times: number): Sql {
    let left = times
    const script = (text: string) => {
      if (text === 'commit' && left-- > 0) throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
      sql.script(text)
    }
    return { ...sql, script }
  }

  it('is tried once more when room was made, and each of its writes is stored once', async () => {
    let asked = 0
    const group = groupOf({ sql: full(1), onFull: () => ++asked === 1 })
    await Promise.all([1, 2, 3].map(value => group.commit(() => insert(value))))
    expect([stored(), asked]).toEqual([[1, 2, 3], 1])
  })

  it('is refused when no room can be made, and later writes are stored', async () => {
    const group = groupOf({ sql: full(1) })
    expect(group.outage()).toBeNull()
    await expect(group.commit(() => insert(1))).rejects.toMatchObject({ code: 'DISK_FULL' })
    const error = expect.objectContaining({ code: 'DISK_FULL' })
    expect(group.outage()).toEqual({ since: expect.any(Number), until: null, error })
    await group.commit(() => insert(2))
    expect(group.outage()).toEqual({ since: expect.any(Number), until: expect.any(Number), error })
    expect(stored()).toEqual([2])
  })
})

describe('what the database says when it cannot be written', () => {
  const said = (code: string) => storageError(Object.assign(new Error('no'), { code }))

  it.each([
    ['SQLITE_FULL', 'DISK_FULL', 30_000],
    ['SQLITE_IOERR_WRITE', 'DISK_FULL', 30_000],
    ['SQLITE_BUSY_SNAPSHOT', 'STATE_UNWRITABLE', 5_000],
    ['SQLITE_LOCKED', 'STATE_UNWRITABLE', 5_000],
    ['SQLITE_READONLY_DBMOVED', 'STATE_UNWRITABLE', 5_000],
    ['SQLITE_CANTOPEN', 'STATE_UNWRITABLE', 5_000],
  ])('%s is %s, and is tried again later', (code, expected, retryAfterMs) => {
    const message = `the state database cannot be written (${code}): nothing was stored`
    expect(said(code)).toMatchObject({ code: expected, message, retryAfterMs, cause: expect.any(Error) })
  })

  it('everything else is about what was written', () => {
    expect(said('SQLITE_CONSTRAINT')).toMatchObject({ code: 'BUG' })
    expect(storageError('SQLITE_FULL')).toMatchObject({ code: 'BUG' })
  })
})
