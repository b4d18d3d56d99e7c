/** The key that daemons share: who may read it, what it seals, and that nothing opens what another key closed. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { realWorld } from '../../../../../src/platform/world.ts'
import { keyIn, makeKey, readKey } from '../../../../../src/store/ledger/key.ts'

const { random } = realWorld({})
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-key-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const fileOf = (name: string) => path.join(folder, name)

it('is made once, closed to others, and the same file is the same key on every daemon', () => {
  const file = fileOf('first')
  const made = makeKey(file, random)
  expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect([makeKey(file, random), readKey(file, random)].map(({ shared }) => shared)).toEqual([made.shared, made.shared])
  expect(makeKey(fileOf('second'), random).fingerprint).not.toBe(made.fingerprint)
})

it('that others may read, that is none, or that is not there, is refused with what to do', () => {
  const file = fileOf('open')
  makeKey(file, random)
  chmodSync(file, 0o640)
  expect(() => readKey(file, random)).toThrow(
    expect.objectContaining({ code: 'PLACE_UNTRUSTED', hint: `chmod 600 ${file}` }),
  )
  writeFileSync(fileOf('short'), 'abc\n', { mode: 0o600 })
  expect(() => readKey(fileOf('short'), random)).toThrow('64 hex characters')
  expect(() => readKey(fileOf('none'), random)).toThrow('copy it from a daemon that has it')
})

it('seals, so that only the same key opens it, under the same name, unchanged', () => {
  const key = makeKey(fileOf('seal'), random)
  const sealed = key.seal('secrets/TOKEN', Buffer.from('hunter2'))
  expect(sealed).not.toContain(Buffer.from('hunter2').toString('base64'))
  expect(key.seal('secrets/TOKEN', Buffer.from('hunter2'))).not.toBe(sealed)
  expect(key.open('secrets/TOKEN', sealed).toString()).toBe('hunter2')
  expect(key.open('empty', key.seal('empty', Buffer.alloc(0)))).toEqual(Buffer.alloc(0))

  const bytes = Buffer.from(sealed, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  const refused = expect.objectContaining({ code: 'STATE_CORRUPT', message: expect.stringContaining('another key') })
  expect(() => key.open('secrets/TOKEN', bytes.toString('base64'))).toThrow(refused)
  expect(() => key.open('secrets/OTHER', sealed)).toThrow(refused)
  expect(() => key.open('secrets/TOKEN', '')).toThrow(refused)
  expect(() => makeKey(fileOf('stranger'), random).open('secrets/TOKEN', sealed)).toThrow(refused)
})

it('of a daemon is known once it met the installation: made by the first, brought to the others by people', () => {
  const file = fileOf('met')
  const first = keyIn(file, random)
  expect(first.get).toThrow('the key was not asked for yet')
  expect(first.now()).toBe('')
  const fingerprint = first.check(null)
  expect([first.get().fingerprint, first.now()]).toEqual([fingerprint, fingerprint])
  expect(keyIn(file, random).check(fingerprint)).toBe(fingerprint)
  expect(() => keyIn(fileOf('nowhere'), random).check(fingerprint)).toThrow('copy it from a daemon that has it')
})
