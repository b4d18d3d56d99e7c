/** Agents of a real type over the whole engine: what they report, what it costs, and what the task comes to. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

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

const claude = (script: Script): TaskSpec['agent'] => ({ ...aSpec({}, script).agent, name: 'claude', type: 'claude' })
const usage = (costUsd: number | null) => ({ inputTokens: 1_000, outputTokens: 100, costUsd })

async function ends(script: Script, change: Partial<TaskSpec> = {}) {
  const id = await life.submit({ agent: claude(script), ...change }, script)
  expect(await life.world.run(() => life.task(id).step === null)).toBe(true)
  return life.task(id)
}

describe('a task with an agent', () => {
  it('is done when the agent says so and its commits are there', async () => {
    const task = await ends({ commits: 1, says: { outcome: 'success', usage: usage(0.25), summary: 'Done.' } })
    expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', usage: usage(0.25) })
  })
  it('is not done when the agent ends with 0 and has said nothing', async () => {
    const task = await ends({ commits: 1, says: { outcome: 'none' } })
    expect(task).toMatchObject({ status: 'failed', verdict: 'agent_error', result: { ahead: 1 } })
  })
  it('says no_change when the agent succeeded at nothing', async () => {
    expect(await ends({ says: { outcome: 'success' } })).toMatchObject({ status: 'completed', verdict: 'no_change' })
  })
  it('hands the agent its model, its policy, what it may cost and how long it may do nothing', async () => {
    const agent = { ...claude({ says: { outcome: 'success' } }), model: 'sonnet', args: ['--verbose'] }
    const id = await life.submit({ agent, maxCostUsd: 2, permissions: 'deny' })
    await life.world.run(() => life.task(id).step === 'running')
    const body = out.agents.get('n1')?.workspaces.get(`${id}-1-1`)?.sessions.get(`${id}-1-1-s1`)?.body
    expect(body).toMatchObject({
      ...{ model: 'sonnet', maxCostUsd: 2, permissions: 'deny', idleMs: 20 * 60_000 },
      agent: { type: 'claude', args: ['--verbose'] },
    })
  })
})

describe('--max-cost', () => {
  it('ends a run whose cost has passed it, and keeps the work', async () => {
    const says = { outcome: null, usage: usage(2.5) }
    const task = await ends({ hangs: true, busy: true, commits: 1, says }, { maxCostUsd: 2 })
    expect(task).toMatchObject({
      ...{ status: 'failed', verdict: 'budget', usage: { costUsd: 2.5 }, error: { code: 'BUDGET' } },
      result: { ahead: 1 },
    })
  })
  it('lets a run go on that costs less', async () => {
    const task = await ends(
      { ms: 120_000, busy: true, says: { outcome: 'success', usage: usage(1) } },
      { maxCostUsd: 2 },
    )
    expect(task.verdict).toBe('no_change')
  })
  it('counts earlier attempts, and starts no agent when nothing is left', async () => {
    const first = await ends({ exitCode: 1, says: { outcome: 'error', usage: usage(2) } }, { maxCostUsd: 2 })
    await life.engine.start(first.id, 2)
    await life.world.run(() => life.task(first.id).step === null)
    expect(life.task(first.id)).toMatchObject({ attempt: 2, verdict: 'budget' })
    expect([...(out.agents.get('n1')?.starts.keys() ?? [])]).toEqual([`${first.id}-1-1-s1`])
  })
})
