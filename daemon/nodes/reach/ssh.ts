/**
 * The ways to machines by ssh: one link a node, made when it is first asked for. Keys and pinned host keys lie in the
 * state folder, sockets in the run folder; both are named after the node, so that a new daemon takes up the same.
 */

import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import type { AgentLine } from '../../../src/clients/agent.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import type { Node } from '../../../src/core/node.ts'
import { cloudInit } from '../../../src/machines/setup/cloud-init.ts'
import { noUpgrades, slotUsers, sshdConfiguration, TUNNEL_USER, tunnelKeys } from '../../../src/machines/setup/files.ts'
import { compareVersions } from '../../../src/machines/setup/inspect.ts'
import type { Preparation } from '../../../src/machines/setup/prepare.ts'
import { ensureKeyPair } from '../../../src/machines/ssh/keys.ts'
import { type SshLink, sshLink } from '../../../src/machines/ssh/link.ts'
import { bootstrapKey } from '../../../src/machines/ssh/rotate.ts'
import { type SshTarget, sshOptions } from '../../../src/machines/ssh/target.ts'
import type { SshWay } from '../../../src/machines/static.ts'
import type { Install } from '../../../src/platform/install.ts'
import { agentToken } from '../../../src/platform/tokens.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { DaemonOptions } from '../../services.ts'

export interface SshConnections {
  /** For boxes of yours, reached as your own ssh configuration says. */
  static: SshWay & { target(name: string, destination: string): SshTarget }
  /** For machines that tdf orders, reached with keys of its own. */
  ordered: OrderedWay
  closeAll(): void
}

export interface OrderedWay {
  /** The first-boot document of a machine that is about to be ordered. */
  userData(node: Node): string
  /** Who may sign in as root. */
  publicKey(): string
  connect(node: Node): Promise<AgentLine>
  shell(node: Node): readonly string[]
  isOutdated(node: Node): boolean
  hangUp(node: Node): void
  /** Its keys and what is pinned of it go with it: its name is never used again. */
  forget(node: Node): void
}

export interface SshWaysOptions extends DaemonOptions {
  install: Install
  /** Where nodes reach our callback listener from here. */
  callback(): { host: string; port: number }
  onDown(nodeName: string): void
}

export function createSshWays(options: SshWaysOptions): SshConnections {
  const { world, paths, install } = options
  const { config } = options.loaded
  const keys = path.join(paths.stateDir, 'ssh')
  const links = new Map<string, { destination: string; link: SshLink }>()
  const adminKey = () => ensureKeyPair(world.random, path.join(keys, 'admin'), `tdf-${install.id}`)
  const tunnelKey = () => ensureKeyPair(world.random, path.join(keys, 'tunnel'), `tdf-tunnel-${install.id}`)

  /** Addresses are used again, names are not: a link to another address is another link. */
  function linkTo(name: string, admin: SshTarget, tunnel: SshTarget, more: Partial<Preparation>): SshLink {
    const known = links.get(name)
    if (known?.destination === admin.destination) return known.link
    known?.link.close()
    const link = sshLink({
      ...{ world, admin, tunnel, sockets: socketsOf(paths.runDir, name), callback: options.callback },
      preparation: { ...preparationOf(options, name), ...more },
      onDown: () => options.onDown(name),
    })
    links.set(name, { destination: admin.destination, link })
    return link
  }

  function hangUp(name: string): void {
    links.get(name)?.link.close()
  }

  const target = (name: string, destination: string, identity: string | null): SshTarget => ({
    destination,
    identity,
    hostKeyAlias: `tdf-${name}`,
    folder: path.join(keys, 'nodes', name),
  })
  const rootOf = (node: Node) => target(node.name, `root@${node.address ?? ''}`, adminKey().file)

  return {
    static: {
      target: (name, destination) => target(name, destination, null),
      async connect(name, destination) {
        const box = target(name, destination, null)
        return linkTo(name, box, box, {}).line()
      },
      shell: (name, destination) => shellOn(target(name, destination, null)),
      isOutdated,
      hangUp,
    },
    ordered: {
      userData: node =>
        cloudInit({
          hostKey: bootstrapKey(world.random, target(node.name, '', null)),
          tunnelKey: tunnelKey().publicKey,
          slots: slotUsers(node.maxWorkspaces),
        }),
      publicKey: () => adminKey().publicKey,
      async connect(node) {
        const tunnel = target(node.name, `${TUNNEL_USER}@${node.address ?? ''}`, tunnelKey().file)
        const files = [sshdConfiguration, tunnelKeys(tunnelKey().publicKey), noUpgrades]
        const { setup } = config.providers.hetzner
        const own = setup === '' ? [] : [{ name: 'setup', script: setup }]
        const once = [...own, ...installsOf(config)]
        const slots = slotUsers(node.maxWorkspaces)
        return linkTo(node.name, rootOf(node), tunnel, { files, hasTunnel: true, once, slots }).line()
      },
      shell: node => shellOn(rootOf(node)),
      isOutdated,
      hangUp: ({ name }) => hangUp(name),
      forget({ name }) {
        links.delete(name)
        rmSync(target(name, '', null).folder, { recursive: true, force: true })
      },
    },
    closeAll() {
      for (const { link } of links.values()) link.close()
    },
  }
}

function preparationOf({ loaded, install, agentProgram }: SshWaysOptions, nodeName: string): Preparation {
  const { config } = loaded
  const { logMaxBytes, salvageMaxBytes } = config.results
  return {
    nodeName,
    token: agentToken(install.key, nodeName),
    program: agentProgram,
    version: VERSION,
    slots: slotUsers(config.nodes.maxWorkspaces),
    files: [],
    hasTunnel: false,
    once: installsOf(config),
    settings: [`TDF_LOG_MAX_BYTES=${logMaxBytes}`, `TDF_SALVAGE_MAX_BYTES=${salvageMaxBytes}`],
  }
}

/** `[agents.NAME] install`: once for each node, and again when its text has changed. */
function installsOf({ agents }: Config): { name: string; script: string }[] {
  return Object.entries(agents).flatMap(([name, { install }]) =>
    install === '' ? [] : [{ name: `install-${name}`, script: install }],
  )
}

/** Short, for a socket's path is bounded. */
function socketsOf(runDir: string, name: string): { control: string; agent: string } {
  const short = createHash('sha256').update(name).digest('hex').slice(0, 10)
  const folder = path.join(runDir, 'ssh')
  return { control: path.join(folder, `${short}.c`), agent: path.join(folder, `${short}.a`) }
}

const shellOn = (target: SshTarget) => ['ssh', ...sshOptions(target), '-t', '--', target.destination]

const isOutdated = ({ facts }: Node) =>
  facts.agentVersion !== undefined && compareVersions(facts.agentVersion, VERSION) < 0
