/** Agents that take over from each other at their limits, over the whole engine: who, when, and what each is told. */
import { afterEach, describe, expect, it } from 'vitest'
import { taskJson } from '../../../../../daemon/api/tasks/json.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import { resumeByFirst } from '../../../../../daemon/engine/rules/handing-over.ts'
import type { AgentSpec, FallbackSpec } from '../../../../../src/core/agent.ts'
import { readEvents } from '../../../../../src/store/tables/journal.ts'
import { limitsAt } from '../../../../../src/store/tables/meta.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, type OutsideOptions, outside } from '../../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN

let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})
async function begin(options: OutsideOptions = {}): Promise<void> {
  const config = aConfig({
    runner: { ...aConfig().runner, reconcileInterval: 2 * MIN, agentPollInterval: MIN, provisionPollInterval: MIN },
    nodes: { ...aConfig().nodes, heartbeatInterval: 10 * MIN, heartbeatStale: 40 * MIN, lostAfter: 60 * MIN },
  })
  out = outside({ config, ...options })
  life = await live(out)
}

const says = (resumeRef: string, more: Script['says'] = {}) => ({ resumeRef, ...more })
const limited = (hours: number, resumeRef: string, more: Script = {}): Script => ({
  ...{ ms: MIN, busy: true, commits: 1, exitCode: 1, limitMs: hours * HOUR, says: says(resumeRef), ...more },
})
const done = (resumeRef: string): Script => ({ ms: MIN, commits: 1, says: says(resumeRef, { outcome: 'success' }) })

type Type = AgentSpec['type']
const agent = (name: string, type: Type, script: Script, program = 'fake'): AgentSpec => ({
  ...aSpec({}, script).agent,
  ...{ name, type, env: [`${name.toUpperCase()}_KEY`] },
  ...(program === 'fake' ? {} : { command: [program] }),
})
const fallback = (...agents: AgentSpec[]): FallbackSpec => ({ agents, afterMs: 10 * MIN, passedOver: [] })

const is = (id: string, status: string) => life.world.run(() => life.task(id).status === status, 60 * HOUR)
/** Machines that are gone are out of reach. */
const sessions = (id: string) =>
  [...out.agents.values(), ...[...(out.cloud?.machines.values() ?? [])].map(one => one.agent)]
    .flatMap(({ asked }) => asked)
    .filter(({ sessionId }) => sessionId.startsWith(`${id}-`))
const handed = (id: string) =>
  readEvents(life.engine.store.sql, { after: 0, limit: 10_000 })
    .filter(({ type, taskId }) => type === 'task.agent' && taskId === id)
    .map(({ data }) => [data.from, data.to, data.why])

