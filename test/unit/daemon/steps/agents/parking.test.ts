/** Usage limits over the whole engine: who rests, for how long, on which machine, and what goes on afterwards. */
import { afterEach, describe, expect, it } from 'vitest'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import { LOST_UNDER_RUN } from '../../../../../src/protocol/shapes.ts'
import { readNodes } from '../../../../../src/store/tables/nodes.ts'
import type { FakeAgent, Script } from '../../../../fakes/agent.ts'
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
  out = outside({ config: sparse(), ...options })
  life = await live(out)
}

/** Fewer looks at what does not change: what a simulated hour costs is its wake-ups. */
const sparse = (runner = {}, nodes = {}) =>
  aConfig({
    runner: { reconcileInterval: 2 * MIN, agentPollInterval: MIN, provisionPollInterval: MIN, ...runner },
    nodes: { heartbeatInterval: 10 * MIN, heartbeatStale: 40 * MIN, lostAfter: 60 * MIN, ...nodes },
  })

/** Works for two minutes, commits, reaches its limit, and when it goes on it commits again and is done. */
const LIMITED: Script = {
  ...{ ms: 2 * MIN, busy: true, commits: 1, exitCode: 1, limitMs: 3 * HOUR, says: { resumeRef: 'conversation-1' } },
  resumed: { ms: MIN, commits: 1, says: { outcome: 'success', resumeRef: 'conversation-1' } },
}
const DONE: Script = { says: { outcome: 'success' } }

/** Each name is an account of its own. */
const agent = (script: Script, name = 'claude'): TaskSpec['agent'] => ({
  ...aSpec({}, script).agent,
  ...{ name, type: 'claude', env: [`${name.toUpperCase()}_KEY`] },
})
const submit = (script: Script, change: Partial<TaskSpec> = {}) => life.submit({ agent: agent(script), ...change })
const until = (id: string, status: string, withinMs = 30 * HOUR) =>
  life.world.run(() => life.task(id).status === status, withinMs)
const started = () => [...out.agents.values(), ...machines()].flatMap(({ starts }) => [...starts.keys()])
const machines = (): FakeAgent[] => [...(out.cloud?.machines.values() ?? [])].map(({ agent: of }) => of)
const bodyOf = (id: string, session: string) =>
  [...out.agents.values(), ...machines()]
    .flatMap(({ workspaces }) => [...workspaces.values()])
    .filter(({ body }) => body.taskId === id)
    .map(({ sessions }) => sessions.get(session)?.body)[0]

