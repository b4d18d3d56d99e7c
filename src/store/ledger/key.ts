/**
 * The key that the daemons of one installation share, and what is made of it: the key with which they meet, and the one
 * that closes what the database holds for them. The key itself is never in the database.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { statSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { createDurable, readIfThere } from '../../platform/files.ts'
import type { SharedKey } from '../../platform/listen.ts'
import type { Random } from '../../platform/world.ts'

export interface InstallationKey {
  /** Stored in the clear, so that a daemon with another key is refused before it does anything. It opens nothing. */
  fingerprint: string
  /** With which daemons prove themselves to each other. */
  shared: SharedKey
  /** Makes every callback token of the installation, on whichever daemon serves. */
  tokens: Buffer
  /** Closes what stands under a name; it opens under no other. Answers base64. */
  seal(name: string, content: Uint8Array): string
  /** Throws STATE_CORRUPT when it was closed with another key, under another name, or changed since. */
  open(name: string, sealed: string): Buffer
}

const KEY = /^[0-9a-f]{64}$/i
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Throws NOT_FOUND when there is no such file, PLACE_UNTRUSTED when others may read it, CONFIG_INVALID when it holds
 * something else.
 */
export function readKey(file: string, random: Random): InstallationKey {
  const text = readIfThere(file)
  if (text === null) {
    const message = `there is no key of the installation at ${file}: copy it from a daemon that has it, mode 0600`
    throw new TdfError('NOT_FOUND', message, { hint: 'tdf config show --origin' })
  }
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0) {
    const message = `others may read the key of the installation, ${file} (mode ${mode.toString(8).padStart(4, '0')})`
    throw new TdfError('PLACE_UNTRUSTED', message, { hint: `chmod 600 ${file}` })
  }
  if (!KEY.test(text.trim())) {
    const message = `${file} is no key of an installation: 32 bytes as 64 hex characters`
    throw new TdfError('CONFIG_INVALID', message, { hint: 'tdf config show --origin' })
  }
  return keyOf(Buffer.from(text.trim(), 'hex'), random)
}

/**
 * The key of a daemon, which it has once it met the installation: made by the first of them, and else brought to `file` by people.
 * `check` throws what readKey does, `get` before it was asked throws BUG.
 */
export function keyIn(file: string, random: Random) {
  let key: InstallationKey | undefined
  return {
    get(): InstallationKey {
      if (!key) throw new TdfError('BUG', 'the key was not asked for yet')
      return key
    },
    /** See KeyCheck in postgres/installation.ts. */
    check(known: string | null): string {
      key = known === null ? makeKey(file, random) : readKey(file, random)
      return key.fingerprint
    },
    /** The fingerprint of the file as it is now, which counts at the next start; empty when it cannot be read. */
    now(): string {
      try {
        return readKey(file, random).fingerprint
      } catch {
        return ''
      }
    },
  }
}

/** Where it is, unless [cluster] key_file names another place. */
export const keyFileOf = (stateDir: string, { keyFile }: { keyFile: string }) =>
  keyFile || path.join(stateDir, 'cluster.key')

/** Makes the key when it is not there. One that another process made meanwhile is not replaced. */
export function makeKey(file: string, random: Random): InstallationKey {
  createDurable(file, `${random.bytes(32).toString('hex')}\n`)
  return readKey(file, random)
}

function keyOf(secret: Buffer, random: Random): InstallationKey {
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `tdf ${purpose}`, bytes))
  const sealing = derive('sealed rows', 32)
  const fingerprint = derive('fingerprint', 16).toString('hex')
  return {
    fingerprint,
    shared: { identity: `tdf-${fingerprint}`, key: derive('members', 32) },
    tokens: derive('callback tokens', 32),
    seal(name, content) {
      const nonce = random.bytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce)
      cipher.setAAD(Buffer.from(name))
      const closed = Buffer.concat([cipher.update(content), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), closed]).toString('base64')
    },
    open(name, sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      const tagged = NONCE_BYTES + TAG_BYTES
      try {
        const options = { authTagLength: TAG_BYTES }
        const decipher = createDecipheriv('aes-256-gcm', sealing, bytes.subarray(0, NONCE_BYTES), options)
        decipher.setAAD(Buffer.from(name))
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, tagged))
        return Buffer.concat([decipher.update(bytes.subarray(tagged)), decipher.final()])
      } catch (cause) {
        const message = `${name} was sealed with another key than this daemon has, or was changed in the database`
        throw new TdfError('STATE_CORRUPT', message, { cause, hint: 'tdf doctor' })
      }
    },
  }
}
