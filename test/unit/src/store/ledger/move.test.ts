/** A state that goes from a file to a database that daemons share, and back: all of it, and never to two places. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { newStaticNode } from '../../../../../daemon/nodes/new-node.ts'
import { readInstall } from '../../../../../src/platform/install.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { createBare, snapshots } from '../../../../../src/store/blobs/snapshots.ts'
import { type InstallationKey, makeKey } from '../../../../../src/store/ledger/key.ts'
import type { Ledger } from '../../../../../src/store/ledger/ledger.ts'
import { exportState, importState } from '../../../../../src/store/ledger/move.ts'
import { readRows } from '../../../../../src/store/ledger/rows.ts'
import { openInstallKey, shareStateFiles } from '../../../../../src/store/ledger/state-files.ts'
import { openLedgerStore } from '../../../../../src/store/ledger/store.ts'
import { openDatabase } from '../../../../../src/store/sqlite/open.ts'
import { openStore } from '../../../../../src/store/store.ts'
import { insertAttempt } from '../../../../../src/store/tables/attempts.ts'
import { insertNode } from '../../../../../src/store/tables/nodes.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { type FakeLedger, fakeLedger } from '../../../../fakes/ledger.ts'
import { aPlacedTask } from '../../../../support/builders.ts'

const world = realWorld({})
const PLACE = { size: null, location: null, address: 'here', maxWorkspaces: 1 }
const REPOSITORY = 'results/0123456789abcdef.git'
let root: string
let key: InstallationKey
let shared: FakeLedger
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tdf-move-'))
  key = makeKey(path.join(root, 'key'), world.random)
  shared = fakeLedger()
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const folder = (name: string) => {
  const made = path.join(root, name)
  mkdirSync(made, { recursive: true })
  return made
}
const git = (dir: string, ...args: string[]) =>
  execFileSync('git', ['--git-dir', dir, ...args])
    .toString()
    .trim()

function put(stateDir: string, name: string, text: string): void {
  mkdirSync(path.dirname(path.join(stateDir, name)), { recursive: true })
  writeFileSync(path.join(stateDir, name), text, { mode: 0o600 })
}

/** A lock of this process is of the file that it opened: a copy is what another process would find. */
function asAnotherProcess(stateDir: string): void {
  const file = path.join(stateDir, 'tdf.db')
  for (const suffix of ['', '-wal']) {
    if (!existsSync(file + suffix)) continue
    copyFileSync(file + suffix, `${file}${suffix}.copy`)
    renameSync(`${file}${suffix}.copy`, file + suffix)
  }
  rmSync(`${file}-shm`, { force: true })
}

/** A state with something of each kind in it. Answers the commit of a result. */
async function fill(stateDir: string): Promise<string> {
  const store = openStore(stateDir, world)
  await store.commit(() => {
    for (let n = 0; n < 30; n++) store.append({ type: 'task.removed', taskId: `t${n}`, data: {} }, n)
  })
  await store.close()
  readInstall(stateDir, world.random)
  put(stateDir, 'secrets/TOKEN', 'hunter2')
  put(stateDir, 'logs/t1/1-s.log', 'a line\n')
  put(stateDir, `bundles/${'a'.repeat(64)}.bundle`, 'a bundle')
  const dir = path.join(stateDir, REPOSITORY)
  await createBare(dir, 'sha1')
  const tree = git(dir, 'hash-object', '-t', 'tree', '-w', '/dev/null')
  const author = ['-c', 'user.name=a', '-c', 'user.email=a@x']
  const commit = git(dir, ...author, 'commit-tree', '-m', 'result', tree)
  git(dir, 'update-ref', 'refs/tdf/t1/1', commit)
  return commit
}

/** Of the file, without a look at whether it may be used. */
function rowsIn(stateDir: string) {
  asAnotherProcess(stateDir)
  const sql = openDatabase(stateDir)
  const rows = readRows(sql).filter(({ key: name }) => name !== '["moved_to"]')
  sql.close()
  return rows
}

async function leave(stateDir: string, ledger: Ledger = shared.claim({ world })) {
  asAnotherProcess(stateDir)
  const sql = openDatabase(stateDir)
  try {
    const install = readInstall(stateDir, world.random)
    return await exportState({ stateDir, ledger, key, to: 'postgres at db1' }, sql, install)
  } finally {
    sql.close()
  }
}

const come = (stateDir: string, ledger: Ledger = shared.claim({ world })) =>
  importState({ stateDir, ledger, key, to: `a file at ${stateDir}` }, '0123456789abcdef', 1)

