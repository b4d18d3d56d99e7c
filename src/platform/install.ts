/**
 * Who this installation is: an id that marks its machines and a key that makes its tokens. Tied to the machine it was
 * made on, so that a copied state folder does not take the servers of the original for its own.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../core/errors.ts'
import { createDurable, writeDurable } from './files.ts'
import type { Random } from './world.ts'

/** Who we are to nodes and providers: made once, kept in the state folder. */
export interface Install {
  id: string
  /** Makes every callback token; never leaves this machine. */
  key: Buffer
}

interface Stored {
  id: string
  key: string
  machineId: string
}

/** Reads the identity or makes it. Throws STATE_FOREIGN on another machine than it was made on. */
export function readInstall(stateDir: string, random: Random, machineId = readMachineId()): Install {
  const file = path.join(stateDir, 'install.json')
  if (!existsSync(file)) {
    const fresh = { id: random.bytes(8).toString('hex'), key: random.bytes(32).toString('hex'), machineId }
    createDurable(file, `${JSON.stringify(fresh)}\n`)
  }
  const stored = read(file)
  if (stored.machineId !== machineId) {
    throw new TdfError('STATE_FOREIGN', `${stateDir} was made on another machine; a copy must not act for the original`)
  }
  return { id: stored.id, key: Buffer.from(stored.key, 'hex') }
}

/**
 * Ties the identity to this machine: the state was moved here, and the machine it comes from runs no daemon any more.
 * Answers its id. Throws NOT_FOUND.
 */
export function adoptInstall(stateDir: string, machineId = readMachineId()): string {
  const file = path.join(stateDir, 'install.json')
  if (!existsSync(file)) throw new TdfError('NOT_FOUND', `there is no ${file} to adopt`, { hint: 'tdf daemon start' })
  const stored = read(file)
  writeDurable(file, `${JSON.stringify({ ...stored, machineId })}\n`)
  return stored.id
}

/** Gives a folder the identity of an installation that comes from elsewhere. */
export function writeInstall(stateDir: string, { id, key }: Install, machineId = readMachineId()): void {
  writeDurable(path.join(stateDir, 'install.json'), `${JSON.stringify({ id, key: key.toString('hex'), machineId })}\n`)
}

/** A word for this folder among those that share an installation, the same at every start: a daemon knows its former run by it. */
export function placeWord(stateDir: string, random: Random): string {
  const file = path.join(stateDir, 'member.id')
  createDurable(file, `${random.bytes(8).toString('hex')}\n`)
  return readFileSync(file, 'utf8').trim()
}

/** Written by us, whole or not at all. Throws STATE_CORRUPT when it is not. */
function read(file: string): Stored {
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8'))
    if (/^[0-9a-f]{16}$/.test(stored.id) && /^[0-9a-f]{64}$/.test(stored.key)) return stored
  } catch {
    // Every kind of damage has the same remedy, below.
  }
  throw new TdfError('STATE_CORRUPT', `${file} is damaged: put it back from a copy of the state folder`)
}

/** machine-id(5); a machine without one has no identity to compare. */
function readMachineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