describe('an agent of another type', () => {
  it('goes on in the same workspace with a new conversation, and its own limit is its own', async () => {
    await begin()
    const id = await life.submit({
      agent: agent('claude', 'claude', limited(3, 'c1')),
      fallback: fallback(agent('codex', 'codex', done('c2'))),
    })
    await life.world.run(() => life.task(id).facts.agent === 'codex', HOUR)
    expect(life.task(id)).toMatchObject({ status: 'in_progress', spec: { agent: { name: 'codex' } } })
    expect(why(life.engine, life.task(id)).sentence).toMatch(
      /^claude at its limit until .*Z; goes on with codex\. It is/,
    )
    await is(id, 'completed')
    const [first, second, ...more] = sessions(id)
    expect([first?.agent.type, second?.agent.type, more]).toEqual(['claude', 'codex', []])
    expect(second).toMatchObject({ resumeRef: null, prompt: expect.stringMatching(/^say hi\n\nThis task was begun/) })
    expect(second?.trailer).toContain('claude, codex')
    expect(handed(id)).toEqual([['claude', 'codex', 'usage_limit']])
    expect([...limitsAt(life.engine.store.sql, life.world.clock.now()).keys()]).toEqual(['claude fake CLAUDE_KEY'])
    expect(life.task(id)).toMatchObject({ verdict: 'unverified', result: { ahead: 2 } })
    expect(why(life.engine, life.task(id)).sentence).not.toContain('goes on with')
  })

  it('is not waited for while the agent that was asked for is free soon', async () => {
    await begin()
    const script = { ...limited(0.1, 'c1'), resumed: done('c1') }
    const id = await life.submit({
      agent: agent('claude', 'claude', script),
      fallback: fallback(agent('codex', 'codex', done('c2'))),
    })
    await is(id, 'completed')
    expect([sessions(id).map(one => one.agent.type), handed(id)]).toEqual([['claude', 'claude'], []])
  })

  it('leaves the task to the one that was asked for when both were limited, which knows what it did or is told', async () => {
    await begin()
    const claude = agent('claude', 'claude', { ...limited(2, 'c1'), resumed: done('c1') })
    // It meets its limit before it has done anything.
    const idle = limited(9, 'c2', { commits: 0, ms: 100 })
    const codex = agent('codex', 'codex', { ...idle, says: { ...idle.says, hasActed: false } })
    const id = await life.submit({ agent: claude, fallback: fallback(codex) })
    expect(await is(id, 'parked')).toBe(true)
    const { parkedUntil } = life.task(id)
    expect((parkedUntil ?? 0) - life.world.clock.now()).toBeGreaterThan(1.8 * HOUR)
    expect((parkedUntil ?? 0) - life.world.clock.now()).toBeLessThan(2.1 * HOUR)
    expect(taskJson(life.engine.store.sql, life.task(id)).agentsUsed).toMatchObject([
      { agent: 'claude', why: 'usage_limit' },
      { agent: 'codex', why: 'usage_limit' },
    ])
    await is(id, 'completed')
    expect(sessions(id).map(one => [one.agent.type, one.resumeRef])).toEqual([
      ['claude', null],
      ['codex', null],
      ['claude', 'c1'],
    ])
    expect(life.task(id).spec).toMatchObject({ agent: { name: 'claude' } })
    expect(taskJson(life.engine.store.sql, life.task(id)).agent).toBe('claude')
  })

  it.each(['at once', 'after a rest'])(
    'keeps an account from no task for longer than any limit is believed (%s)',
    async when => {
      await begin()
      const codex = when === 'at once' ? done('c2') : limited(2, 'c2')
      const id = await life.submit({
        agent: agent('claude', 'claude', { ...limited(24 * 365, 'c1'), resumed: done('c3') }),
        fallback: fallback(agent('codex', 'codex', codex)),
      })
      const since = life.world.clock.now()
      await life.world.run(() => life.task(id).facts.agent === 'codex' && life.task(id).step === 'running')
      await life.world.run(() => life.task(id).step === null || life.task(id).status === 'parked')
      const longest = Math.max(...limitsAt(life.engine.store.sql, since).values())
      expect(longest).toBeGreaterThan(since + HOUR)
      expect(longest).toBeLessThan(since + 9 * 24 * HOUR)
    },
  )

  it('that has worked meanwhile makes the first one begin a new conversation', async () => {
    await begin()
    const claude = agent('claude', 'claude', { ...limited(2, 'c1'), resumed: done('c3') })
    const id = await life.submit({ agent: claude, fallback: fallback(agent('codex', 'codex', limited(9, 'c2'))) })
    await is(id, 'completed')
    const last = sessions(id).at(-1)
    expect([last?.agent.type, last?.resumeRef, last?.prompt]).toMatchObject(['claude', null, /begun before/])
    expect(life.task(id).result?.ahead).toBe(3)
  })

  it('goes on from the saved tree when the machine was released', async () => {
    await begin({ nodes: [], cloud: true })
    const claude = agent('claude', 'claude', { ...limited(1, 'c1'), resumed: done('c3') })
    const id = await life.submit({ agent: claude, fallback: fallback(agent('codex', 'codex', limited(9, 'c2'))) })
    expect(await is(id, 'parked')).toBe(true)
    await life.world.run(() => life.task(id).nodeName === null, 2 * HOUR)
    expect(life.task(id)).toMatchObject({ status: 'parked', step: 'node_selection', result: { ahead: 2 } })
    expect(await is(id, 'completed')).toBe(true)
    expect(life.task(id)).toMatchObject({ spec: { agent: { name: 'claude' } }, result: { ahead: 3 } })
    expect(sessions(id)).toMatchObject([{ resumeRef: null, prompt: /begun before/ }])
    expect(out.cloud?.lostWork).toEqual([])
  })
})

describe('an agent that speaks the same', () => {
  it('takes the conversation along, in any number of accounts, each once', async () => {
    await begin()
    const id = await life.submit({
      agent: agent('claude', 'claude', limited(3, 'c1')),
      fallback: fallback(agent('work', 'claude', limited(3, 'c1')), agent('home', 'claude', done('c1'))),
    })
    await is(id, 'completed')
    expect(sessions(id).map(({ resumeRef }) => resumeRef)).toEqual([null, 'c1', 'c1'])
    expect(handed(id).map(([from, to]) => `${from} ${to}`)).toEqual(['claude work', 'work home'])
  })

  it('is one of the same program, for one of the Agent Client Protocol', async () => {
    await begin()
    const acp = (name: string, script: Script) => agent(name, 'acp', script)
    const id = await life.submit({ agent: acp('one', limited(3, 'c1')), fallback: fallback(acp('two', done('c1'))) })
    await is(id, 'completed')
    // Their commands differ in what the models do.
    expect(sessions(id).map(({ resumeRef }) => resumeRef)).toEqual([null, null])
    const same = limited(3, 'c1', { resumed: done('c1') })
    const again = await life.submit({ agent: acp('three', same), fallback: fallback(acp('four', same)) })
    await is(again, 'completed')
    expect(sessions(again).map(({ resumeRef }) => resumeRef)).toEqual([null, 'c1'])
  })
})

