/** The local node: whether its agent is of this version, and whether it can confine what tasks run. */
import process from 'node:process'
import { asTdfError } from '../../src/errors.ts'
import type { FindingJson } from '../../src/protocol/control.ts'
import { LOCAL_NODE } from '../../src/providers/local.ts'
import { type ReadNode, readNode } from '../../src/store/nodes.ts'
import { VERSION } from '../../src/version.ts'
import type { Engine } from '../deps.ts'

const LOOK_MS = 15_000
/** bwrap itself says best what it is missing. */
const TRY_IT = 'bwrap --unshare-user --unshare-pid --ro-bind / / --proc /proc true'

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
    const message = `whether tasks can be confined cannot be told: ${asTdfError(thrown).message}`
    return [{ check, state: 'warn', message, hint: `tdf node show ${node.name}` }]
  }
}