describe('a usage limit', () => {
  it('parks the task in its workspace and resumes the same conversation once, at the reset', async () => {
    await begin()
    const id = await submit(LIMITED)
    expect(await until(id, 'parked')).toBe(true)
    const parkedAt = life.world.clock.now()
    const { parkedUntil, step } = life.task(id)
    expect(step).toBe('agent_session')
    expect((parkedUntil ?? 0) - parkedAt).toBeGreaterThan(2.9 * HOUR)
    expect((parkedUntil ?? 0) - parkedAt).toBeLessThan(3 * HOUR + 3 * MIN)
    await life.world.run(() => life.task(id).status === 'in_progress')
    expect(life.world.clock.now()).toBeGreaterThanOrEqual(parkedUntil ?? 0)
    expect(bodyOf(id, `${id}-1-1-s2`)).toMatchObject({ resumeRef: 'conversation-1', prompt: /interrupted/ })
    await until(id, 'completed')
    expect(started()).toEqual([`${id}-1-1-s1`, `${id}-1-1-s2`])
    expect(life.task(id)).toMatchObject({ verdict: 'unverified', parkedUntil: null, result: { ahead: 2 } })
  })

  it('releases a machine that is paid for, and goes on elsewhere with tree and conversation', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit(LIMITED)
    expect(await until(id, 'parked')).toBe(true)
    await life.world.run(() => machines().length === 0, 2 * HOUR)
    expect(machines()).toEqual([])
    const resting = life.task(id)
    expect(resting).toMatchObject({ status: 'parked', step: 'node_selection', nodeName: null, result: { ahead: 1 } })
    const saved = resting.result?.commit
    expect(out.results.refs.get(`refs/tdf/${id}/1`)).toBe(saved)
    expect(await until(id, 'in_progress')).toBe(true)
    const [machine] = machines()
    const source = machine?.workspaces.get(`${id}-1-2`)?.body.source
    expect(source).toMatchObject({ kind: 'bundle', ref: `refs/tdf/${id}/1`, sha256: saved?.padEnd(64, '0') })
    expect(bodyOf(id, `${id}-1-2-s2`)).toMatchObject({ resumeRef: 'conversation-1' })
    await until(id, 'completed')
    expect(life.task(id)).toMatchObject({ verdict: 'unverified', result: { ahead: 2 } })
    expect(out.cloud?.lostWork).toEqual([])
    expect(life.statuses(id)).toEqual([
      'queued',
      'delegated',
      'in_progress',
      'parked',
      'queued',
      'delegated',
      'in_progress',
      'completed',
    ])
  })

  it('waits a short one out on the machine that it has', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit({ ...LIMITED, limitMs: 5 * MIN })
    await until(id, 'parked')
    expect(life.task(id).step).toBe('agent_session')
    await until(id, 'completed')
    expect(out.cloud?.made.size).toBe(1)
  })

  it('keeps every other task with the same credential from running into it', async () => {
    await begin({ config: sparse({}, { maxWorkspaces: 9 }) })
    const first = await submit(LIMITED)
    await until(first, 'parked')
    const same = await submit(DONE)
    const other = await life.submit({ agent: agent(DONE, 'codex') })
    await life.world.run(() => life.task(other).step === null, HOUR)
    expect(life.task(other).status).toBe('completed')
    expect(life.task(same).step).toBe('node_selection')
    await until(same, 'completed')
    expect(life.world.clock.now()).toBeGreaterThan(Date.UTC(2026, 0, 1) + 3 * HOUR)
  })

  it('that does not say when it is lifted is tried again after usage_limit_retry', async () => {
    await begin()
    const { limitMs: _, ...script } = LIMITED
    const id = await submit({ ...script, says: { ...script.says, outcome: 'usage_limit' } })
    await until(id, 'parked')
    expect((life.task(id).parkedUntil ?? 0) - life.world.clock.now()).toBeGreaterThanOrEqual(30 * MIN)
    expect(await until(id, 'completed')).toBe(true)
  })

  it('ends the attempt when its user does not want to go on by itself, and says how to', async () => {
    await begin()
    const id = await submit(LIMITED, { autoResume: false })
    await until(id, 'failed')
    expect(life.task(id)).toMatchObject({
      verdict: 'agent_error',
      error: { code: 'USAGE_LIMIT', hint: `tdf retry ${id} --resume` },
    })
  })

  it('ends the attempt when it lasts longer than usage_limit_max', async () => {
    await begin()
    const id = await submit({ ...LIMITED, limitMs: 400 * HOUR })
    expect(await until(id, 'failed')).toBe(true)
    expect(life.task(id).error?.code).toBe('USAGE_LIMIT')
  })

  it('is tried again after usage_limit_retry when the time that was told has passed', async () => {
    await begin()
    const id = await submit({ ...LIMITED, limitMs: -HOUR })
    expect(await until(id, 'parked')).toBe(true)
    const { parkedUntil } = life.task(id)
    const { usageLimitRetry } = out.config.runner
    expect((parkedUntil ?? 0) - life.world.clock.now()).toBeGreaterThan(usageLimitRetry - MIN)
    expect(await until(id, 'completed')).toBe(true)
    expect(started()).toHaveLength(2)
  })

  it('never makes a burst of sessions, however soon its end is told', async () => {
    await begin()
    const again: Script = { ...LIMITED, ms: 100, limitMs: 200 }
    const id = await submit({ ...again, resumed: again })
    const seen: number[] = []
    await life.world.run(() => {
      if (started().length > seen.length) seen.push(life.world.clock.now())
      return life.task(id).status === 'failed'
    })
    expect(seen.length).toBe(21)
    for (let at = 3; at < seen.length; at++) expect((seen[at] ?? 0) - (seen[at - 3] ?? 0)).toBeGreaterThan(59_000)
  })

  it('gives the slots of the own machine to tasks that can work, and takes one back when it is over', async () => {
    await begin({ local: true, config: sparse({}, { maxWorkspaces: 2 }) })
    const resting = [await submit(LIMITED), await submit(LIMITED)]
    for (const id of resting) expect(await until(id, 'parked')).toBe(true)
    const others = [1, 2, 3].map(() => life.submit({ agent: agent({ ...DONE, ms: 4 * HOUR, busy: true }, 'codex') }))
    const [one = '', two = '', three = ''] = await Promise.all(others)
    expect(await life.world.run(() => [one, two].every(id => life.task(id).status === 'in_progress'), HOUR)).toBe(true)
    const said = why(life.engine, life.task(three)).sentence
    expect(said).toContain(`${one} (running)`)
    expect(said).toContain(`${resting[0]} (parked)`)
    // Its time has come: it waits for a slot, and is the next to get one.
    await life.world.run(() => (life.task(resting[0] ?? '').parkedUntil ?? 0) + 5 * MIN < life.world.clock.now())
    expect(life.task(resting[0] ?? '').status).toBe('parked')
    expect(why(life.engine, life.task(resting[0] ?? '')).sentence).toContain(`slots are in use: `)
    await life.world.run(() => resting.every(id => life.task(id).status === 'completed'), 30 * HOUR)
    expect(resting.map(id => life.task(id).status)).toEqual(['completed', 'completed'])
    expect(await until(three, 'completed')).toBe(true)
  })

  it('can be cancelled while it is waited out, and the work is kept', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit(LIMITED)
    await life.world.run(() => life.task(id).step === 'node_selection' && life.task(id).status === 'parked')
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ status: 'cancelled', result: { ahead: 1 } })
  })

  it('does not count against the limits of the run', async () => {
    await begin({ config: sparse({ maxExecution: HOUR, absoluteExecution: HOUR }) })
    const id = await submit({ ...LIMITED, resumed: { ms: 30 * MIN, busy: true, says: { outcome: 'success' } } })
    expect(await until(id, 'completed')).toBe(true)
  })

  it('survives the death of the daemon at rest', async () => {
    await begin({ nodes: [], cloud: true })
    const id = await submit(LIMITED)
    await life.world.run(() => life.task(id).step === 'node_selection' && life.task(id).status === 'parked')
    life.kill()
    life = await live(out, { seed: 2 })
    expect(await until(id, 'completed')).toBe(true)
    expect(life.task(id).attempt).toBe(1)
    expect(readNodes(life.engine.store.sql, true).length).toBe(2)
  })
})

