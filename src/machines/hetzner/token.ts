/** Where the API token comes from: a file, a systemd credential, HCLOUD_TOKEN, or the secret of that name. Never a command line or a log. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { asTdfError, TdfError } from '../../core/errors.ts'
import { readTokenFile } from '../static.ts'

export interface TokenSource {
  tokenFile: string
  env: Readonly<Record<string, string | undefined>>
  stateDir: string
}

const CREDENTIAL = 'hcloud-token'

/** Answers a function that reads it anew, so that a replaced file counts without a restart. Throws PROVIDER_AUTH. */
export function tokenReader({ tokenFile, env, stateDir }: TokenSource): () => string {
  // systemd.exec(5): a service finds its credentials as files in this folder.
  const credential = env.CREDENTIALS_DIRECTORY ? path.join(env.CREDENTIALS_DIRECTORY, CREDENTIAL) : null
  // As `tdf secret set` keeps it: a command that runs without a daemon finds it too.
  const secret = path.join(stateDir, 'secrets', 'HCLOUD_TOKEN')
  return () => {
    const found = [() => credential && tryRead(credential), () => env.HCLOUD_TOKEN, () => tryRead(secret)]
    const token = tokenFile ? read(tokenFile) : first(found)
    // 64 letters and digits today; what must not happen is a line break in a header.
    if (/^[\x21-\x7e]{1,512}$/.test(token)) return token
    const where =
      tokenFile || 'HCLOUD_TOKEN, token_file, the systemd credential hcloud-token or the secret HCLOUD_TOKEN'
    const hint = tokenFile ? {} : { hint: 'tdf secret set HCLOUD_TOKEN' }
    throw new TdfError('PROVIDER_AUTH', `there is no Hetzner API token in ${where}`, { retryAfterMs: 60_000, ...hint })
  }
}

/** The first that is not empty: a service without a credential has an empty one. */
function first(sources: readonly (() => string | null | undefined)[]): string {
  for (const source of sources) {
    const text = source()?.trim()
    if (text) return text
  }
  return ''
}

function read(file: string): string {
  try {
    return readTokenFile(file)
  } catch (thrown) {
    const why = asTdfError(thrown).message
    throw new TdfError('PROVIDER_AUTH', `the token file of Hetzner is not used: ${why}`, { retryAfterMs: 60_000 })
  }
}

function tryRead(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
