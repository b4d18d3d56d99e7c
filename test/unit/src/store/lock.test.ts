/** One daemon per state folder, by a lock that the kernel frees. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { takeLock } from '../../../../src/store/sqlite/lock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const about = { pid: 4711, startedAt: '2026-01-01T00:00:00Z' }
const LOCK = `import Database from 'libsql'; const db = new Database(process.argv[1] + '/lock.db');
db.exec('pragma busy_timeout = 0; pragma locking_mode = exclusive; begin exclusive');`

/** What another process meets. */
function another(): string {
  const tried = spawnSync(process.execPath, ['--input-type=module', '-e', LOCK, folder], { encoding: 'utf8' })
  return tried.status === 0 ? 'taken' : tried.stderr
}

it('keeps others out, and says who holds it', () => {
  const lock = takeLock(folder, about)
  expect(another()).toMatch(/SQLITE_BUSY|locked/)
  expect(() => takeLock(folder, about)).toThrow(/pid 4711, started 2026/)
  lock.release()
})

it('of a folder that is not there cannot be taken, and says why', () => {
  const file = path.join(folder, 'none', 'lock.db')
  const about = { code: 'STATE_UNWRITABLE', message: expect.stringContaining(`cannot lock ${file}: `) }
  expect(() => takeLock(path.join(folder, 'none'), { pid: 1, startedAt: '' })).toThrow(
    expect.objectContaining({ ...about, cause: expect.any(Error) }),
  )
})

it('of a holder that left no note says that', () => {
  const lock = takeLock(folder, about)
  rmSync(path.join(folder, 'daemon.json'))
  const message = `another daemon holds ${folder}: it left no note of its pid`
  expect(() => takeLock(folder, about)).toThrow(
    expect.objectContaining({ code: 'STATE_LOCKED', message, cause: expect.any(Error) }),
  )
  lock.release()
})

it('is freed by SIGKILL', async () => {
  const holder = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `${LOCK} console.log('held'); setInterval(() => {}, 1000)`,
    folder,
  ])
  await new Promise(resolve => holder.stdout.once('data', resolve))
  expect(() => takeLock(folder, about)).toThrow(/another daemon/)
  const gone = new Promise(resolve => holder.once('exit', resolve))
  holder.kill('SIGKILL')
  await gone
  takeLock(folder, about).release()
})

it('would be lost by an open and close of the same file in this process', () => {
  const script = `${LOCK} import fs from 'node:fs'; fs.closeSync(fs.openSync(process.argv[1] + '/lock.db', 'r'));
import { spawnSync } from 'node:child_process';
const tried = spawnSync(process.execPath, ['--input-type=module', '-e', process.argv[2], process.argv[1]]);
console.log(tried.status === 0 ? 'lost' : 'held')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder, LOCK], {
    encoding: 'utf8',
  })
  expect(stdout.trim(), stderr).toBe('lost')
})
