/** One ssh key for each installation, known to the project before a machine is: else its root password goes by mail. */
import { createHash } from 'node:crypto'
import type { HetznerApi } from './api.ts'
import { HetznerError } from './errors.ts'
import { installLabel } from './labels.ts'

/** MD5 over the key's bytes, in pairs with colons: how the API names keys (ssh-keygen -E md5). */
export function fingerprintOf(publicKey: string): string {
  const bytes = Buffer.from(publicKey.trim().split(/\s+/)[1] ?? '', 'base64')
  return createHash('md5').update(bytes).digest('hex').match(/../g)?.join(':') ?? ''
}

/** The id of the key in the project, uploaded when it is not there. Found by its fingerprint, whoever put it there. */
export async function ensureKey(api: HetznerApi, installId: string, publicKey: string): Promise<number> {
  const fingerprint = fingerprintOf(publicKey)
  const there = await api.keyByFingerprint(fingerprint)
  if (there) return there.id
  try {
    const name = `tdf-${installId}-${fingerprint.replaceAll(':', '').slice(0, 8)}`
    return (await api.addKey(name, publicKey, installLabel(installId))).id
  } catch (error) {
    // Somebody was faster, or an answer of ours was lost: it is there now.
    const isThere = error instanceof HetznerError && error.apiCode === 'uniqueness_error'
    const found = isThere ? await api.keyByFingerprint(fingerprint) : null
    if (found) return found.id
    throw error
  }
}
