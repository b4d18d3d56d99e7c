/** What a user says while the agent is at work, and what the agent asks its user, over the whole engine. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { whyText } from '../../../../../commands/tasks/list-run.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import { addSignal } from '../../../../../src/store/tables/inbox.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
let out: Outside
let life: Life
beforeEach(async () => {
  out = outside()
  life = await live(out)
})
afterEach(() => {
  life.kill()
  out.remove()
})

const success = { says: { outcome: 'success', resumeRef: 'c1' } } as const
const submit = (script: Script, change: Partial<TaskSpec> = {}) =>
  life.submit({ agent: { ...aSpec({}, script).agent, name: 'claude', type: 'claude' }, ...change })
const send = (taskId: string, text: string) =>
  life.engine.signal({ kind: 'followup', taskId, deliveryId: text.replaceAll(' ', '-'), text })
const at = (id: string, step: string | null) => life.world.run(() => life.task(id).step === step, 24 * 60 * MIN)
const sessions = (id: string, attempt = 1) => [
  ...(agent().workspaces.get(`${id}-${attempt}-1`)?.sessions.values() ?? []),
]
const agent = () => {
  const found = out.agents.get('n1')
  if (!found) throw new Error('no agent')
  return found
}
/** Every prompt that an agent of the task was given, by whichever way, before its workspace went. */
function heard(id: string, attempt = 1): () => string[] {
  const seen = new Map<string, string[]>()
  const look = () => {
    for (const { body, prompts, script } of sessions(id, attempt)) {
      seen.set(body.sessionId, [body.prompt, ...(script.ignoresPrompts ? [] : prompts.values())])
    }
  }
  const { clock } = life.world
  const watch = () => {
    look()
    clock.timer(100, watch)
  }
  watch()
  return () => [...seen.values()].flat()
}

describe('tdf send to a running agent', () => {
  const WORKS: Script = { ...success, ms: 10 * MIN, busy: true }

  it('reaches the session that takes prompts, at once and once', async () => {
    const id = await submit({ ...WORKS, steerable: true })
    await at(id, 'running')
    await send(id, 'also the docs')
    await send(id, 'also the docs')
    await life.world.run(() => sessions(id)[0]?.prompts.size === 1, MIN)
    const [session] = sessions(id)
    expect([...(session?.prompts.values() ?? [])]).toEqual(['also the docs'])
    await at(id, null)
    expect(agent().starts.size).toBe(1)
    expect(life.task(id).status).toBe('completed')
  })

  it('is the prompt of the next session where the running one takes none', async () => {
    const id = await submit(WORKS)
    const prompts = heard(id)
    await at(id, 'running')
    await send(id, 'also the docs')
    await send(id, 'and the tests')
    await at(id, null)
    expect(prompts()).toEqual(['say hi', 'also the docs', 'and the tests'])
    expect(life.task(id)).toMatchObject({ status: 'completed', facts: { followups: 2 } })
  })

  it('goes to the next session when the running one took it and ended before its agent heard it', async () => {
    const id = await submit({ ...WORKS, steerable: true, ignoresPrompts: true, resumed: { ...success, ms: MIN } })
    const prompts = heard(id)
    await at(id, 'running')
    await send(id, 'also the docs')
    await at(id, null)
    expect(prompts()).toEqual(['say hi', 'also the docs'])
  })

  it('is refused once the agent has ended, and says so', async () => {
    const id = await submit({ ...success, ms: MIN, commits: 1 }, { check: 'make test' })
    agent().faults.salvageFails = true
    await at(id, 'salvage')
    expect(await send(id, 'also the docs')).toEqual({ accepted: false, reason: expect.stringContaining('has ended') })
    agent().faults.salvageFails = false
    await at(id, null)
  })

  it('is refused between the word of the end and its consequences', async () => {
    const id = await submit({ ...success, ms: MIN, commits: 1 })
    await at(id, 'running')
    expect(await send(id, 'in time')).toEqual({ accepted: true })
    await life.world.run(() => life.task(id).facts.followups === 1 && life.task(id).step === 'running')
    const sessionId = life.task(id).sessionId ?? ''
    const told = { seq: 1, attempt: 1, sessionId, status: 'completed', exitCode: 0, signal: null, errorMessage: null }
    const workspaceId = `${id}-1-1`
    await life.engine.store.commit(() => {
      const { sql } = life.engine.store
      const dedupe = `session_exited:${workspaceId}:${sessionId}`
      addSignal(sql, { id, attempt: 1, kind: 'session_exited', dedupe, payload: told }, life.world.clock.now())
    })
    expect(await send(id, 'too late')).toMatchObject({ accepted: false })
    // The repeat of a call whose answer was lost is no new one.
    expect(await send(id, 'in time')).toEqual({ accepted: true })
  })

  it('is for the next attempt when this one ends without having taken it', async () => {
    const says = { outcome: 'error', resumeRef: 'c1' } as const
    const id = await submit({ ...WORKS, ms: MIN, exitCode: 1, dirty: true, says, resumed: { ...success, ms: MIN } })
    const prompts = heard(id, 2)
    await at(id, 'running')
    expect(await send(id, 'also the docs')).toEqual({ accepted: true })
    await at(id, null)
    expect(life.task(id).status).toBe('failed')
    expect(why(life.engine, life.task(id))).toMatchObject({
      sentence: expect.stringContaining('1 follow-up reached no agent'),
      command: `tdf retry ${id} --resume`,
    })
    await life.engine.start(id, 2, { resume: true })
    await at(id, null)
    expect(life.task(id)).toMatchObject({ attempt: 2, status: 'completed' })
    expect(why(life.engine, life.task(id)).sentence).not.toContain('reached no agent')
    expect(prompts()).toEqual([expect.stringMatching(/interrupted/), 'also the docs'])
  })

  it('is not given twice when the daemon dies between the prompt and its record', async () => {
    const id = await submit({ ...WORKS, ms: 2 * MIN, steerable: true })
    await at(id, 'running')
    agent().faults.loseAnswer.push(/prompt$/)
    await send(id, 'also the docs')
    await life.world.run(() => sessions(id)[0]?.prompts.size === 1, MIN)
    life.kill()
    await life.world.clock.advance(5 * MIN)
    life = await live(out, { seed: 2 })
    const prompts = heard(id)
    await at(id, null)
    expect(prompts().filter(text => text === 'also the docs')).toHaveLength(1)
    expect(agent().starts.size).toBe(1)
  })
})

