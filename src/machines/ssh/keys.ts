/** Key pairs of ours (ed25519), made once by ssh-keygen and kept as files. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { makeFolder, writeDurable } from '../../platform/files.ts'
import { run } from '../../platform/run.ts'
import { sshEnvironment } from './run.ts'

export interface KeyPair {
  /** The private key's file, and what is in it. */
  file: string
  privateKey: string
  /** The line of the public key. */
  publicKey: string
}

const MAKE_MS = 30_000

/**
 * The pair at `file`, made when it is not there. The public half comes last, so a pair that has it is whole. Throws
 * SSH_UNUSABLE.
 */
export async function ensureKeyPair(file: string, comment: string): Promise<KeyPair> {
  if (!existsSync(`${file}.pub`)) await makeKeyPair(file, comment)
  return { file, privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() }
}

/** Aside first: of two calls at the same time the second one finds the pair of the first. */
async function makeKeyPair(file: string, comment: string): Promise<void> {
  const cwd = path.dirname(file)
  makeFolder(cwd)
  const draft = mkdtempSync(`${file}.`)
  try {
    const args = ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path.join(draft, 'key')]
    const made = await run('ssh-keygen', args, { cwd, env: sshEnvironment(), timeoutMs: MAKE_MS })
    if (made.exitCode !== 0) {
      throw new TdfError('SSH_UNUSABLE', `ssh-keygen made no key: ${made.stderr.trim() || 'it took too long'}`)
    }
    if (existsSync(`${file}.pub`)) return
    writeDurable(file, readFileSync(path.join(draft, 'key')))
    writeDurable(`${file}.pub`, readFileSync(path.join(draft, 'key.pub')))
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
