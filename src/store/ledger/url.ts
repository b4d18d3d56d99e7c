/** Where the state lives: the url of a PostgreSQL, from the configuration, a file of its own or systemd. It may hold a password. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../core/errors.ts'
import { readIfThere } from '../../platform/files.ts'

/** systemd.exec(5), LoadCredential. */
const CREDENTIAL = 'store-url'

/** Null for the embedded file. Throws CONFIG_INVALID and PLACE_UNTRUSTED; no message shows the url. */
export function storeUrl(
  { url, urlFile }: { url: string; urlFile: string },
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  if (url !== '') return url
  if (urlFile !== '') return fromFile(urlFile)
  const folder = env.CREDENTIALS_DIRECTORY
  const credential = folder ? readIfThere(path.join(folder, CREDENTIAL))?.trim() : ''
  return credential || null
}

function fromFile(file: string): string {
  const text = readIfThere(file)?.trim()
  if (!text)
    throw new TdfError('CONFIG_INVALID', `[store] url_file: there is no url in ${file}`, { hint: 'tdf config show' })
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0) {
    const message = `others may read the url of the store, ${file} (mode ${mode.toString(8).padStart(4, '0')})`
    throw new TdfError('PLACE_UNTRUSTED', message, { hint: `chmod 600 ${file}` })
  }
  return text
}