it('all of a state is there for every daemon, and its file is refused', async () => {
  const one = folder('one')
  const commit = await fill(one)
  const before = rowsIn(one)
  // What is on its way, and what is no file, stays.
  put(one, 'logs/t1/half.part', 'half')
  symlinkSync('half.part', path.join(one, 'logs/t1/link'))
  expect(await leave(one)).toEqual({ rows: before.length, files: 1, blobs: 3 })
  asAnotherProcess(one)
  expect(() => openStore(one, world)).toThrow(expect.objectContaining({ code: 'STATE_ELSEWHERE' }))

  const two = folder('two')
  const ledger = shared.claim({ world })
  const store = await openLedgerStore(ledger, world)
  await shareStateFiles(store, two, key)
  expect(readFileSync(path.join(two, 'secrets/TOKEN'), 'utf8')).toBe('hunter2')
  expect(openInstallKey(store.sql, key)).toEqual(readInstall(one, world.random).key)
  expect(readRows(store.sql).filter(({ table }) => table === 'events')).toEqual(
    before.filter(({ table }) => table === 'events'),
  )
  const dir = path.join(two, REPOSITORY)
  await createBare(dir, 'sha1')
  await snapshots(ledger.blobs).restore('0123456789abcdef', {
    dir,
    must: async (args, { input } = {}) => {
      return execFileSync(
        'git',
        ['--git-dir', dir, ...args],
        input === undefined ? {} : { input: String(input) },
      ).toString()
    },
  })
  expect(git(dir, 'rev-parse', 'refs/tdf/t1/1')).toBe(commit)
  await store.close()
})

it('comes back as it was, and the database is refused from then on, until it goes there again', async () => {
  const [one, two] = [folder('one'), folder('two')]
  const commit = await fill(one)
  const before = rowsIn(one)
  await leave(one)
  expect(await come(two)).toEqual({ rows: before.length, files: 1, blobs: 3 })
  expect(rowsIn(two)).toEqual(before)
  expect(readInstall(two, world.random)).toEqual({ ...readInstall(one, world.random), id: '0123456789abcdef' })
  expect(readFileSync(path.join(two, 'secrets/TOKEN'), 'utf8')).toBe('hunter2')
  expect(readFileSync(path.join(two, 'logs/t1/1-s.log'), 'utf8')).toBe('a line\n')
  expect(git(path.join(two, REPOSITORY), 'rev-parse', 'refs/tdf/t1/1')).toBe(commit)
  await expect(openLedgerStore(shared.claim({ world }), world)).rejects.toMatchObject({ code: 'STATE_ELSEWHERE' })

  asAnotherProcess(two)
  const store = openStore(two, world)
  await store.commit(() => store.append({ type: 'task.removed', taskId: 'later', data: {} }, 99))
  await store.close()
  rmSync(path.join(two, 'secrets/TOKEN'))
  const later = rowsIn(two)
  await leave(two)
  await come(folder('three'))
  expect(rowsIn(path.join(root, 'three'))).toEqual(later)
  expect(existsSync(path.join(root, 'three', 'secrets/TOKEN'))).toBe(false)
})

it('is not put over another one, on either side, nor taken from under a task that is at work here', async () => {
  const [one, two] = [folder('one'), folder('two')]
  await fill(one)
  await leave(one)
  await fill(two)
  await expect(leave(two)).rejects.toMatchObject({
    code: 'WRONG_STATE',
    message: expect.stringContaining('has a state already'),
  })
  asAnotherProcess(two)
  await openStore(two, world).close()

  const busy = folder('busy')
  const store = openStore(busy, world)
  const task = aPlacedTask()
  await store.commit(() => {
    insertNode(store.sql, newStaticNode('local', { ...PLACE, name: task.nodeName ?? '' }, 1))
    insertTask(store.sql, { ...task, idempotencyKey: null, idempotencyHash: null })
    insertAttempt(store.sql, task)
  })
  await store.close()
  shared = fakeLedger()
  await expect(leave(busy)).rejects.toMatchObject({ code: 'WRONG_STATE', message: expect.stringContaining(task.id) })
})

it('is in one place at most wherever it was cut off, and goes on when it is done again', async () => {
  /** A database that takes so many writes. */
  const short = (writes: number): Ledger => {
    const ledger = shared.claim({ world })
    let left = writes
    return { ...ledger, write: changes => (left-- > 0 ? ledger.write(changes) : Promise.reject(new Error('cut off'))) }
  }
  const canServe = async () => {
    const store = await openLedgerStore(shared.claim({ world }), world).catch(() => null)
    const holds = store !== null && readRows(store.sql).some(({ table }) => table === 'events')
    await store?.close()
    return holds
  }
  const canOpen = async (stateDir: string) => {
    if (!existsSync(path.join(stateDir, 'tdf.db'))) return false
    asAnotherProcess(stateDir)
    try {
      await openStore(stateDir, world).close()
      return true
    } catch {
      return false
    }
  }
  const [one, two] = [folder('one'), folder('two')]
  await fill(one)
  let writes = 0
  for (; writes < 20; writes++) {
    const done = await leave(one, short(writes)).then(
      () => true,
      () => false,
    )
    const places = [await canOpen(one), ...(done ? [await canServe()] : [])]
    expect(places.filter(Boolean).length).toBeLessThanOrEqual(1)
    if (done) break
  }
  expect([writes > 1, await canServe()]).toEqual([true, true])
  await expect(come(two, short(0))).rejects.toThrow('cut off')
  expect([await canServe(), await canOpen(two)]).toEqual([true, false])
  await come(two)
  expect([await canServe(), await canOpen(two)]).toEqual([false, true])
})
