/**
 * This machine as a node whose agent is a service of its own: found by its socket, started and kept by systemd, and left
 * alone by a daemon that ends.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { AgentLine } from '../agent-client.ts'
import { httpTransport } from '../transport.ts'
import { LOCAL_NODE } from './local.ts'
import type { Machine, Provider } from './provider.ts'

export interface LocalUnitOptions {
  /** Where the agent listens. */
  socket: string
  tokenFile: string
  slots: number
  /** What opens a shell as the agent's user. */
  shell: readonly string[]
}

export function localUnitProvider({ socket, tokenFile, slots, shell }: LocalUnitOptions): Provider {
  let line: AgentLine | undefined
  const look = async (): Promise<Machine> =>
    existsSync(socket)
      ? { state: 'up', address: socket }
      : { state: 'coming', why: `tdf-agent.service does not listen at ${socket} yet` }

  return {
    standing: () => [{ name: LOCAL_NODE, size: null, location: null, address: socket, maxWorkspaces: slots }],
    catalogue: () => null,
    ensure: look,
    find: look,
    async connect() {
      line ??= { transport: httpTransport({ socket }), token: readFileSync(tokenFile, 'utf8').trim() }
      return line
    },
    shell: () => shell,
    destroy: async () => true,
  }
}
