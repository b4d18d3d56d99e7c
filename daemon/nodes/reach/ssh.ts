/**
 * Connections to machines by ssh: one link a node, made when it is first asked for. Keys and pinned host keys lie in the
 * state folder, sockets in the run folder; both are named after the node, so that a new daemon takes up the same.
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import path from 'node:path'
import type { AgentLine } from '../../../src/clients/transport.ts'
import type { Config } from '../../../src/config/schema/config.ts'
import type { Node } from '../../../src/core/node.ts'
import { cloudInit } from '../../../src/machines/setup/cloud-init.ts'
import { noUpgrades, slotUsers, sshdConfiguration, TUNNEL_USER, tunnelKeys } from '../../../src/machines/setup/files.ts'
import { compareVersions } from '../../../src/machines/setup/inspect.ts'
import type { Preparation } from '../../../src/machines/setup/prepare.ts'
import { ensureKeyPair } from '../../../src/machines/ssh/keys.ts'
import { type SshLink, sshLink } from '../../../src/machines/ssh/link.ts'
import { bootstrapKey } from '../../../src/machines/ssh/rotate.ts'
import { type SshTarget, sshOptions } from '../../../src/machines/ssh/target.ts'
import type { SshTransport } from '../../../src/machines/static.ts'
import type { Install } from '../../../src/platform/install.ts'
import { agentToken } from '../../../src/platform/tokens.ts'
import { VERSION } from '../../../src/platform/version.ts'
import type { DaemonOptions } from '../../services.ts'

export interface SshConnections {
  /** For static nodes, reached as the ssh configuration of the daemon's user says. */
  static: SshTransport & { target(name: string, destination: string): SshTarget }
  /** For machines that tdf orders, reached with keys of its own. */
  ordered: OrderedTransport
  closeAll(): void
}

export interface OrderedTransport {
  /** The first-boot document of a machine that is about to be ordered. */
  userData(node: Node): Promise<string>
  /** Who may sign in as root. */
  publicKey(): Promise<string>
  connect(node: Node): Promise<AgentLine>
  shell(node: Node): readonly string[]
  isOutdated(node: Node): boolean
  doing(node: Node): string | null
  hangUp(node: Node): void
  /** Its keys and what is pinned of it go with it: its name is never used again. */
  forget(node: Node): void
}

export interface SshOptions extends DaemonOptions {
  install: Install
  /** Where nodes reach our callback listener from here. */
  callback(): { host: string; port: number }
  onDown(nodeName: string): void
  /** Makes keys and pins durable wherever the state is; left out: they are. */
  saveFiles?(): Promise<void>
}

export function createSshConnections(options: SshOptions): SshConnections {
  const { paths, install, saveFiles = async () => {} } = options
  const keys = path.join(paths.stateDir, 'ssh')
  const links = createLinks(options)
  const adminFile = path.join(keys, 'admin')
  const adminKey = () => ensureKeyPair(adminFile, `tdf-${install.id}`)
  const tunnelKey = () => ensureKeyPair(path.join(keys, 'tunnel'), `tdf-tunnel-${install.id}`)
  const target = (name: string, destination: string, identity: string | null = null): SshTarget => ({
    destination,
    identity,
    hostKeyAlias: `tdf-${name}`,
    folder: path.join(keys, 'nodes', name),
  })
  const rootOf = ({ name, address }: Node) => target(name, `root@${address ?? ''}`, adminFile)

  return {
    static: {
      target,
      async connect(name, destination) {
        const box = target(name, destination)
        return links.to(name, box, box, {}).line()
      },
      shell: (name, destination) => shellOn(target(name, destination)),
      isOutdated,
      doing: links.doing,
      hangUp: links.close,
    },
    ordered: {
      async userData({ name, maxWorkspaces }) {
        const hostKey = await bootstrapKey(target(name, ''))
        const { publicKey } = await tunnelKey()
        await saveFiles()
        return cloudInit({ hostKey, tunnelKey: publicKey, slots: slotUsers(maxWorkspaces) })
      },
      async publicKey() {
        const { publicKey } = await adminKey()
        await saveFiles()
        return publicKey
      },
      async connect(node) {
        await adminKey()
        const { file, publicKey } = await tunnelKey()
        const tunnel = target(node.name, `${TUNNEL_USER}@${node.address ?? ''}`, file)
        return links.to(node.name, rootOf(node), tunnel, orderedPreparation(options, node, publicKey)).line()
      },
      shell: node => shellOn(rootOf(node)),
      isOutdated,
      doing: ({ name }) => links.doing(name),
      hangUp: ({ name }) => links.close(name),
      forget({ name }) {
        links.forget(name)
        rmSync(target(name, '').folder, { recursive: true, force: true })
        saveFiles().catch(() => {})
      },
    },
    closeAll: links.closeAll,
  }
}

/** One link a node. Addresses are used again, names are not: a link to another address is another link. */
function createLinks(options: SshOptions) {
  const { world, paths, callback, onDown, saveFiles = async () => {} } = options
  const links = new Map<string, { destination: string; link: SshLink }>()
  return {
    to(name: string, admin: SshTarget, tunnel: SshTarget, more: Partial<Preparation>): SshLink {
      const known = links.get(name)
      if (known?.destination === admin.destination) return known.link
      known?.link.close()
      const sockets = socketsOf(paths.runDir, name)
      const preparation = { ...preparationOf(options, name), ...more }
      const how = { world, admin, tunnel, sockets, callback, preparation, saveFiles }
      const link = sshLink({ ...how, onDown: () => onDown(name) })
      links.set(name, { destination: admin.destination, link })
      return link
    },
    doing: (name: string) => links.get(name)?.link.doing() ?? null,
    close: (name: string) => links.get(name)?.link.close(),
    forget: (name: string) => void links.delete(name),
    closeAll() {
      for (const { link } of links.values()) link.close()
    },
  }
}

/** What a machine that tdf ordered has beyond a static node: slots with users, a user for the tunnel, `setup`. */
function orderedPreparation({ loaded }: SshOptions, node: Node, tunnelKey: string): Partial<Preparation> {
  const { setup } = loaded.config.providers.hetzner
  const own = setup === '' ? [] : [{ name: 'setup', script: setup }]
  return {
    files: [sshdConfiguration, tunnelKeys(tunnelKey), noUpgrades],
    hasTunnel: true,
    once: [...own, ...installsOf(loaded.config)],
    slots: slotUsers(node.maxWorkspaces),
  }
}

function preparationOf({ loaded, install, agentProgram }: SshOptions, nodeName: string): Omit<Preparation, 'tell'> {
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
