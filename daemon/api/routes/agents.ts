/** The accounts that agents use: free, or at their limit until when, and who works with them. */
import { Hono } from 'hono'
import type { AgentSpec } from '../../../src/core/agent.ts'
import { credentialOf, secretNames } from '../../../src/core/agent.ts'
import { isTerminal, type Status } from '../../../src/core/task.ts'
import type { CredentialJson } from '../../../src/protocol/upkeep.ts'
import { limitsAt } from '../../../src/store/tables/meta.ts'
import { countByAgent } from '../../../src/store/tables/tasks.ts'
import type { Engine } from '../../services.ts'
import { iso } from '../tasks/json.ts'

type Named = Pick<AgentSpec, 'name' | 'type' | 'command' | 'env'>

export function agentRoutes(engine: Pick<Engine, 'store' | 'config' | 'world'>): Hono {
  const app = new Hono()
  app.get('/agents', c => c.json(credentials(engine)))
  return app
}

/** In the order of the configuration; then those that only a task has. A plain command has no account. */
function credentials({ store, config, world }: Pick<Engine, 'store' | 'config' | 'world'>): CredentialJson[] {
  const counts = countByAgent(store.sql).filter(({ status }) => !isTerminal(status))
  const configured = Object.entries(config.agents).map(([name, agent]): Named => ({ name, ...agent }))
  const limits = limitsAt(store.sql, world.clock.now())
  const byCredential = new Map<string, Named[]>()
  for (const agent of [...configured, ...counts.map(one => one.agent)]) {
    const credential = credentialOf({ agent })
    if (credential !== null) byCredential.set(credential, [...(byCredential.get(credential) ?? []), agent])
  }
  return [...byCredential].flatMap(([credential, agents]) => {
    const [first] = agents
    const own = counts.filter(({ agent }) => credentialOf({ agent }) === credential)
    return first ? [row(credential, first, agents, limits.get(credential) ?? null, own)] : []
  })
}

function row(
  credential: string,
  { type, env }: Named,
  agents: readonly Named[],
  until: number | null,
  counts: readonly { status: Status; count: number }[],
): CredentialJson {
  const sum = (...statuses: Status[]) =>
    counts.filter(({ status }) => statuses.includes(status)).reduce((total, { count }) => total + count, 0)
  return {
    credential,
    agents: [...new Set(agents.map(({ name }) => name))],
    type,
    secrets: secretNames(env),
    state: until === null ? 'free' : 'limited',
    limitedUntil: iso(until),
    tasks: { running: sum('delegated', 'in_progress'), parked: sum('parked'), queued: sum('queued') },
  }
}
