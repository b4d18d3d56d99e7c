/** What a person types to run this very program again. */
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { findProgram } from '../../../src/platform/files.ts'
import { quoted } from '../../cli/arguments.ts'
import type { Cli } from '../../cli/cli.ts'

/** `tdf` where the PATH has this one under that name, else its file, quoted for a shell. */
export function programName({ programDir, env }: Pick<Cli, 'programDir' | 'env'>): string {
  const own = path.join(path.dirname(programDir), 'bin', 'tdf')
  const found = findProgram('tdf', env.PATH ?? '')
  return found !== undefined && fileBehind(found) === fileBehind(own) ? 'tdf' : quoted(own)
}

function fileBehind(file: string): string | undefined {
  try {
    return realpathSync(file)
  } catch {
    return undefined
  }
}
