/** A task that has its slot, and whose agent may not begin or go on when it comes to that: over the whole engine. */
import { afterEach, describe, expect, it } from 'vitest'
import { controlSocketApp } from '../../../../../daemon/api/guard.ts'
import { taskRoutes } from '../../../../../daemon/api/routes/tasks.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import { addSpending } from '../../../../../src/store/spending/spending.ts'
import { raiseLimit } from '../../../../../src/store/tables/meta.ts'
import type { FakeAgent, Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, type OutsideOptions, outside } from '../../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN

let out: Outside
let life: Life
const begin = async (options: OutsideOptions, budgets: Partial<Config['budgets']> = {}, maxWorkspaces = 8) => {
  const nodes = { maxWorkspaces, heartbeatInterval: 10 * MIN, heartbeatStale: 40 * MIN, lostAfter: HOUR }
  out = outside({ ...options, config: aConfig({ runner: { reconcileInterval: 2 * MIN }, nodes, budgets }) })
  life = await live(out)
}
afterEach(() => {
  life.kill()
  out.remove()
})

const usage = (costUsd: number) => ({ inputTokens: 1, outputTokens: 1, costUsd })
const DONE: Script = { commits: 1, says: { outcome: 'success', usage: usage(0.5) } }
const submit = (script: Script = DONE, change: Partial<TaskSpec> = {}) =>
  life.submit(
    { agent: { ...aSpec({}, script).agent, name: 'claude', type: 'claude', env: ['KEY'] }, ...change },
    script,
  )
const until = async (holds: () => boolean) => expect(await life.world.run(holds)).toBe(true)
const machines = (): FakeAgent[] => [...(out.cloud?.machines.values() ?? [])].map(({ agent }) => agent)
const started = () => [...out.agents.values(), ...machines()].flatMap(({ starts }) => [...starts.keys()])
/** Of others, whatever they were. */
const spend = (costUsd: number) =>
  life.engine.store.commit(() => {
    const spender = { taskId: 'other', attempt: 1, agent: 'a', model: '', node: '', labels: {} }
    addSpending(life.engine.store.sql, spender, { ...usage(costUsd), machineCost: 0 }, life.world.clock.now())
  })
const limit = (ms: number) =>
  life.engine.store.commit(() =>
    raiseLimit(life.engine.store.sql, 'claude fake KEY', life.world.clock.now() + ms, life.world.clock.now()),
  )
let sent = 0
const send = (id: string, text: string) =>
  controlSocketApp(life.engine.log)
    .route('/', taskRoutes(life.engine))
    .request(`/tasks/${id}/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', host: 'localhost' },
      body: JSON.stringify({ text, deliveryId: `d${++sent}` }),
    })

describe('a budget that is used up', () => {
  it.each(['pause', 'no-new'] as const)('while a machine boots lets nothing begin there (%s)', async atLimit => {
    await begin({ nodes: [], cloud: true }, { day: 1, atLimit })
    const id = await submit()
    await until(() => life.task(id).step === 'node_provisioning')
    await spend(2)
    await until(() => life.task(id).status === 'parked' && life.task(id).step === 'node_selection')
    expect([started(), life.task(id).nodeName]).toEqual([[], null])
    expect(why(life.engine, life.task(id)).sentence).toMatch(/^It is parked: day budget of \$1 is used; more at 00:00/)
    await until(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'completed', usage: { costUsd: 0.5 }, result: { ahead: 1 } })
    // It begins from its prompt: nothing was done before.
    expect(life.task(id).facts.resume).toBeUndefined()
    expect(started()).toEqual([`${id}-1-2-s1`])
  })

  it('is raised by the user of a task that waits for its slot, as `why` says, and the word is for no agent', async () => {
    await begin({}, { day: 1 })
    await spend(1)
    const id = await submit()
    await life.world.clock.advance(MIN)
    expect(why(life.engine, life.task(id)).sentence).toContain(`or \`tdf send ${id} allow\``)
    const since = life.world.clock.now()
    expect((await send(id, 'allow')).status).toBe(200)
    await until(() => life.task(id).step === null)
    expect(life.world.clock.now() - since).toBeLessThan(HOUR)
    expect(life.task(id)).toMatchObject({ status: 'completed', facts: { followups: 0 } })
    const next = await submit()
    await life.world.clock.advance(MIN)
    const refused = await send(next, 'allow')
    expect([refused.status, await refused.text()]).toEqual([
      409,
      expect.stringContaining('raised by a quarter already'),
    ])
  })
})

