/** What only the daemon can see of itself, for `tdf doctor`. A new check is a function in this list. */
import path from 'node:path'
import process from 'node:process'
import { asTdfError } from '../../src/core/errors.ts'
import { LOCAL_NODE } from '../../src/machines/local.ts'
import { VERSION } from '../../src/platform/version.ts'
import type { FindingJson } from '../../src/protocol/upkeep.ts'
import { type ReadNode, readNode, readNodes } from '../../src/store/tables/nodes.ts'
import { openToOthers } from '../host/state-folder.ts'
import type { Engine } from '../services.ts'
import { checkBudgets } from './budgets.ts'
import { checkAgents } from './doctor-agents.ts'
import { checkNetwork } from './doctor-network.ts'
import type { Health } from './health.ts'
import { checkReplies } from './notices/doctor.ts'

type Check = (engine: Engine) => FindingJson[] | Promise<FindingJson[]>

const CHECKS: readonly Check[] = [
  checkAdmission,
  checkNodes,
  checkLocal,
  checkAgents,
  checkBudgets,
  checkNetwork,
  checkReplies,
]

export async function examine(engine: Engine, health: Health, stateDir: string): Promise<FindingJson[]> {
  const well = (await health.look()).map(({ name, ok, detail }): FindingJson => {
    return { check: name, state: ok ? 'ok' : 'fail', message: detail, hint: ok ? null : 'tdf errors' }
  })
  const seen = await Promise.all(CHECKS.map(check => check(engine)))
  return [...well, ...checkModes(stateDir), ...seen.flat()]
}

function checkAdmission({ admission }: Pick<Engine, 'admission'>): FindingJson[] {
  const obstacle = admission.obstacle()
  if (obstacle === null) return [{ check: 'new work', state: 'ok', message: 'it is taken in', hint: null }]
  return [{ check: 'new work', state: 'warn', message: obstacle, hint: 'tdf daemon status' }]
}

const LOOK_MS = 15_000
/** The message of bwrap itself names best what is missing. */
const TRY_IT = 'bwrap --unshare-user --unshare-pid --ro-bind / / --proc /proc true'

/** The local node: whether its agent is of this version, and whether it can confine what tasks run. */
export async function checkLocal(engine: Engine): Promise<FindingJson[]> {
  const node = engine.providers.local && readNode(engine.store.sql, LOCAL_NODE)
  if (!node) return []
  return [...checkVersion(node), ...(await checkSandbox(engine, node))]
}

/** One that ran when tdf was upgraded goes on as what it was. */
function checkVersion({ name, facts: { agentVersion } }: ReadNode): FindingJson[] {
  if (agentVersion === undefined || agentVersion === VERSION) return []
  const message = `the tdf-agent of ${name} is ${agentVersion} and this is ${VERSION}; what runs goes on when it is restarted`
  return [{ check: 'local agent', state: 'warn', message, hint: restartCommand() }]
}

function restartCommand(): string {
  if (!process.env.TDF_AGENT_SOCKET) return 'tdf daemon stop'
  return process.env.TDF_SYSTEM === '1' ? 'systemctl restart tdf-agent' : 'systemctl --user restart tdf-agent'
}

async function checkSandbox({ localSandbox, agents }: Engine, node: ReadNode): Promise<FindingJson[]> {
  const kind = localSandbox?.()?.kind
  if (!kind) return []
  const check = 'sandbox'
  try {
    const agent = await agents.of(node, AbortSignal.timeout(LOOK_MS))
    const problem = await agent.sandboxProblem(kind)
    if (problem === null)
      return [{ check, state: 'ok', message: `tasks on ${node.name} are confined by ${kind}`, hint: null }]
    const message = `no task can run on ${node.name}, since nothing can be confined there: ${problem}`
    const hint = /not installed/.test(problem) ? 'sudo apt-get install bubblewrap' : TRY_IT
    return [{ check, state: 'fail', message, hint }]
  } catch (thrown) {
    const message = `it is not known whether tasks can be confined: ${asTdfError(thrown).message}`
    return [{ check, state: 'warn', message, hint: `tdf node show ${node.name}` }]
  }
}

const NEEDS_PERSON = ['held', 'lost', 'failed']

/** Whether there are nodes, and whether one of them needs a person. */
export function checkNodes({ store, providers }: Pick<Engine, 'store' | 'providers'>): FindingJson[] {
  const nodes = readNodes(store.sql)
  const canOrder = Object.values(providers).some(provider => provider?.catalogue())
  if (nodes.length === 0 && !canOrder) {
    const message = 'there is no node, and no provider that could order one'
    return [{ check: 'nodes', state: 'fail', message, hint: 'tdf config show --origin' }]
  }
  const bad = nodes.filter(({ status }) => NEEDS_PERSON.includes(status))
  if (bad.length > 0) return bad.map(badNode)
  const more = canOrder ? ', and more can be ordered' : ''
  const message = nodes.length === 0 ? 'none is up; one is ordered when a task comes' : `${named(nodes)}${more}`
  return [{ check: 'nodes', state: 'ok', message, hint: null }]
}

function badNode({ name, status, waitingFor }: ReadNode): FindingJson {
  const message = `${name} is ${status}${waitingFor ? `: ${waitingFor}` : ''}`
  return { check: 'nodes', state: 'warn', message, hint: `tdf node show ${name}` }
}

function named(nodes: readonly ReadNode[]): string {
  const shown = nodes.slice(0, 5).map(({ name, status }) => `${name} is ${status}`)
  return nodes.length > 5 ? `${shown.join(', ')} and ${nodes.length - 5} more` : shown.join(', ')
}

/** Whether other users may read the state: its folder, its databases, its keys. */
export function checkModes(stateDir: string): FindingJson[] {
  const open = openToOthers(stateDir)
  if (open.length === 0)
    return [{ check: 'modes', state: 'ok', message: 'no other user may read the state', hint: null }]
  return open.map(name => {
    const file = path.join(stateDir, name)
    const message = `others may look into ${file}`
    return { check: 'modes', state: 'fail', message, hint: `chmod go= '${file.replaceAll("'", "'\\''")}'` }
  })
}
