/** The agents of a task: who does it, by its name in the configuration, who goes on in its place, and how that is shown. */
import type { Config } from '../../../src/config/schema/config.ts'
import type { AgentSpec, FallbackSpec } from '../../../src/core/agent.ts'
import { secretMissing } from '../../../src/core/agent.ts'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import type { Task } from '../../../src/core/task.ts'
import type { AgentsJson } from '../../../src/protocol/attempts.ts'
import { workersOf } from '../../engine/rules/handing-over.ts'
import type { Engine } from '../../services.ts'

/** Throws AGENT_UNKNOWN, USAGE for a model that the agent does not take, or CANNOT_START without a secret that it needs. */
export function agentNamed(
  { config, secrets }: Pick<Engine, 'config' | 'secrets'>,
  name: string,
  wanted: string | null,
): AgentSpec {
  const known = Object.hasOwn(config.agents, name) ? config.agents[name] : undefined
  if (!known) {
    const names = Object.keys(config.agents).join(', ')
    throw new TdfError('AGENT_UNKNOWN', `unknown agent "${name}"; known are: ${names}`)
  }
  if (known.type === 'command' && wanted !== null) {
    throw new TdfError('USAGE', 'an agent of type "command" takes no --model; put it into its args')
  }
  const { type, command, args, env, install } = known
  const missing = secretMissing({ name, env }, secrets)
  if (missing) throw missing
  const model = wanted ?? (known.model || null)
  return { name, type, command, args, model, env, ...(install === '' ? {} : { install }) }
}

/** A limit that could never be reached would be a false comfort. */
export function checkBudget(engine: Pick<Engine, 'config'>, agent: AgentSpec): void {
  const why = costUnknown(engine, agent)
  if (why === null) return
  throw new TdfError('USAGE', `--max-cost: ${why}; give [agents.${agent.name}] its input_price and output_price`, {
    field: 'maxCostUsd',
    hint: 'tdf config example',
  })
}

/** Whether what an agent costs is known: it says it, or its tokens have prices. */
export function tellsCost(table: Config['agents'][string] | undefined, type: AgentSpec['type']): boolean {
  const isPriced = table !== undefined && table.inputPrice + table.outputPrice > 0
  return isPriced || type === 'claude' || type === 'acp'
}

/** Why nobody knows what the agent costs; null when it is known. */
function costUnknown({ config }: Pick<Engine, 'config'>, { name, type }: AgentSpec): string | null {
  if (tellsCost(config.agents[name], type)) return null
  return type === 'command' ? 'the cost of a command is not known' : `${name} does not report what it costs`
}

/**
 * Who goes on when the agent is at its limit: those that are named, else those of its table; null for nobody. One that cannot
 * is passed over, and said; one that is named and not known is refused. `isLimited`: the task may cost so much and no more.
 */
export function fallbackOf(
  engine: Pick<Engine, 'config' | 'secrets'>,
  agent: AgentSpec,
  { names, isLimited }: { names: readonly string[] | null; isLimited: boolean },
): FallbackSpec | null {
  const table = engine.config.agents[agent.name]
  const wanted = [...new Set(names ?? table?.fallback ?? [])].filter(name => name !== agent.name)
  if (wanted.length === 0 || agent.type === 'command') return null
  const agents: AgentSpec[] = []
  const passedOver: FallbackSpec['passedOver'] = []
  for (const name of wanted) {
    const found = named(engine, name, names !== null)
    const reason = typeof found === 'string' ? found : isLimited ? costUnknown(engine, found) : null
    if (typeof found !== 'string' && reason === null) agents.push(found)
    else passedOver.push({ agent: name, reason: reason ?? '' })
  }
  return { agents, afterMs: table?.fallbackAfter ?? FALLBACK_AFTER_MS, passedOver }
}

const FALLBACK_AFTER_MS = 10 * 60_000

/** Or why it cannot be had. Throws that where its user has named it. */
function named(engine: Pick<Engine, 'config' | 'secrets'>, name: string, isAsked: boolean): AgentSpec | string {
  try {
    return agentNamed(engine, name, null)
  } catch (thrown) {
    if (isAsked) throw thrown
    return asTdfError(thrown).message
  }
}

/** Who was asked for, whoever does it. */
export const askedAgent = ({ agent, firstAgent = agent }: Task['spec']) => firstAgent.name

/** Who works on the task in its place, and who may. */
export function agentsJson(task: Task): AgentsJson {
  const { fallback } = task.spec
  const behind = fallback ? { agents: fallback.agents.map(({ name }) => name), passedOver: fallback.passedOver } : null
  return { agent: askedAgent(task.spec), agentsUsed: agentsUsed(task), fallback: behind }
}

/** Nobody before the first session has begun. The one that goes on has stopped for nothing. */
function agentsUsed(task: Task): AgentsJson['agentsUsed'] {
  const { facts, spec, status, parkedUntil } = task
  if (!facts.session) return []
  const stops = new Map((facts.stops ?? []).map(stop => [stop.agent, stop]))
  return workersOf(task).map(agent => {
    const isNow = agent === spec.agent.name
    // What rests for its money has met no limit of its account.
    if (isNow && status === 'parked' && !facts.paused)
      return { agent, why: 'usage_limit', until: iso(stops.get(agent)?.until ?? parkedUntil) }
    const stop = isNow ? undefined : stops.get(agent)
    return { agent, why: stop?.why ?? null, until: iso(stop?.until ?? null) }
  })
}

const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString())
