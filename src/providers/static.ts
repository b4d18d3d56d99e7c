/** Your own boxes, from the configuration: an agent reached at a url, with its token. */
import { readFileSync } from 'node:fs'
import type { AgentLine } from '../agent-client.ts'
import type { StaticNodeConfig } from '../config/schema.ts'
import { TdfError } from '../errors.ts'
import type { Node } from '../node.ts'
import { httpTransport } from '../transport.ts'
import type { Provider } from './provider.ts'

export function staticProvider(nodes: readonly StaticNodeConfig[], slots: number): Provider {
  const byName = new Map(nodes.map(node => [node.name, node]))
  const lines = new Map<string, AgentLine>()

  function configured(name: string): StaticNodeConfig {
    const node = byName.get(name)
    if (node) return node
    throw new TdfError('NODE_UNREACHABLE', `node ${name} is not in the configuration any more`)
  }

  return {
    standing: () =>
      nodes.map(node => ({
        name: node.name,
        size: node.size || null,
        location: node.location || null,
        address: node.url || node.ssh,
        maxWorkspaces: node.maxWorkspaces ?? slots,
      })),
    catalogue: () => null,
    ensure: async ({ name }) => ({ state: 'up', address: configured(name).url }),
    find: async ({ name }) => ({ state: 'up', address: configured(name).url }),
    connect: async ({ name }: Node) => {
      const node = configured(name)
      const line = lines.get(name) ?? { transport: httpTransport({ url: node.url }), token: tokenOf(node) }
      lines.set(name, line)
      return line
    },
    shell: () => null,
    // A box of yours is never ours to destroy.
    destroy: async () => true,
  }
}

function tokenOf({ token, tokenFile, name }: StaticNodeConfig): string {
  if (token) return token
  try {
    return readFileSync(tokenFile, 'utf8').trim()
  } catch (error) {
    throw new TdfError('NODE_UNREACHABLE', `the token file of node ${name} cannot be read: ${tokenFile}`, {
      cause: error,
    })
  }
}
