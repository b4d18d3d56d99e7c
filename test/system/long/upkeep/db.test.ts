/** The database backed up, checked and put back, as a user does it. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSql } from '../../../../src/store/sqlite/sql.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

let home: Home
let repository: ReturnType<typeof makeRepository>
beforeEach(() => {
  home = makeHome()
  repository = makeRepository()
})
afterEach(async () => {
  await home.remove()
  repository.remove()
})

async function runTask(): Promise<string> {
  const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--wait', '--', 'true')
  return out.trim()
}
const inHome = (...names: string[]) => path.join(home.dir, ...names)

describe('tdf db', () => {
  it('backs up through the daemon, and puts an older state back with the newer one kept aside', async () => {
    const daemon = await home.start()
    const first = await runTask()
    const copy = inHome('copy.db')
    const backup = await tdf(home, 'db', 'backup', '--to', copy)
    expect([backup.code, backup.out.trim()]).toEqual([0, copy])
    const second = await runTask()
    expect((await tdf(home, 'db', 'restore', copy, '--yes')).code).toBe(75)
    expect((await tdf(home, 'db', 'check')).code).toBe(75)
    daemon.kill('SIGTERM')
    await until('the daemon has ended', () => daemon.exitCode !== null)

    const check = await tdf(home, 'db', 'check', '--json')
    expect(JSON.parse(check.out)).toMatchObject({ tasks: 2, problems: [] })
    expect((await tdf(home, 'db', 'check', copy)).out).toContain('whole')
    const restored = await tdf(home, 'db', 'restore', copy, '--yes', '--json')
    const { aside } = JSON.parse(restored.out)
    expect(existsSync(aside)).toBe(true)
    expect((await tdf(home, 'db', 'check', aside, '--json')).out).toContain('"tasks":2')

    await home.start()
    expect((await tdf(home, 'ls', '--all', '-q')).out.trim()).toBe(first)
    expect((await tdf(home, 'show', second)).code).toBe(3)
  }, 90_000)

  it('backs up on the files while the daemon is down, and restores the newest backup by itself', async () => {
    const daemon = await home.start()
    const id = await runTask()
    daemon.kill('SIGTERM')
    await until('the daemon has ended', () => daemon.exitCode !== null)
    const made = (await tdf(home, 'db', 'backup')).out.trim()
    expect(statSync(made).mode & 0o777).toBe(0o600)
    writeFileSync(inHome('state', 'tdf.db'), 'not a database any more')
    expect((await tdf(home, 'db', 'check')).code).toBe(78)
    expect((await tdf(home, 'db', 'restore', '--yes')).code).toBe(0)
    await home.start()
    expect((await home.task(id)).status).toBe('completed')
  }, 90_000)

  it.each([
    ['is not there', 'nowhere.db', 3],
    ['is no database', 'config.toml', 78],
  ])(
    'refuses to restore a file that %s, and leaves the state alone',
    async (_, name, code) => {
      const daemon = await home.start()
      await home.kill(daemon)
      const before = readFileSync(inHome('state', 'tdf.db'))
      expect((await tdf(home, 'db', 'restore', inHome(name), '--yes')).code).toBe(code)
      expect(readFileSync(inHome('state', 'tdf.db')).equals(before)).toBe(true)
    },
    60_000,
  )

  it('asks before it replaces anything', async () => {
    const daemon = await home.start()
    await home.kill(daemon)
    const { code, err } = await tdf(home, 'db', 'restore', (await tdf(home, 'db', 'backup')).out.trim())
    expect([code, err]).toEqual([2, expect.stringContaining('--yes')])
  }, 60_000)

  it('names a row that cannot be read, which runs nothing and holds nothing up', async () => {
    const daemon = await home.start()
    const id = await runTask()
    daemon.kill('SIGTERM')
    await until('the daemon has ended', () => daemon.exitCode !== null)
    const sql = openSql(inHome('state', 'tdf.db'))
    sql.run("update attempts set facts = '{broken', live = 1, step = 'running', wake_at = 1 where task_id = ?", id)
    sql.close()
    const check = await tdf(home, 'db', 'check')
    expect([check.code, check.err]).toEqual([78, expect.stringContaining(`attempts: the column "facts" of ${id}`)])

    await home.start()
    const other = await runTask()
    expect((await home.task(other)).status).toBe('completed')
    const { out } = await tdf(home, 'errors', '--json')
    expect(JSON.parse(out)).toContainEqual(expect.objectContaining({ code: 'STATE_CORRUPT', taskId: id }))
    expect((await tdf(home, 'show', id)).code).toBe(78)
  }, 90_000)
})
