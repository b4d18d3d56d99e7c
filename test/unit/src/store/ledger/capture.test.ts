/** What a group touched, as rows: told by triggers, whatever statement it was; and put back into another database. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCapture } from '../../../../../src/store/ledger/capture.ts'
import { readRows, tablesOf, writeRows } from '../../../../../src/store/ledger/rows.ts'
import { MIGRATIONS } from '../../../../../src/store/sqlite/migrations.ts'
import { openSql, type Sql } from '../../../../../src/store/sqlite/sql.ts'

const SCHEMA = `
  create table parents (id text primary key, number integer not null unique, share real) strict;
  create table children (
    parent text not null references parents (id) on delete cascade, at integer not null, note text, primary key (parent, at)
  ) strict, without rowid;
  create table counted (seq integer primary key autoincrement, what text not null) strict;`

let sql: Sql
let copy: Sql
beforeEach(() => {
  sql = open()
  copy = open()
})
afterEach(() => {
  sql.close()
  copy.close()
})

function open(): Sql {
  const fresh = openSql(':memory:')
  fresh.script(SCHEMA)
  fresh.script('pragma foreign_keys = on')
  return fresh
}

/** Runs a group, and answers what it touched. */
function groupOn(database: Sql) {
  const capture = createCapture(database)
  return (write: () => void) => {
    database.script('begin immediate')
    write()
    const changes = capture.take()
    database.script('commit')
    return changes
  }
}

/** A statement that breaks a rule of the schema changes nothing. */
function attempt(run: () => void): void {
  try {
    run()
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringContaining('SQLITE_CONSTRAINT') })
  }
}

describe('what a group touched', () => {
  it('is every row that was inserted, changed or removed, once, as it is at the end', () => {
    const group = groupOn(sql)
    const first = group(() => {
      sql.run("insert into parents values ('a', 1, 0.5), ('b', 2, null)")
      sql.run("update parents set number = 3 where id = 'a'")
    })
    expect(first).toEqual([
      { table: 'parents', key: '["a"]', row: '{"id":"a","number":3,"share":0.5}' },
      { table: 'parents', key: '["b"]', row: '{"id":"b","number":2,"share":null}' },
    ])
    expect(group(() => sql.run("delete from parents where id = 'a'"))).toEqual([
      { table: 'parents', key: '["a"]', row: null },
    ])
    expect(group(() => {})).toEqual([])
  })

  it('is also what goes because of another row: by a cascade, by a replacement, under a new key', () => {
    const group = groupOn(sql)
    group(() => {
      sql.run("insert into parents values ('a', 1, null), ('b', 2, null)")
      sql.run("insert into children values ('a', 1, 'x'), ('b', 1, 'y')")
    })
    expect(group(() => sql.run("delete from parents where id = 'a'"))).toEqual([
      { table: 'parents', key: '["a"]', row: null },
      { table: 'children', key: '["a",1]', row: null },
    ])
    // Another row holds the number.
    const replaced = group(() => sql.run("insert or replace into parents values ('c', 2, null)"))
    expect(replaced.map(({ table, key, row }) => [table, key, row !== null])).toEqual([
      ['parents', '["b"]', false],
      ['parents', '["c"]', true],
      ['children', '["b",1]', false],
    ])
    const moved = group(() => sql.run("update parents set id = 'd' where id = 'c'"))
    expect(moved.map(({ key, row }) => [key, row !== null])).toEqual([
      ['["c"]', false],
      ['["d"]', true],
    ])
  })

  it('is nothing of a member that was undone, also when others go on', () => {
    const group = groupOn(sql)
    const changes = group(() => {
      sql.run("insert into parents values ('a', 1, null)")
      sql.script('savepoint member')
      sql.run("insert into parents values ('b', 2, null)")
      sql.script('rollback to member; release member')
    })
    expect(changes.map(({ key }) => key)).toEqual(['["a"]'])
  })

  it('is noted whatever the conflict clause of the statement is', () => {
    const group = groupOn(sql)
    const changes = group(() => {
      sql.run("insert or ignore into parents values ('a', 1, null)")
      sql.run("insert into parents values ('a', 1, null) on conflict (id) do update set number = 7")
      sql.run("update or fail parents set number = 8 where id = 'a'")
    })
    expect(changes.map(({ row }) => JSON.parse(row ?? '{}').number)).toEqual([8])
  })

  it('has a number that was given and is gone, so that it is never given twice', () => {
    const group = groupOn(sql)
    const one = group(() => sql.run("insert into counted (what) values ('a'), ('b')"))
    const two = group(() => sql.run("delete from counted where what = 'b'"))
    expect(two).toContainEqual({ table: 'sqlite_sequence', key: '["counted"]', row: '{"name":"counted","seq":2}' })
    expect(group(() => sql.run("update counted set what = 'c'"))).toHaveLength(1)
    writeRows(copy, [...one, ...two])
    expect(copy.insert("insert into counted (what) values ('d')")).toBe(3)
  })

  it('is exact: numbers to the last digit, and every character', () => {
    const group = groupOn(sql)
    const texts = ['"\\/\u2028', 'a\nb\tc\u0001', 'Zürich 🚀', 'null']
    const numbers = [0.1 + 0.2, 2 ** 53 - 1, 123456789.12345679, 5e-324]
    const changes = group(() => {
      for (const [index, share] of numbers.entries()) {
        sql.run('insert into parents values (?, ?, ?)', texts[index] ?? '', 2 ** 52 + index, share)
        sql.run('insert into children values (?, ?, ?)', texts[index] ?? '', -index, texts[index] ?? '')
      }
    })
    writeRows(copy, changes)
    expect(readRows(copy)).toEqual(readRows(sql))
    expect(copy.all('select share from parents order by number').map(({ share }) => share)).toEqual(numbers)
    writeRows(
      copy,
      group(() => sql.run('delete from parents')),
    )
    expect(readRows(copy)).toEqual([])
  })
})