describe('a permission that the agent asks for', () => {
  const asks = { requestId: 'r1', tool: 'Bash', detail: 'rm -rf build' }
  const ASKS: Script = { ...success, ms: MIN, busy: true, commits: 1, asks }

  it('waits for its user, and why says what is asked', async () => {
    const id = await submit(ASKS, { permissions: 'ask' })
    expect(await at(id, 'awaiting_followup')).toBe(true)
    const text = whyText(why(life.engine, life.task(id)), life.world.clock.now())
    expect(text).toContain('Its agent waits for your answer: may it use Bash (rm -rf build)?')
    expect(text).toContain(`tdf send ${id} allow`)
    await send(id, 'allow')
    await at(id, null)
    expect(life.task(id)).toMatchObject({ status: 'completed', verdict: 'unverified' })
    expect(agent().starts.size).toBe(1)
  })
  it('is denied by a word', async () => {
    const id = await submit(ASKS, { permissions: 'ask' })
    await at(id, 'awaiting_followup')
    await send(id, 'deny')
    await at(id, null)
    expect(life.task(id)).toMatchObject({ verdict: 'permission_denied', result: { ahead: 1 } })
  })
  it('is denied with any other text as the reason', async () => {
    const id = await submit(ASKS, { permissions: 'ask' })
    await at(id, 'awaiting_followup')
    await send(id, 'use git clean')
    await at(id, 'running')
    expect(sessions(id)[0]?.permission?.decision).toBe('deny')
  })
  it('ends the attempt when nobody answers in time', async () => {
    out.config.runner.followupTimeout = 60 * MIN
    const id = await submit(ASKS, { permissions: 'ask' })
    await at(id, 'awaiting_followup')
    await life.world.run(() => life.task(id).status === 'failed', 2 * 60 * MIN)
    expect(life.task(id)).toMatchObject({ verdict: 'permission_denied' })
  })
  it('is answered by the policy where that is not to ask', async () => {
    const id = await submit(ASKS, { permissions: 'allow' })
    await at(id, null)
    expect(life.task(id).status).toBe('completed')
    expect(life.steps(id)).not.toContain('awaiting_followup')
  })
})
