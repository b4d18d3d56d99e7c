/** The providers that the configuration switches on. */
import path from 'node:path'
import type { OnResponse } from '../../../src/machines/hetzner/client.ts'
import { directTransport, hetznerProvider, type MachineTransport } from '../../../src/machines/hetzner/provider.ts'
import { tokenReader } from '../../../src/machines/hetzner/token.ts'
import { LOCAL_NODE, type LocalProvider, localProvider, localUnitProvider } from '../../../src/machines/local.ts'
import type { Provider } from '../../../src/machines/provider.ts'
import { staticProvider } from '../../../src/machines/static.ts'
import type { Install } from '../../../src/platform/install.ts'
import type { Paths } from '../../../src/platform/paths.ts'
import { INHERITED_VARIABLES, pickVariables } from '../../../src/platform/run.ts'
import { agentToken } from '../../../src/platform/tokens.ts'
import { liveWorkspaces } from '../../../src/store/tables/slots.ts'
import type { DaemonOptions, Deps, Engine } from '../../services.ts'
import { leaseMs } from '../new-node.ts'
import type { AddedNodes } from './added-nodes.ts'
import { leftNodes } from './left-nodes.ts'
import type { SshConnections } from './ssh.ts'

export interface Providers {
  table: Deps['providers']
  /** At an orderly end: a local agent on which nothing runs is not left behind. */
  rest(engine: Engine): void
}

export interface Connections {
  ssh: SshConnections
  addedNodes: AddedNodes
  /** Whether a node is known by the database. */
  hasRow(name: string): boolean
  /** Told of every request to Hetzner. */
  onResponse: OnResponse
  /** Among daemons that share their state none has a node that only it can reach: the daemon's own box is a static node. */
  isShared: boolean
}

/** Variables that the local agent may hand on to what it runs; secrets reach a session only by its own table. */
const PASSED_ON = [...INHERITED_VARIABLES, 'TZ', 'SSH_AUTH_SOCK']

/** A local agent that was left with a run ends so long after it when no daemon has come back: ten minutes, longer than an upgrade takes. */
const IDLE_MS = '600000'

export function buildProviders(
  options: DaemonOptions,
  install: Install,
  { ssh, addedNodes, hasRow, onResponse, isShared }: Connections,
): Providers {
  const { world, paths, loaded, env, agentProgram } = options
  const { config } = loaded
  const slots = config.nodes.maxWorkspaces
  const table: Partial<Record<'local' | 'static' | 'hetzner', Provider>> = {}
  let local: LocalProvider | undefined
  const hasLocal = config.providers.local.enabled && !isShared
  if (hasLocal && env.TDF_AGENT_SOCKET) {
    table.local = localUnit(paths, env.TDF_AGENT_SOCKET, env.CREDENTIALS_DIRECTORY, slots)
  } else if (hasLocal) {
    const passed = pickVariables(env, PASSED_ON)
    const limits = {
      TDF_LOG_MAX_BYTES: String(config.results.logMaxBytes),
      TDF_SALVAGE_MAX_BYTES: String(config.results.salvageMaxBytes),
      TDF_AGENT_IDLE_MS: env.TDF_AGENT_IDLE_MS ?? IDLE_MS,
    }
    const { stateDir, runDir } = paths
    local = localProvider({ world, stateDir, runDir, program: agentProgram, slots, env: { ...passed, ...limits } })
    table.local = local
  }
  const nodes = () => [...config.providers.static.nodes, ...addedNodes.list()]
  const left = leftNodes(paths.stateDir, config.providers.static.nodes, hasRow)
  table.static = staticProvider({ nodes, left, slots, ssh: ssh.static, forget: addedNodes.remover })
  if (config.providers.hetzner.enabled) table.hetzner = ordering(options, install, ssh.ordered, onResponse)
  return {
    table,
    rest: ({ store }) => {
      if (liveWorkspaces(store.sql, LOCAL_NODE).length === 0) local?.stop()
    },
  }
}

function ordering(
  { world, loaded, env, paths }: DaemonOptions,
  install: Install,
  bySsh: MachineTransport,
  onResponse: OnResponse,
): Provider {
  const { providers, nodes } = loaded.config
  const { transport, tokenFile, setup } = providers.hetzner
  const direct = directTransport({ token: name => agentToken(install.key, name), setup })
  return hetznerProvider({
    world,
    config: providers.hetzner,
    installId: install.id,
    token: tokenReader({ tokenFile, env, stateDir: paths.stateDir }),
    leaseMs: leaseMs(nodes.heldMax),
    transport: transport === 'ssh' ? bySsh : direct,
    onResponse,
  })
}

/** The agent is a service of its own; for the machine's daemon it is one with another user. */
function localUnit(
  { kind, stateDir }: Paths,
  socket: string,
  credentials: string | undefined,
  slots: number,
): Provider {
  const isSystem = kind === 'system' && credentials !== undefined
  const tokenFile = path.join(isSystem ? credentials : stateDir, 'agent-token')
  const shell = isSystem ? ['sudo', '-u', 'tdf-agent', 'sh', '-c'] : ['sh', '-c']
  return localUnitProvider({ socket, tokenFile, slots, shell })
}