describe('rows that are taken over', () => {
  it('make the same database, whatever was done and in whatever order they come', () => {
    const id = fc.constantFrom('a', 'b', 'c', '"x"')
    const number = fc.integer({ min: 1, max: 4 })
    const statement = fc.oneof(
      fc.tuple(fc.constant('insert or replace into parents values (?, ?, null)'), id, number),
      fc.tuple(fc.constant('update or ignore parents set id = ?, share = 0.5 where number = ?'), id, number),
      fc.tuple(fc.constant('insert or ignore into children values (?, ?, null)'), id, number),
      fc.tuple(fc.constant('delete from parents where id = ? and number >= ?'), id, number),
      fc.tuple(fc.constant('insert into counted (what) values (? || ?)'), id, number),
      fc.tuple(fc.constant('delete from counted where what >= ? or seq > ?'), id, number),
    )
    fc.assert(
      fc.property(fc.array(fc.array(statement, { maxLength: 6 }), { maxLength: 6 }), fc.nat(), (groups, turn) => {
        const [from, to] = [open(), open()]
        const group = groupOn(from)
        for (const statements of groups) {
          const changes = group(() => {
            for (const [text, ...values] of statements) attempt(() => from.run(text, ...values))
          })
          const at = changes.length === 0 ? 0 : turn % changes.length
          writeRows(to, [...changes.slice(at), ...changes.slice(0, at)].reverse())
        }
        expect(readRows(to)).toEqual(readRows(from))
        expect(to.all('pragma foreign_key_check')).toEqual([])
        from.close()
        to.close()
      }),
      { numRuns: 100 },
    )
  })

  it('are refused all together when one cannot be: what it says names it', () => {
    const good = { table: 'parents', key: '["a"]', row: '{"id":"a","number":1}' }
    for (const bad of [
      { table: 'parents', key: '["b"]', row: '{"id":"b"}' },
      { table: 'parents', key: '["b"]', row: 'not JSON' },
      { table: 'elsewhere', key: '["b"]', row: '{}' },
    ]) {
      const name = `the row ["b"] of ${bad.table} cannot be taken over`
      expect(() => writeRows(copy, [good, bad])).toThrowError(
        expect.objectContaining({ code: 'STATE_CORRUPT', message: expect.stringContaining(name) }),
      )
    }
    expect(readRows(copy)).toEqual([])
    writeRows(copy, [good])
    expect(readRows(copy)).toHaveLength(1)
  })
})

it('every table of the state has a primary key of its own, so that its rows have names', () => {
  const state = openSql(':memory:')
  for (const step of MIGRATIONS) state.script(step)
  expect(tablesOf(state).filter(({ key }) => key.length === 0)).toEqual([])
  expect(
    tablesOf(state)
      .filter(({ isCounted }) => isCounted)
      .map(({ name }) => name),
  ).toEqual(['inbox', 'events'])
  state.close()
})
