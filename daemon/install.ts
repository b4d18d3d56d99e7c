/**
 * Who this installation is: an id that marks its machines and a key that makes its tokens. Tied to the machine it was
 * made on, so that a copied state folder does not take its twin's servers for its own.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../src/errors.ts'
import type { Random } from '../src/world.ts'
import type { Install } from './deps.ts'

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
    writeFileSync(file, `${JSON.stringify(fresh)}\n`, { mode: 0o600, flag: 'wx', flush: true })
  }
  // We wrote it, whole, by the line above.
  const stored = JSON.parse(readFileSync(file, 'utf8')) as Stored
  if (stored.machineId !== machineId) {
    throw new TdfError('STATE_FOREIGN', `${stateDir} was made on another machine; a copy must not act for the original`)
  }
  return { id: stored.id, key: Buffer.from(stored.key, 'hex') }
}

/** machine-id(5); a machine without one is told by nothing. */
function readMachineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
