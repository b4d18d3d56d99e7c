/** What a step is handed, over the model of an agent: each test changes the part that it is about. */
import type { StepContext } from '../../../daemon/steps/step.ts'
import { agentClient } from '../../../src/clients/agent.ts'
import type { Node } from '../../../src/core/node.ts'
import type { Task } from '../../../src/core/task.ts'
import type { CreateWorkspace } from '../../../src/protocol/agent-api.ts'
import type { Signal, SignalKind } from '../../../src/store/tables/inbox.ts'
import { type FakeAgent, fakeAgent } from '../../fakes/agent.ts'
import { appTransport } from '../../fakes/provider.ts'
import { type FakeResults, fakeResults, fakeSources } from '../../fakes/results/results.ts'
import { type SimWorld, simWorld, timeline } from '../../fakes/world.ts'
import { aConfig, aSpec } from '../builders.ts'

export function aNode(change: Partial<Node> = {}): Node {
  return {
    name: 'n1',
    provider: 'static',
    status: 'ready',
    rev: 0,
    size: null,
    location: null,
    address: 'model',
    autoProvisioned: false,
    maxWorkspaces: 3,
    stateId: null,
    cursor: 0,
    wakeAt: 0,
    deadlineAt: null,
    waitingFor: null,
    warmUntil: null,
    pricePerHour: null,
    facts: {},
    createdAt: 0,
    readyAt: 0,
    updatedAt: 0,
    ...change,
  }
}

export interface Bench {
  ctx: StepContext
  world: SimWorld
  agent: FakeAgent
  results: FakeResults
  /** A workspace that stands on the node, ready unless it is said otherwise. */
  workspace(task: Task, status?: 'creating' | 'ready' | 'failed' | 'stopped'): void
}

/** A step's surroundings: one node `n1` with a model of its agent. */
export function bench(change: Partial<StepContext> & { nodeState?: Node | null } = {}): Bench {
  const time = timeline()
  const world = simWorld(time)
  const agent = fakeAgent({ clock: world.clock, name: 'n1' })
  const results = fakeResults()
  const { nodeState = aNode(), ...rest } = change
  const line = { transport: appTransport(agent), token: 'agent-token' }
  const ctx: StepContext = {
    now: time.now,
    config: aConfig(),
    signals: [],
    reservedNode: null,
    workspaceStatus: null,
    node: name => (nodeState && name === nodeState.name ? nodeState : undefined),
    agent: async nodeName => agentClient({ ...line, world, nodeName }),
    callbackToken: () => 'callback-token',
    bundleFile: sha256 => `/bundles/${sha256}`,
    installId: 'install',
    sandbox: () => null,
    hasRoom: () => true,
    secrets: () => ({ KEY: 'value' }),
    limitOf: () => null,
    transcript: async () => '',
    workBefore: [],
    spentBefore: 0,
    budgetHold: () => null,
    results,
    sources: fakeSources(),
    undo: async () => [],
    epochAt: time.now,
    signal: new AbortController().signal,
    ...rest,
  }
  return {
    ...{ ctx, world, agent, results },
    workspace(task, status = 'ready') {
      const made = { head: '1'.repeat(40), dirty: false, ahead: 0, beside: new Map(), shut: false }
      const fresh = { errorMessage: null, sessions: new Map(), ...made }
      agent.workspaces.set(task.workspaceId ?? '', { body: bodyOf(task), status, ...fresh })
    },
  }
}

function bodyOf(task: Task): CreateWorkspace {
  return {
    workspaceId: task.workspaceId ?? '',
    taskId: task.id,
    attempt: task.attempt,
    source: { kind: 'git', url: 'https://example.org/repo.git', ref: null },
    outputBranch: 'tdf/x',
    author: { name: 'tdf', email: 'tdf@localhost' },
    setup: null,
    callback: { token: 'callback-token' },
  }
}

let signals = 0

export function aSignal(kind: SignalKind, payload: Record<string, unknown> = {}): Signal {
  signals += 1
  return { id: signals, kind, payload, at: 0 }
}

/** The command of a task whose agent does what the script says. */
export function scripted(task: Task, script: Parameters<typeof aSpec>[1]): Task {
  return { ...task, spec: { ...task.spec, agent: aSpec({}, script).agent } }
}
