import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  fingerprint,
  hostKeyMismatch,
  offeredHostKey,
  parseHostKey,
  pinHostKeys,
  pinnedHostKeys,
} from '../../../../../src/machines/ssh/host-keys.ts'
import { ensureKeyPair } from '../../../../../src/machines/ssh/keys.ts'
import { offeredFile, type SshTarget } from '../../../../../src/machines/ssh/target.ts'
import { realWorld } from '../../../../../src/platform/world.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const { random } = realWorld({})
const target = (): SshTarget => ({ destination: 'root@192.0.2.1', hostKeyAlias: 'tdf-n1', folder, identity: null })
const keyOf = (name: string) => parseHostKey(ensureKeyPair(random, path.join(folder, name), name).publicKey) ?? ''

describe('a key pair', () => {
  it('is one that ssh-keygen reads', () => {
    const { file, publicKey } = ensureKeyPair(random, path.join(folder, 'key'), 'a-comment')
    const derived = execFileSync('ssh-keygen', ['-y', '-f', file]).toString().trim()
    expect(derived).toBe(publicKey)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('is made once', () => {
    const file = path.join(folder, 'key')
    const first = ensureKeyPair(random, file, 'one')
    expect(ensureKeyPair(random, file, 'two')).toEqual(first)
  })

  it('is made anew when only its private half was written', () => {
    const file = path.join(folder, 'key')
    writeFileSync(file, 'half of it')
    ensureKeyPair(random, file, 'one')
    expect(readFileSync(file, 'utf8')).toContain('BEGIN OPENSSH PRIVATE KEY')
  })
})

describe('a host key', () => {
  it('has the fingerprint that ssh-keygen prints', () => {
    const { file } = ensureKeyPair(random, path.join(folder, 'key'), 'x')
    const printed = execFileSync('ssh-keygen', ['-l', '-f', `${file}.pub`]).toString()
    expect(printed).toContain(fingerprint(parseHostKey(readFileSync(`${file}.pub`, 'utf8')) ?? ''))
  })

  it.each(['', 'ssh-ed25519', 'ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAAAAAA', 'ssh-ed25519 not base64 at all, no'])(
    'is not what %j says',
    line => {
      expect(parseHostKey(line)).toBeUndefined()
    },
  )

  it('is pinned for its node alone', () => {
    const key = keyOf('a')
    pinHostKeys(target(), [key])
    expect(pinnedHostKeys(target())).toEqual([key])
    expect(pinnedHostKeys({ ...target(), hostKeyAlias: 'tdf-n2' })).toEqual([])
  })

  it('that is not the pinned one is refused by name, with both fingerprints', () => {
    const [pinned, shown] = [keyOf('a'), keyOf('b')]
    pinHostKeys(target(), [pinned])
    writeFileSync(offeredFile(folder), `${shown}\n`)
    expect(offeredHostKey(target())).toBe(shown)
    const error = hostKeyMismatch('n1', target())
    expect(error?.code).toBe('NODE_KEY_MISMATCH')
    expect(error?.message).toContain(fingerprint(pinned))
    expect(error?.message).toContain(fingerprint(shown))
  })

  it('that is pinned, or that was not shown at all, is no mismatch', () => {
    const pinned = keyOf('a')
    pinHostKeys(target(), [pinned])
    expect(hostKeyMismatch('n1', target())).toBeUndefined()
    writeFileSync(offeredFile(folder), `${pinned}\n`)
    expect(hostKeyMismatch('n1', target())).toBeUndefined()
  })
})
