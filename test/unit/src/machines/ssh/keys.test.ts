import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
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

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const target = (): SshTarget => ({ destination: 'root@192.0.2.1', hostKeyAlias: 'tdf-n1', folder, identity: null })
const keyOf = async (name: string) => parseHostKey((await ensureKeyPair(path.join(folder, name), name)).publicKey) ?? ''

describe('a key pair', () => {
  it('is one that ssh-keygen reads', async () => {
    const { file, publicKey } = await ensureKeyPair(path.join(folder, 'key'), 'a-comment')
    const derived = execFileSync('ssh-keygen', ['-y', '-f', file]).toString().trim()
    expect(derived).toBe(publicKey)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('is made once, also by calls at the same time', async () => {
    const file = path.join(folder, 'key')
    const pairs = await Promise.all(['one', 'two'].map(comment => ensureKeyPair(file, comment)))
    pairs.push(await ensureKeyPair(file, 'three'))
    expect(new Set(pairs.map(({ privateKey }) => privateKey)).size).toBe(1)
    expect(readdirSync(folder).sort()).toEqual(['key', 'key.pub'])
  })

  it('is made anew when only its private half was written', async () => {
    const file = path.join(folder, 'key')
    writeFileSync(file, 'half of it')
    await ensureKeyPair(file, 'one')
    expect(readFileSync(file, 'utf8')).toContain('BEGIN OPENSSH PRIVATE KEY')
  })

  it('that cannot be made names the reason', async () => {
    vi.stubEnv('PATH', folder)
    const made = ensureKeyPair(path.join(folder, 'key'), 'x')
    await expect(made).rejects.toMatchObject({ code: 'SSH_UNUSABLE', message: expect.stringContaining('ENOENT') })
    expect(readdirSync(folder)).toEqual([])
    vi.unstubAllEnvs()
  })
})

describe('a host key', () => {
  it('has the fingerprint that ssh-keygen prints', async () => {
    const { file } = await ensureKeyPair(path.join(folder, 'key'), 'x')
    const printed = execFileSync('ssh-keygen', ['-l', '-f', `${file}.pub`]).toString()
    expect(printed).toContain(fingerprint(parseHostKey(readFileSync(`${file}.pub`, 'utf8')) ?? ''))
  })

  it.each(['', 'ssh-ed25519', 'ssh-dss AAAAB3NzaC1kc3MAAACBAAAAAAAAAAAAAAAAAAAA', 'ssh-ed25519 not base64 at all, no'])(
    'is not what %j says',
    line => {
      expect(parseHostKey(line)).toBeUndefined()
    },
  )

  it('is pinned for its node alone', async () => {
    const key = await keyOf('a')
    pinHostKeys(target(), [key])
    expect(pinnedHostKeys(target())).toEqual([key])
    expect(pinnedHostKeys({ ...target(), hostKeyAlias: 'tdf-n2' })).toEqual([])
  })

  it('that is not the pinned one is refused by name, with both fingerprints', async () => {
    const [pinned, shown] = [await keyOf('a'), await keyOf('b')]
    pinHostKeys(target(), [pinned])
    writeFileSync(offeredFile(folder), `${shown}\n`)
    expect(offeredHostKey(target())).toBe(shown)
    const error = hostKeyMismatch('n1', target())
    expect(error?.code).toBe('NODE_KEY_MISMATCH')
    expect(error?.message).toContain(fingerprint(pinned))
    expect(error?.message).toContain(fingerprint(shown))
  })

  it('that is pinned, or that was not shown at all, is no mismatch', async () => {
    const pinned = await keyOf('a')
    pinHostKeys(target(), [pinned])
    expect(hostKeyMismatch('n1', target())).toBeUndefined()
    writeFileSync(offeredFile(folder), `${pinned}\n`)
    expect(hostKeyMismatch('n1', target())).toBeUndefined()
  })
})
