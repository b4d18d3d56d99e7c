/** What `[providers.local] sandbox` means here: the places of this daemon that no task may see. */
import path from 'node:path'
import type { Config } from '../../src/config/schema/config.ts'
import { findProgram } from '../../src/platform/files.ts'
import type { Paths } from '../../src/platform/paths.ts'
import type { Sandbox } from '../../src/protocol/agent-api.ts'

/** For what runs on this machine; read anew each time, since a reload may change it. Null when it is off. */
export function localSandbox({ providers }: Config, paths: Paths): Sandbox | null {
  const { sandbox: kind, sandboxHidden, sandboxReadable, sandboxWritable } = providers.local
  if (kind === 'off') return null
  return {
    kind,
    hidden: [...ours(providers, paths), ...sandboxHidden],
    readable: sandboxReadable,
    writable: sandboxWritable,
  }
}

function ours(
  { hetzner, static: { nodes } }: Config['providers'],
  { kind, stateDir, runDir, configFile }: Paths,
): string[] {
  const tokens = [hetzner.tokenFile, ...nodes.map(({ tokenFile }) => tokenFile)].filter(file => file !== '')
  const folder = path.dirname(configFile)
  // A folder that may be anybody's is not hidden whole.
  const isOurs = kind !== 'home' && path.basename(folder) === 'tdf'
  return [stateDir, runDir, isOurs ? folder : configFile, ...tokens]
}

// --- Whether a program is there for the daemon: its PATH is not that of your shell ---

export const isOnPath = (program: string, searchPath: string) => findProgram(program, searchPath) !== undefined