describe('an agent that was interrupted from outside', () => {
  const cut = { outcome: 'error', failure: 'interrupted', resumeRef: 'c1' } as const
  const CUT: Script = { exitCode: 1, commits: 1, says: cut, resumed: { commits: 1, says: { outcome: 'success' } } }

  it('goes on in a new session with its conversation', async () => {
    await begin()
    const id = await submit(CUT)
    expect(await until(id, 'completed')).toBe(true)
    expect(started()).toEqual([`${id}-1-1-s1`, `${id}-1-1-s2`])
    expect(life.task(id).result?.ahead).toBe(2)
  })
  it('ends its attempt with the work saved when it has no conversation', async () => {
    await begin()
    const id = await submit({ ...CUT, says: { ...cut, resumeRef: null } })
    expect(await until(id, 'failed')).toBe(true)
    await life.world.run(() => life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ verdict: 'agent_error', result: { ahead: 1 } })
  })
  it('is an attempt for the next one when its machine was restarted and it has no conversation', async () => {
    await begin({ config: sparse({ maxAttempts: 2 }) })
    const id = await submit({ lost: LOST_UNDER_RUN.machine, commits: 1, says: { ...cut, resumeRef: null } })
    await life.world.run(() => life.task(id).attempt === 2 && life.task(id).step === null)
    expect(life.task(id)).toMatchObject({ verdict: 'infrastructure', error: { code: 'NODE_LOST' } })
    const command = await life.submit({ agent: aSpec({}, { lost: LOST_UNDER_RUN.runner }).agent })
    await life.world.run(() => life.task(command).attempt === 2 && life.task(command).step === null)
    expect(life.task(command)).toMatchObject({ verdict: 'infrastructure' })
  })
  it('is not taken up for ever', async () => {
    await begin()
    const id = await submit({ ...CUT, resumed: CUT })
    expect(await until(id, 'failed')).toBe(true)
    expect(started()).toHaveLength(4)
  })
})

describe('retry --resume', () => {
  it('goes on with the saved tree and the conversation of the last attempt', async () => {
    await begin()
    const failed: Script = { exitCode: 1, dirty: true, says: { outcome: 'error', resumeRef: 'c1' } }
    const id = await submit({ ...failed, resumed: { commits: 1, says: { outcome: 'success' } } })
    await life.world.run(() => life.task(id).step === null)
    const { commit } = life.task(id).result ?? {}
    await life.engine.start(id, 2, { resume: true })
    await life.world.run(() => life.task(id).step === 'running')
    expect(out.agents.get('n1')?.workspaces.get(`${id}-2-1`)?.body.source).toMatchObject({
      sha256: commit?.padEnd(64, '0'),
    })
    expect(bodyOf(id, `${id}-2-1-s1`)).toMatchObject({ resumeRef: 'c1' })
    await until(id, 'completed')
    expect(life.task(id)).toMatchObject({ attempt: 2, result: { salvaged: true } })
  })
  it('asks an agent that keeps its conversations itself to go on with it, on the node where it is', async () => {
    await begin()
    const failed: Script = { exitCode: 1, dirty: true, says: { outcome: 'error', resumeRef: 'c1' } }
    const id = await submit(failed, { agent: { ...agent(failed, 'opencode'), type: 'acp' } })
    await life.world.run(() => life.task(id).step === null)
    await life.engine.start(id, 2, { resume: true })
    await life.world.run(() => life.task(id).step === 'running')
    expect(bodyOf(id, `${id}-2-1-s1`)).toMatchObject({ resumeRef: 'c1', prompt: /was interrupted/ })
  })
  it('is refused when nothing was saved', async () => {
    await begin({ nodes: [] })
    const id = await submit(DONE)
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    await expect(life.engine.start(id, 2, { resume: true })).rejects.toMatchObject({ code: 'NO_RESULT' })
    expect(life.task(id).attempt).toBe(1)
  })
})
