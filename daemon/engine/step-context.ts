/** What a step is handed, over the engine. */
import type { AgentClient } from '../../src/clients/agent.ts'
import type { Config } from '../../src/config/schema/config.ts'
import type { AgentSpec } from '../../src/core/agent.ts'
import { credentialOf } from '../../src/core/agent.ts'
import { asTdfError, TdfError } from '../../src/core/errors.ts'
import type { Task } from '../../src/core/task.ts'
import { callbackToken } from '../../src/platform/tokens.ts'
import type { Signal } from '../../src/store/tables/inbox.ts'
import { limitOf } from '../../src/store/tables/meta.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { readWorkspace, reservationOf, slotsAtWork } from '../../src/store/tables/slots.ts'
import { hasBudgets, holdOf } from '../placement/budgets.ts'
import { transcriptOf } from '../results/output.ts'
import type { Results, Sources } from '../results/results.ts'
import type { Engine } from '../services.ts'
import type { StepContext } from '../steps/step.ts'
import { undo } from './cleanup.ts'
import { epochOf, workBefore } from './effects/input.ts'
import { spentBefore } from './effects/usage.ts'
import { lookAtNode } from './effects/wake.ts'
import type { Interruption } from './loop.ts'
import { rowOf } from './rules/journey.ts'

/** The longest limit that the client has for one call of such a step, and the shortest that is given to any, in ms. */
const CALL_MS_MAX = 45_000
const CALL_MS_MIN = 1_000

/** What a step is handed, and what its run did with it. */
export interface HopContext extends StepContext {
  /** Whether an agent proved in this run that it is the node's own. */
  hasReachedAgent: boolean
}

export function stepContext(engine: Engine, task: Task, signals: Signal[], interruption: Interruption): HopContext {
  return new Surroundings(engine, task, signals, interruption)
}

/**
 * Everything is read when a step asks: few do. It is a class, the only one beside errors, because one is made in every
 * hop: an object with as many closures costs 1.2 µs and the garbage of it.
 */
class Surroundings implements HopContext {
  hasReachedAgent = false
  readonly now: number
  readonly config: Config
  readonly epochAt: number
  readonly signals: readonly Signal[]
  private readonly engine: Engine
  private readonly task: Task
  private readonly interruption: Interruption

  constructor(engine: Engine, task: Task, signals: Signal[], interruption: Interruption) {
    this.now = engine.world.clock.now()
    this.config = engine.config
    this.epochAt = epochOf(engine)
    this.signals = signals
    this.engine = engine
    this.task = task
    this.interruption = interruption
  }

  get results(): Results {
    return this.engine.results
  }
  get sources(): Sources {
    return this.engine.sources
  }
  get signal(): AbortSignal {
    return this.interruption.signal
  }
  get reservedNode() {
    return reservationOf(this.engine.store.sql, this.task)?.nodeName ?? null
  }
  get workspaceStatus() {
    const { workspaceId } = this.task
    return workspaceId === null ? null : (readWorkspace(this.engine.store.sql, workspaceId)?.status ?? null)
  }
  readonly limitOf = (agent: AgentSpec) => limitOf(this.engine.store.sql, credentialOf({ agent }))
  transcript() {
    return transcriptOf(this.engine, this.task, this.signal)
  }
  get workBefore() {
    return workBefore(this.engine.store.sql, this.task.id)
  }
  budgetHold({ id, spec: { labels } }: Task, moreUsd: number) {
    if (!hasBudgets(this.config)) return null
    return holdOf(this.engine, { id, labels }, this.now, moreUsd)
  }
  get spentBefore() {
    return spentBefore(this.engine.store.sql, this.task)
  }
  node(name: string | null) {
    return name === null ? undefined : readNode(this.engine.store.sql, name)
  }
  async agent(name: string) {
    const node = this.node(name)
    if (!node) throw new TdfError('NODE_LOST', `node ${name} is not known any more`)
    const agent = await this.engine.agents
      .of(node, this.signal, this.callMs())
      .catch(error => this.notIts(node.name, error))
    this.hasReachedAgent = true
    return { ...agent, uploadBundle: (id: string, file: string) => this.uploadBundle(agent, id, file) }
  }
  /** What it was is on record until the node's own journey has asked, and more tasks would be placed on that. */
  private async notIts(name: string, error: unknown): Promise<never> {
    const { store, world } = this.engine
    if (asTdfError(error).code === 'NODE_REPLACED')
      await store.commit(() => lookAtNode(this.engine, name, world.clock.now()))
    throw error
  }
  private async uploadBundle(agent: AgentClient, workspaceId: string, file: string): Promise<void> {
    await this.engine.results.files.bring(file)
    await agent.uploadBundle(workspaceId, file)
  }
  /** What is left for a call of a step that is one call; undefined where the limits of the client are the nearer ones. */
  private callMs(): number | undefined {
    const { step, deadlineAt } = this.task
    if (step === null || deadlineAt === null || !rowOf(step).isOneCall) return undefined
    const leftMs = deadlineAt - this.now
    return leftMs < CALL_MS_MAX ? Math.max(leftMs, CALL_MS_MIN) : undefined
  }
  callbackToken(of: Task) {
    return callbackToken(this.engine.install, of)
  }
  get installId(): string {
    return this.engine.install.id
  }
  bundleFile(sha256: string) {
    return this.engine.bundleFile(sha256)
  }
  sandbox(name: string) {
    return this.node(name)?.provider === 'local' ? (this.engine.localSandbox?.() ?? null) : null
  }
  hasRoom(name: string | null) {
    const node = this.node(name)
    return node?.provider !== 'local' || slotsAtWork(this.engine.store.sql, node.name) < node.maxWorkspaces
  }
  get secrets() {
    return this.engine.secrets
  }
  undo() {
    return undo(this.engine, this.task, this.signal)
  }
}
