/** The host keys that we know a machine by, and the one that it showed. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { TdfError } from '../../core/errors.ts'
import { makeFolder, writeDurable } from '../../platform/files.ts'
import { knownHostsFile, offeredFile, type SshTarget } from './target.ts'

/** `ssh-ed25519 AAAA…`, without a comment. */
export type HostKey = string

const HOST_KEY = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{32,}={0,2})(?:\s|$)/

/** The key in a line of a public key file; undefined when it is none. */
export function parseHostKey(line: string): HostKey | undefined {
  const found = HOST_KEY.exec(line.trim())
  return found ? `${found[1]} ${found[2]}` : undefined
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: HostKey): string {
  const bytes = Buffer.from(key.split(' ')[1] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`
}

/** Replaces what is pinned, in one step. */
export function pinHostKeys({ folder, hostKeyAlias }: SshTarget, keys: readonly HostKey[]): void {
  makeFolder(folder)
  writeDurable(knownHostsFile(folder), keys.map(key => `${hostKeyAlias} ${key}\n`).join(''))
}

export function pinnedHostKeys({ folder, hostKeyAlias }: SshTarget): HostKey[] {
  return linesOf(knownHostsFile(folder)).flatMap(line =>
    line.startsWith(`${hostKeyAlias} `) ? (parseHostKey(line.slice(hostKeyAlias.length + 1)) ?? []) : [],
  )
}

/** Forgets what was shown before, so that what is read after a dial was shown in it. */
export function forgetOffered({ folder }: SshTarget): void {
  rmSync(offeredFile(folder), { force: true })
}

export function offeredHostKey({ folder }: SshTarget): HostKey | undefined {
  return linesOf(offeredFile(folder)).flatMap(line => parseHostKey(line) ?? [])[0]
}

/** What to say when the machine showed another key than the pinned ones; undefined when it did not. */
export function hostKeyMismatch(nodeName: string, target: SshTarget): TdfError | undefined {
  const shown = offeredHostKey(target)
  const known = pinnedHostKeys(target)
  if (!shown || known.includes(shown)) return undefined
  const expected = known.length === 0 ? 'none is pinned' : `not ${known.map(fingerprint).join(' or ')}`
  const message = `${target.destination} shows the host key ${fingerprint(shown)}, ${expected}: nothing was sent to it`
  return new TdfError('NODE_KEY_MISMATCH', `node ${nodeName}: ${message}`, { retryAfterMs: 60_000 })
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
}
