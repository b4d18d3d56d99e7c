/** Static nodes: an agent reached at a url with its token, or a machine reached by ssh, where tdf brings the agent. */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { type AgentLine, httpTransport } from '../clients/transport.ts'
import type { StaticNodeConfig } from '../config/schema/config.ts'
import { asTdfError, TdfError } from '../core/errors.ts'
import type { Node } from '../core/node.ts'
import { refuseForeign } from '../platform/paths.ts'
import type { Provider } from './provider.ts'

/** What can be done with a machine that is reached by ssh. */
export interface SshTransport {
  connect(name: string, destination: string): Promise<AgentLine>
  shell(name: string, destination: string): readonly string[]
  isOutdated(node: Node): boolean
  doing(name: string): string | null
  hangUp(name: string): void
}

export interface StaticOptions {
  /** Asked each time: nodes may be added and removed while we run. */
  nodes(): readonly StaticNodeConfig[]
  /** Those that are not on the list any more, and may still have work on them. */
  left: readonly StaticNodeConfig[]
  slots: number
  ssh: SshTransport
  /** Takes a node off the list; undefined for one of the configuration. */
  forget(name: string): (() => void) | undefined
}

export function staticProvider({ nodes, left, slots, ssh, forget }: StaticOptions): Provider {
  const lines = new Map<string, AgentLine>()

  function configured(name: string): StaticNodeConfig {
    const node = [...nodes(), ...left].find(one => one.name === name)
    if (node) return node
    throw new TdfError('NODE_UNREACHABLE', `node ${name} is not in the configuration any more`)
  }

  function forgetting(name: string) {
    const remove = forget(name)
    if (!remove) return {}
    const forgetNode = () => {
      ssh.hangUp(name)
      remove()
    }
    return { forget: forgetNode }
  }

  const addressOf = (name: string) => configured(name).url || configured(name).ssh

  return {
    staticNodes: () =>
      nodes().map(node => ({
        name: node.name,
        size: node.size || null,
        location: node.location || null,
        address: node.url || node.ssh,
        maxWorkspaces: node.maxWorkspaces ?? slots,
        ...forgetting(node.name),
      })),
    catalogue: () => null,
    ensure: async ({ name }) => ({ state: 'up', address: addressOf(name) }),
    find: async ({ name }) => ({ state: 'up', address: addressOf(name) }),
    connect: async ({ name }: Node) => {
      const node = configured(name)
      if (node.ssh) return ssh.connect(name, node.ssh)
      const line = lines.get(name) ?? { transport: httpTransport({ url: node.url }), token: tokenOf(node) }
      lines.set(name, line)
      return line
    },
    shell: ({ name }) => {
      const node = configured(name)
      return node.ssh ? ssh.shell(name, node.ssh) : null
    },
    isOutdated: node => configured(node.name).ssh !== '' && ssh.isOutdated(node),
    doing: ({ name }) => ssh.doing(name),
    hangUp: ({ name }) => ssh.hangUp(name),
    // A static node is its user's: tdf never destroys it.
    destroy: async () => true,
  }
}

function tokenOf({ token, tokenFile, name }: StaticNodeConfig): string {
  if (token) return token
  try {
    return readTokenFile(tokenFile)
  } catch (error) {
    const why = asTdfError(error).message
    throw new TdfError('NODE_UNREACHABLE', `the token file of node ${name} is not used: ${why}`, { cause: error })
  }
}

/** Permissions of users that are neither the owner nor in the group. */
const OF_OTHERS = 0o007

/**
 * The token in a file; it is read anew each time, so that a replaced one counts at once. Throws when the file cannot be
 * read, when it is another user's, and when every user may read it: then the token is no secret any more.
 */
export function readTokenFile(file: string): string {
  const mode = statSync(file).mode & 0o777
  if ((mode & OF_OTHERS) !== 0) throw new Error(`every user may open it (mode ${mode.toString(8)}): chmod 600 ${file}`)
  refuseForeign(path.resolve(file))
  return readFileSync(file, 'utf8').trim()
}
