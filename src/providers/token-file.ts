/** A file that holds one token. It is read anew each time, so that a replaced one counts at once. */
import { readFileSync, statSync } from 'node:fs'

/** Whoever is neither its owner nor of its group. */
const OF_EVERYBODY = 0o007

/** Throws when it cannot be read, and when everybody may: then the token is nobody's secret any more. */
export function readTokenFile(file: string): string {
  const mode = statSync(file).mode & 0o777
  if ((mode & OF_EVERYBODY) !== 0)
    throw new Error(`everybody may open it (mode ${mode.toString(8)}): chmod 600 ${file}`)
  return readFileSync(file, 'utf8').trim()
}