describe('a queued task', () => {
  it('is begun by another agent while the one that was asked for is limited, from its prompt alone', async () => {
    await begin()
    const claude = agent('claude', 'claude', limited(3, 'c1'))
    const first = await life.submit({ agent: claude })
    await is(first, 'parked')
    const waits = await life.submit({ agent: claude })
    const id = await life.submit({ agent: claude, fallback: fallback(agent('codex', 'codex', done('c2'))) })
    await is(id, 'completed')
    expect(sessions(id)).toMatchObject([{ prompt: 'say hi', agent: { type: 'codex' } }])
    expect(taskJson(life.engine.store.sql, life.task(id))).toMatchObject({
      agent: 'claude',
      session: { agent: 'codex' },
      agentsUsed: [{ agent: 'codex', why: null, until: null }],
    })
    expect(why(life.engine, life.task(waits)).sentence).toContain('waits for the usage limit of claude')
    // The next attempt is the first agent's again.
    await life.engine.start(id, 2)
    expect(life.task(id)).toMatchObject({ attempt: 2, spec: { agent: { name: 'claude' } } })
  })

  it('is placed for the agent that goes on after a start of the daemon, too', async () => {
    await begin({ nodes: [], cloud: true })
    const claude = agent('claude', 'claude', { ...limited(1, 'c1'), resumed: done('c3') })
    const id = await life.submit({ agent: claude, fallback: fallback(agent('codex', 'codex', limited(9, 'c2'))) })
    await is(id, 'parked')
    await life.world.run(() => life.task(id).status === 'queued', 3 * HOUR)
    life.kill()
    life = await live(out)
    expect(await is(id, 'completed')).toBe(true)
    expect(life.task(id).spec.agent.name).toBe('claude')
  })
})

describe('an agent that cannot go on', () => {
  it('is passed over when it cannot be started, and the task fails when nobody is left', async () => {
    await begin()
    const gone = agent('gone', 'codex', { cannotStart: 'spawn nosuch ENOENT' })
    const id = await life.submit({
      agent: agent('claude', 'claude', limited(3, 'c1', { resumed: done('c1') })),
      fallback: fallback(gone, agent('codex', 'codex', done('c2'))),
    })
    await is(id, 'completed')
    expect(handed(id)).toEqual([
      ['claude', 'gone', 'usage_limit'],
      ['gone', 'codex', 'cannot_start'],
    ])
    const refused: Script = { ms: MIN, exitCode: 1, says: { outcome: 'error', failure: 'auth', hasActed: false } }
    const nobody = await life.submit({ agent: agent('other', 'claude', refused), fallback: fallback(gone) })
    await is(nobody, 'failed')
    expect(life.task(nobody)).toMatchObject({ verdict: 'agent_error', error: { code: 'CANNOT_START' } })
    expect(life.task(nobody).error?.message).toContain('other (auth), gone (cannot start)')
  })

  it('is followed after a login that was refused before it did anything, and not later or while the other is limited', async () => {
    await begin()
    const script: Script = { ms: MIN, exitCode: 1, says: { outcome: 'error', failure: 'auth' } }
    const refused = (hasActed?: boolean) => ({
      ...script,
      says: { ...script.says, ...(hasActed === undefined ? {} : { hasActed }) },
    })
    const codex = agent('codex', 'codex', done('c2'))
    const submit = (one: Script, name: string, behind = codex) =>
      life.submit({ agent: agent(name, 'claude', one), fallback: fallback(behind) })
    const followed = await submit(refused(false), 'a')
    await is(followed, 'completed')
    expect(handed(followed)).toEqual([['a', 'codex', 'auth']])
    for (const acted of [true, undefined]) {
      const failed = await submit(refused(acted), `b${acted}`)
      await is(failed, 'failed')
      expect(life.task(failed)).toMatchObject({ error: { code: 'AGENT_AUTH' } })
    }
    const tired = agent('spent', 'codex', limited(9, 'c3'))
    const spent = await life.submit({ agent: tired })
    await is(spent, 'parked')
    const late = await submit(refused(false), 'c', tired)
    await is(late, 'failed')
    expect(handed(late)).toEqual([])
  })

  it('is never followed after an ordinary failure', async () => {
    await begin()
    const script: Script = { ms: MIN, exitCode: 1, says: { outcome: 'error', failure: 'overloaded', hasActed: false } }
    const id = await life.submit({
      agent: agent('claude', 'claude', script),
      fallback: fallback(agent('codex', 'codex', done('c2'))),
    })
    await is(id, 'failed')
    expect([sessions(id).length, handed(id)]).toEqual([1, []])
  })

  it('ends the task at a limit when it may not rest and nobody is free', async () => {
    await begin()
    const id = await life.submit({
      agent: agent('claude', 'claude', limited(3, 'c1')),
      fallback: fallback(agent('codex', 'codex', limited(3, 'c2'))),
      autoResume: false,
    })
    await is(id, 'failed')
    expect(life.task(id)).toMatchObject({ error: { code: 'USAGE_LIMIT' }, spec: { agent: { name: 'codex' } } })
    expect(resumeByFirst(life.task(id))).toMatchObject({ resumeRef: null })
  })
})
