/** Databases as files: what is wrong with one is named, and one that is put back leaves nothing of the other behind. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { databaseBytes, inspect, putBack, writeCopy } from '../../../../src/store/sqlite/backup.ts'
import { MIGRATIONS } from '../../../../src/store/sqlite/migrations.ts'
import { openDatabase } from '../../../../src/store/sqlite/open.ts'
import { openSql, type Sql } from '../../../../src/store/sqlite/sql.ts'
import { isRestored, writeMeta } from '../../../../src/store/tables/meta.ts'
import { insertTask } from '../../../../src/store/tables/tasks.ts'
import { aSpec } from '../../../support/builders.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-backup-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

let copies = 0
/** A copy of a database of ours after `change`, as a file of its own. */
function aCopy(change: (sql: Sql) => void = () => {}): string {
  const state = path.join(folder, `state-${copies++}`)
  const copy = `${state}.db`
  const sql = openDatabase(mkdtempSync(`${state}-`))
  change(sql)
  writeCopy(sql, copy)
  sql.close()
  return copy
}

describe('a look into a file', () => {
  it('finds a whole database with its tasks', () => {
    const file = aCopy(sql => {
      for (const id of ['a', 'b']) {
        insertTask(sql, { id, spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
      }
    })
    expect(inspect(file)).toEqual({ file, schema: MIGRATIONS.length, tasks: 2, problems: [] })
  })

  it.each([
    ["insert into tasks (id, number, attempt, spec, created_at) values ('t1', 1, 1, '{', 0)", 'tasks', 'spec', 't1'],
    ["insert into inbox (task_id, attempt, kind, dedupe, payload, at) values ('t1', 1, 'k', 'd', 'x', 0)", 'inbox', 'payload', 't1'], // biome-ignore format: one case a line
    [
      `insert into nodes (name, provider, status, rev, wakes, auto_provisioned, max_workspaces, cursor, facts, created_at, updated_at)
       values ('n1', 'static', 'ready', 0, 0, 0, 1, 0, '', 0, 0)`,
      'nodes',
      'facts',
      'n1',
    ],
  ])('names a row whose JSON is damaged: %s', (insert, table, column, name) => {
    const { problems } = inspect(aCopy(sql => sql.script(insert)))
    expect(problems).toEqual([`${table}: the column "${column}" of ${name} is damaged`])
  })

  it('names a row that hangs on one that is not there', () => {
    const file = aCopy(sql => {
      sql.script('pragma foreign_keys = off')
      sql.script(`insert into attempts (task_id, attempt, rev, wakes, live, status, step_entered_at, step_attempt, placement, facts,
        created_at, updated_at) values ('t9', 1, 0, 0, 0, 'failed', 0, 1, 1, '{}', 0, 0)`)
    })
    expect(inspect(file).problems).toEqual(['a row of attempts names one of tasks that is not there'])
  })

  it('says of a newer schema which it is', () => {
    const [newer, own] = [MIGRATIONS.length + 1, MIGRATIONS.length]
    const { problems, schema } = inspect(aCopy(sql => sql.script(`pragma user_version = ${newer}`)))
    expect([schema, problems]).toEqual([newer, [`it is of schema ${newer}, this tdf knows up to ${own}`]])
  })

  it('says of a database of others that it is none of ours', () => {
    const file = path.join(folder, 'other.db')
    const sql = openSql(file)
    sql.script('create table t (a)')
    sql.close()
    expect(inspect(file)).toEqual({ file, schema: 0, tasks: 0, problems: ['it is not a database of tdf'] })
  })

  it('says what is broken in a damaged one, and counts no tasks in it', () => {
    const file = aCopy(sql => {
      insertTask(sql, { id: 'a', spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
      for (let row = 0; row < 500; row++) writeMeta(sql, `k${row}`, 'v'.repeat(200))
    })
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 40_000, 60_000)
    writeFileSync(file, bytes)
    const { problems, tasks } = inspect(file)
    expect([problems.length > 0, problems.includes('ok'), tasks]).toEqual([true, false, 0])
  })

  it('says of what is no database that it cannot be read, and of nothing that it is not there', () => {
    const file = path.join(folder, 'text')
    writeFileSync(file, 'something else entirely, and long enough to be read as the head of a database')
    const found = inspect(file)
    expect(found).toMatchObject({ schema: 0, tasks: 0, problems: [expect.stringMatching(/^it cannot be read: ./)] })
    expect(inspect(folder)).toMatchObject({ problems: [expect.stringMatching(/^it cannot be read: ./)] })
    const none = path.join(folder, 'none')
    expect(() => inspect(none)).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', message: `there is no file ${none}`, hint: 'tdf db --help' }),
    )
  })
})

describe('a copy', () => {
  it('takes the place of a half-written one, is for its owner alone, and as large as its pages', () => {
    const target = path.join(folder, 'copy.db')
    writeFileSync(`${target}.part`, 'the power failed here')
    const sql = openSql(path.join(folder, 'a.db'))
    sql.script('create table t (a)')
    writeCopy(sql, target)
    expect(databaseBytes(sql)).toBe(8_192)
    sql.close()
    const { size, mode } = statSync(target)
    expect([size, mode & 0o777, existsSync(`${target}.part`)]).toEqual([8_192, 0o600, false])
  })
})

describe('a database that is put back', () => {
  it('is marked as restored, and what was there is kept aside with its log', () => {
    const source = aCopy()
    const state = path.join(folder, 'state')
    openDatabase(mkdtempSync(state)).close()
    const [name = ''] = readdirSync(folder).filter(entry => entry.startsWith('state') && !entry.startsWith('state-'))
    const dir = path.join(folder, name)
    writeFileSync(path.join(dir, 'tdf.db-wal'), 'the last transactions')
    writeFileSync(path.join(dir, 'tdf.db.part'), 'of a restore that was interrupted')
    const before = readFileSync(path.join(dir, 'tdf.db'))
    const aside = path.join(dir, 'tdf.db.before-restore-7')
    expect(putBack(dir, source, 7)).toBe(aside)
    expect(readFileSync(aside).equals(before)).toBe(true)
    expect(readFileSync(`${aside}-wal`, 'utf8')).toBe('the last transactions')
    const left = readdirSync(dir).filter(entry => !entry.startsWith('tdf.db.before-') && entry !== 'backups')
    expect([left, statSync(path.join(dir, 'tdf.db')).mode & 0o777]).toEqual([['tdf.db'], 0o600])
    const sql = openSql(path.join(dir, 'tdf.db'))
    expect([isRestored(sql), sql.one('pragma user_version')]).toEqual([true, { user_version: MIGRATIONS.length }])
    sql.close()
  })

  it('says that nothing was there', () => {
    const dir = mkdtempSync(path.join(folder, 'empty-'))
    expect(putBack(dir, aCopy(), 7)).toBeNull()
    expect(readdirSync(dir)).toEqual(['tdf.db'])
  })
})
