/** The traps of the libsql binding, each shown in a process of its own, and the guard that keeps them away. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSql, type Sql, type Value } from '../../../../src/store/sqlite/sql.ts'

let folder: string
let sql: Sql
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-sql-'))
  sql = openSql(path.join(folder, 'a.db'))
  sql.script('create table t (a, b)')
})
afterEach(() => {
  sql.close()
  rmSync(folder, { recursive: true })
})

function bare(script: string) {
  const code = `import Database from 'libsql'; const db = new Database(':memory:'); db.exec('create table t (a, b)'); ${script}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
}

describe('the binding alone', () => {
  it('ends the whole process on a boolean', () => {
    const { status, signal } = bare(
      `try { db.prepare('insert into t values (?, ?)').run(true, 1) } catch {}; console.log('alive')`,
    )
    expect(status === 0 && signal === null).toBe(false)
  })

  it('takes a missing parameter for NULL', () => {
    const { stdout } = bare(
      `db.prepare('insert into t values (?, ?)').run(1); console.log(db.prepare('select b from t').get().b)`,
    )
    expect(stdout.trim()).toBe('null')
  })
})

describe('our door to it', () => {
  it.each([
    ['a boolean', true],
    ['undefined', undefined],
    ['an object', {}],
    ['NaN', Number.NaN],
    ['a number beyond exactness', 2 ** 60],
    ['a bigint beyond exactness', 2n ** 60n],
  ])('refuses %s and goes on', (_, value) => {
    expect(() => sql.run('insert into t values (?, ?)', value as Value, 1)).toThrow(/cannot be stored/)
    expect(sql.all('select * from t')).toEqual([])
  })

  it.each([[[1]], [[1, 2, 3]]])('refuses a wrong number of parameters', values => {
    expect(() => sql.run('insert into t values (?, ?)', ...values)).toThrow(/parameters wanted/)
  })

  it('does not count what stands in strings and comments', () => {
    sql.run("insert into t values ('?', ?) -- ?", 1)
    expect(sql.one("select a, b from t where a = '?'")).toEqual({ a: '?', b: 1 })
  })

  it.each([
    'insert into t values (1, 2) RETURNING a',
    'begin',
    ' commit',
    'end',
    'Rollback',
    'savepoint x',
    'release x',
  ])('refuses "%s" as a statement', text => {
    expect(() => sql.run(text)).toThrow(/libsql|script/)
  })

  it('keeps what stands behind a NUL, as its picture', () => {
    sql.run('insert into t values (?, ?)', 'a\0b', 1)
    expect(sql.one('select a from t')).toEqual({ a: 'a\u2400b' })
  })

  it('gives back numbers, text, bytes and null as they were', () => {
    const bytes = new Uint8Array([0, 255])
    sql.run('insert into t values (?, ?)', 1.5, 'ü🚀')
    sql.run('insert into t values (?, ?)', null, bytes)
    const [first, second] = sql.all('select a, b from t')
    expect(first).toEqual({ a: 1.5, b: 'ü🚀' })
    expect(second?.a).toBe(null)
    expect(Buffer.from(second?.b as Uint8Array)).toEqual(Buffer.from(bytes))
  })

  it('says so when it is closed, instead of ending the process', () => {
    sql.close()
    expect(() => sql.one('select 1')).toThrow(/closed/)
    expect(sql.inTransaction()).toBe(false)
    sql.close()
  })
})
