/** Key pairs of ours (ed25519), made once and kept as files in the form that ssh reads. */

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeDurable } from '../../platform/files.ts'
import type { Random } from '../../platform/world.ts'

export interface KeyPair {
  /** The private key's file, and what is in it. */
  file: string
  privateKey: string
  /** The line of the public key. */
  publicKey: string
}

const TYPE = 'ssh-ed25519'
/** The DER of a PKCS #8 ed25519 key up to its 32 bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const BLOCK_BYTES = 8

/** The pair at `file`, made when it is not there. The public half comes last, so a pair that has it is whole. */
export function ensureKeyPair(random: Random, file: string, comment: string): KeyPair {
  if (!existsSync(`${file}.pub`)) {
    makeFolder(path.dirname(file))
    const made = makeKeyPair(random, comment)
    writeDurable(file, made.privateKey)
    writeDurable(`${file}.pub`, `${made.publicKey}\n`)
  }
  return { file, privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() }
}

/** The private half as in PROTOCOL.key of the OpenSSH sources, without a passphrase. */
function makeKeyPair(random: Random, comment: string): { privateKey: string; publicKey: string } {
  const seed = random.bytes(32)
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const point = spki.subarray(spki.length - 32)
  const blob = Buffer.concat([field(TYPE), field(point)])
  const check = random.bytes(4)
  const secret = [check, check, field(TYPE), field(point), field(Buffer.concat([seed, point])), field(comment)]
  const body = padded(Buffer.concat(secret))
  const parts = [Buffer.from('openssh-key-v1\0'), field('none'), field('none'), field(''), number(1)]
  const base64 = Buffer.concat([...parts, field(blob), field(body)]).toString('base64')
  const lines = base64.match(/.{1,70}/g) ?? []
  return {
    privateKey: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
    publicKey: `${TYPE} ${blob.toString('base64')} ${comment}`,
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([number(bytes.length), bytes])
}

/** Filled up with 1, 2, 3, … */
function padded(body: Buffer): Buffer {
  const missing = (BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES
  return Buffer.concat([body, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))])
}
