/** Secrets, keys and pins where daemons share the state: on each host that serves, sealed in the database, and none lost. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { realWorld } from '../../../../../src/platform/world.ts'
import { type InstallationKey, makeKey } from '../../../../../src/store/ledger/key.ts'
import { shareStateFiles } from '../../../../../src/store/ledger/state-files.ts'
import { openLedgerStore } from '../../../../../src/store/ledger/store.ts'
import { type FakeLedger, fakeLedger } from '../../../../fakes/ledger.ts'

const world = realWorld({})
let root: string
let key: InstallationKey
let ledger: FakeLedger
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tdf-state-files-'))
  key = makeKey(path.join(root, 'key'), world.random)
  ledger = fakeLedger()
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A daemon on a host begins to serve. */
async function serve(host: string, withKey = key) {
  const stateDir = path.join(root, host)
  mkdirSync(stateDir, { recursive: true })
  const store = await openLedgerStore(ledger.claim({ world }), world)
  return { stateDir, store, files: await shareStateFiles(store, stateDir, withKey) }
}

function put(stateDir: string, name: string, text: string): void {
  mkdirSync(path.dirname(path.join(stateDir, name)), { recursive: true })
  writeFileSync(path.join(stateDir, name), text, { mode: 0o600 })
}

const read = (host: string, name: string) => readFileSync(path.join(root, host, name), 'utf8')
const stored = () => JSON.stringify([...ledger.rows.values()])

it('what is set on one host is there on the next that serves, closed to others, and is not readable in the database', async () => {
  const { stateDir, files } = await serve('one')
  put(stateDir, 'secrets/TOKEN', 'hunter2hunter2')
  put(stateDir, 'ssh/admin', 'PRIVATE KEY')
  put(stateDir, 'ssh/nodes/box1/known_hosts', 'tdf-box1 ssh-ed25519 AAAA')
  put(stateDir, 'nodes.json', '[]')
  await files.save()
  await serve('two')
  expect(
    ['secrets/TOKEN', 'ssh/admin', 'ssh/nodes/box1/known_hosts', 'nodes.json'].map(name => read('two', name)),
  ).toEqual(['hunter2hunter2', 'PRIVATE KEY', 'tdf-box1 ssh-ed25519 AAAA', '[]'])
  expect(statSync(path.join(root, 'two', 'secrets/TOKEN')).mode & 0o777).toBe(0o600)
  expect(stored()).toContain('sealed:secrets/TOKEN')
  for (const text of ['hunter2', Buffer.from('hunter2hunter2').toString('base64'), 'PRIVATE']) {
    expect(stored()).not.toContain(text)
  }
})

it('what was changed or removed meanwhile is so on a host that serves again', async () => {
  const one = await serve('one')
  for (const name of ['A', 'B']) put(one.stateDir, `secrets/${name}`, 'old')
  await one.files.save()
  const two = await serve('two')
  put(two.stateDir, 'secrets/A', 'new')
  rmSync(path.join(two.stateDir, 'secrets/B'))
  await two.files.save()
  await serve('one')
  expect(read('one', 'secrets/A')).toBe('new')
  expect(existsSync(path.join(root, 'one', 'secrets/B'))).toBe(false)
})

it('what a host had before it shared anything comes along, and what a daemon could not store is not lost', async () => {
  put(path.join(root, 'one'), 'secrets/EARLIER', 'kept')
  const one = await serve('one')
  ledger.claim({ world })
  put(one.stateDir, 'secrets/LATE', 'kept too')
  await expect(one.files.save()).rejects.toMatchObject({ code: 'FENCED' })
  await serve('one')
  await serve('two')
  expect([read('two', 'secrets/EARLIER'), read('two', 'secrets/LATE')]).toEqual(['kept', 'kept too'])
})

it('a daemon with another key opens nothing and writes nothing', async () => {
  const { stateDir, files } = await serve('one')
  put(stateDir, 'secrets/TOKEN', 'value')
  await files.save()
  await expect(serve('two', makeKey(path.join(root, 'other'), world.random))).rejects.toMatchObject({
    code: 'STATE_CORRUPT',
  })
  expect(existsSync(path.join(root, 'two', 'secrets'))).toBe(false)
})

it('what is made anew by each daemon, or is half made, stays where it is', async () => {
  const { stateDir, files } = await serve('one')
  const passing = [
    'ssh/nodes/box1/offered',
    'ssh/nodes/.scan-1/known_hosts',
    'secrets/.TOKEN.12.tmp',
    'ssh/admin.Ab12Cd/key',
    'agent-token',
    'tdf.db',
  ]
  for (const name of passing) put(stateDir, name, 'x')
  await files.save()
  expect(stored()).not.toContain('sealed:')
})
