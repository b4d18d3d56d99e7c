/** Opening the state: made whole, checked, backed up before it changes, refused when it is not ours to read. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MIGRATIONS } from '../../../../src/store/sqlite/migrations.ts'
import { openDatabase } from '../../../../src/store/sqlite/open.ts'
import { openSql } from '../../../../src/store/sqlite/sql.ts'

const folders: string[] = []
let folder: string
let file: string
beforeEach(() => {
  folder = newFolder()
  file = path.join(folder, 'tdf.db')
})
afterEach(() => {
  for (const used of folders.splice(0)) rmSync(used, { recursive: true })
})

/** libsql lets go of a closed file when its object is collected; another process would find a file like this copy. */
function asAnotherProcess(): void {
  const next = newFolder()
  cpSync(folder, next, { recursive: true })
  folder = next
  file = path.join(folder, 'tdf.db')
}

function newFolder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'tdf-open-'))
  folders.push(made)
  return made
}

describe('a state folder', () => {
  it('gets a database of the newest schema, for its owner only', async () => {
    const sql = openDatabase(folder)
    expect(sql.one('pragma user_version')).toEqual({ user_version: MIGRATIONS.length })
    expect(sql.one('pragma journal_mode')).toEqual({ journal_mode: 'wal' })
    expect(sql.one('pragma synchronous')).toEqual({ synchronous: 2 })
    expect(statSync(file).mode & 0o077).toBe(0)
    const schema = sql
      .all('select sql from sqlite_master where sql is not null order by type desc, name')
      .map(row => `${row.sql};\n`)
    sql.close()
    await expect(schema.join('\n')).toMatchFileSnapshot('../../../golden/schema.sql')
  })

  it('is backed up before its schema changes, and keeps its rows', () => {
    const before = openDatabase(folder, MIGRATIONS)
    before.run("insert into meta (key, value) values ('k', 'v')")
    before.close()
    asAnotherProcess()
    const after = openDatabase(folder, [...MIGRATIONS, 'create table more (a)'])
    expect(after.one("select value from meta where key = 'k'")).toEqual({ value: 'v' })
    after.close()
    const [name = ''] = readdirSync(path.join(folder, 'backups'))
    const copy = openSql(path.join(folder, 'backups', name))
    expect(copy.one('pragma user_version')).toEqual({ user_version: MIGRATIONS.length })
    expect(copy.one("select value from meta where key = 'k'")).toEqual({ value: 'v' })
    copy.close()
  })

  it('keeps the old schema when a step of the new one fails', () => {
    openDatabase(folder).close()
    asAnotherProcess()
    expect(() => openDatabase(folder, [...MIGRATIONS, 'create table more (a); no such statement'])).toThrow(
      expect.objectContaining({ code: 'SQLITE_ERROR' }),
    )
    asAnotherProcess()
    const again = openDatabase(folder)
    expect(again.all("select name from sqlite_master where name = 'more'")).toEqual([])
    again.close()
  })

  it('of a newer tdf is refused with what to do', () => {
    openDatabase(folder, [...MIGRATIONS, 'create table more (a)']).close()
    asAnotherProcess()
    const known = MIGRATIONS.length
    const message =
      `the state is of schema ${known + 1}, this tdf knows up to ${known}; install the newer tdf again, ` +
      `or restore a backup of schema ${known} from ${path.join(folder, 'backups')}`
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'STATE_NEWER', message }))
  })

  it.each([
    ['not a database', 'something else entirely'],
    ['not a database', 'short'],
    ['empty', ''],
  ])('whose file is %s is refused and left alone', (what, content) => {
    writeFileSync(file, content)
    const message = `${file} is ${what}; nothing was changed`
    const refusal = expect.objectContaining({ code: 'STATE_CORRUPT', message, hint: 'tdf db restore' })
    expect(() => openDatabase(folder)).toThrow(refusal)
    expect(readFileSync(file, 'utf8')).toBe(content)
  })

  it('that cannot be written to is refused with the words of the system', () => {
    writeFileSync(file, '')
    const inside = path.join(file, 'inside')
    const about = { code: 'STATE_UNWRITABLE', message: expect.stringMatching(/^cannot open .*ENOTDIR/) }
    expect(() => openDatabase(inside)).toThrow(expect.objectContaining({ ...about, cause: expect.any(Error) }))
  })

  it('whose database is gone but not its log is refused', () => {
    writeFileSync(`${file}-wal`, 'the last transactions')
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
    expect(existsSync(file)).toBe(false)
  })

  it('whose pages are damaged is refused and left alone', () => {
    const sql = openDatabase(folder)
    for (let row = 0; row < 500; row++)
      sql.run('insert into meta (key, value) values (?, ?)', `k${row}`, 'v'.repeat(200))
    sql.script('pragma wal_checkpoint(truncate)')
    sql.close()
    asAnotherProcess()
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 8192, bytes.length - 4096)
    writeFileSync(file, bytes)
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  it('that SQLite can read and finds a fault in is refused in its words', () => {
    const sql = openDatabase(folder)
    sql.script('pragma wal_checkpoint(truncate)')
    sql.close()
    asAnotherProcess()
    const bytes = readFileSync(file)
    // The number of pages that are free, in the header (sqlite.org/fileformat2.html, 1.3).
    bytes.writeUInt32BE(5, 36)
    writeFileSync(file, bytes)
    const about = {
      code: 'STATE_CORRUPT',
      message: expect.stringMatching(/is damaged \(.*reelist.*\); nothing was changed$/s),
    }
    expect(() => openDatabase(folder)).toThrow(expect.objectContaining({ ...about, hint: 'tdf db restore' }))
  })
})