describe('a usage limit that is met by another task', () => {
  it('while a machine boots gives it back where the limit lasts, and the task begins when it is lifted', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit()
    await until(() => life.task(id).step === 'node_provisioning')
    await limit(5 * HOUR)
    const lifted = life.world.clock.now() + 5 * HOUR
    await until(() => life.task(id).status === 'parked' && life.task(id).step === 'node_selection')
    expect(life.world.clock.now()).toBeLessThan(lifted - 4 * HOUR)
    await until(() => machines().length === 0)
    expect(life.world.clock.now()).toBeLessThan(lifted)
    await until(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'completed', result: { ahead: 1 } })
    expect(started()).toEqual([`${id}-1-2-s1`])
    // What it waited for was on record, and is not made longer by that.
    expect(life.engine.store.sql.one('select until from limits')?.until).toBe(lifted)
  })

  it('is waited out on a machine of your own, whose slot others have meanwhile', async () => {
    await begin({ local: true }, {}, 1)
    const id = await submit()
    await until(() => life.task(id).step === 'workspace_ready')
    await limit(5 * HOUR)
    const lifted = life.world.clock.now() + 5 * HOUR
    const other = await life.submit({}, { ms: MIN, commits: 1 })
    await until(() => life.task(other).step === null)
    expect(life.world.clock.now()).toBeLessThan(lifted)
    expect(life.task(id)).toMatchObject({ status: 'parked', step: 'agent_session', workspaceId: `${id}-1-1` })
    await until(() => life.task(id).step === null)
    expect([life.task(id).status, started().filter(name => name.startsWith(id))]).toEqual([
      'completed',
      [`${id}-1-1-s1`],
    ])
  })

  it('is waited out where it is short', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit()
    await until(() => life.task(id).step === 'workspace_ready')
    await limit(5 * MIN)
    await until(() => life.task(id).step === null)
    expect([life.statuses(id).includes('parked'), out.cloud?.made.size]).toEqual([false, 1])
  })
})

describe('a machine that was made anew', () => {
  it('ends the attempt that ran there, and not the next one that is placed there before that is known', async () => {
    await begin({})
    Object.assign(life.engine.config.runner, { maxAttempts: 2 })
    const id = await submit({ ...DONE, ms: 10 * MIN, busy: true })
    await until(() => life.task(id).step === 'running')
    const since = life.world.clock.now()
    out.agents.get('n1')?.wipe()
    await until(() => life.task(id).attempt === 2 && life.task(id).step === null)
    expect([life.task(id, 1).error?.code, life.task(id).status]).toEqual(['NODE_REPLACED', 'completed'])
    expect(life.world.clock.now() - since).toBeLessThan(20 * MIN)
  })
})

describe('what an agent was told before a budget ended its session', () => {
  it('is not told again to the session that goes on', async () => {
    await begin({}, { day: 1 })
    const says = { outcome: null, usage: usage(1), resumeRef: 'r' }
    const resumed: Script = { ms: 10 * MIN, busy: true, steerable: true, says: { outcome: 'success', resumeRef: 'r' } }
    const id = await submit({ hangs: true, busy: true, commits: 1, steerable: true, says, resumed })
    await until(() => life.task(id).step === 'running')
    await send(id, 'also the docs')
    const prompts = () =>
      [...(out.agents.get('n1')?.workspaces.values() ?? [])].flatMap(({ sessions }) =>
        [...sessions.values()].flatMap(({ prompts: of }) => [...of.values()]),
      )
    await until(() => life.task(id).status === 'parked' && life.task(id).step === 'node_selection')
    await until(() => life.task(id).step === 'running')
    await life.world.clock.advance(5 * MIN)
    expect(prompts()).toEqual([])
    await until(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'completed', facts: { followups: 1 } })
  })
})
