/** `GET /agents`, as `tdf agent ls` shows it: which account is at its limit, and who uses it. */
import { afterEach, expect, it } from 'vitest'
import { agentRoutes } from '../../../../daemon/api/routes/agents.ts'
import type { AgentSpec } from '../../../../src/core/agent.ts'
import type { CredentialJson } from '../../../../src/protocol/upkeep.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const listed = async () => {
  const answer = await agentRoutes(all.life.engine).request('/agents')
  return (await answer.json()) as CredentialJson[]
}
const of = (rows: readonly CredentialJson[], agent: string) => rows.find(({ agents }) => agents.includes(agent))

it('tells accounts apart by their secrets, and only the one that met a limit is at it until its reset', async () => {
  const { claude } = aConfig().agents
  if (!claude) throw new Error('claude needs no table')
  const agents = {
    ...{ claude, fast: { ...claude, model: 'small' } },
    work: { ...claude, env: { CLAUDE_CODE_OAUTH_TOKEN: 'WORK_TOKEN' } },
  }
  all = await lives({ config: aConfig({ agents }) })
  const agent: AgentSpec = { ...aSpec({}, { limitMs: HOUR }).agent, type: 'claude', name: 'gone', env: ['GONE_KEY'] }
  const id = await all.submit({ agent })
  await all.until(() => all.life.task(id).status === 'parked', 30 * MIN)
  const rows = await listed()
  expect(of(rows, 'claude')).toEqual({
    credential: 'claude ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN',
    agents: ['claude', 'fast'],
    type: 'claude',
    secrets: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
    state: 'free',
    limitedUntil: null,
    tasks: { running: 0, parked: 0, queued: 0 },
  })
  expect(of(rows, 'work')).toMatchObject({ agents: ['work'], secrets: ['WORK_TOKEN'], state: 'free' })
  const gone = { secrets: ['GONE_KEY'], state: 'limited', limitedUntil: of(rows, 'gone')?.limitedUntil }
  expect(Date.parse(gone.limitedUntil ?? '')).toBeGreaterThan(all.life.world.clock.now())
  expect(of(rows, 'gone')).toMatchObject({ ...gone, tasks: { running: 0, parked: 1, queued: 0 } })
  await all.die()
  await all.begin()
  expect(of(await listed(), 'gone')).toMatchObject(gone)
})
