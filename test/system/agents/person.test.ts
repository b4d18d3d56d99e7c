/** What a person does with a real agent by hand, as docs/agents.md says: money, limits, follow-ups, questions. */
import { describe, expect, it } from 'vitest'
import { until } from '../../support/daemon/home.ts'
import { sceneOf } from './scene.ts'

const LONG_MS = 200_000

describe('claude, with somebody there', () => {
  const scene = sceneOf('claude')
  const isAt = (id: string, step: string) =>
    until(`${id} is at ${step}`, async () => (await scene.home.task(id)).step === step, LONG_MS)

  it(
    'is ended once it has cost more than it may, and its work is kept',
    async () => {
      // One answer of the model; the twelve steps take thirteen.
      const one = (await scene.finished('nothing')).usage?.costUsd ?? 0
      const task = await scene.finished('fewsteps', '--max-cost', (one * 3.5).toFixed(4))
      expect(task).toMatchObject({ status: 'failed', verdict: 'budget', error: { code: 'BUDGET' } })
      expect(task.usage?.costUsd).toBeGreaterThan(one * 3)
      await until('its work is home', async () => (await scene.home.task(task.id)).cleanup === 'done', LONG_MS)
      const files = scene.filesOf(await scene.home.task(task.id))
      expect([files.includes('step-0.txt'), files.includes('step-11.txt')]).toEqual([true, false])
    },
    LONG_MS,
  )

  it(
    'waits for follow-ups with --interactive, and is closed',
    async () => {
      const id = await scene.submitted('edit', '--interactive')
      await isAt(id, 'awaiting_followup')
      expect((await scene.run('why', id)).out).toContain(`tdf send ${id} "what to do next"`)
      expect((await scene.run('wait', id)).code).toBe(75)
      expect((await scene.run('send', id, 'now [[finish]] it')).code).toBe(0)
      await until('it was asked', () => JSON.stringify(scene.model.asked.at(-1)?.turns).includes('[[finish]]'), LONG_MS)
      await isAt(id, 'awaiting_followup')
      expect((await scene.run('send', id, '--close')).code).toBe(0)
      expect((await scene.run('wait', id)).code).toBe(0)
      expect(scene.filesOf(await scene.home.task(id))).toEqual(expect.arrayContaining(['left.txt', 'finished.txt']))
    },
    LONG_MS,
  )

  it(
    'asks before it runs a command with --permissions ask, and does what the answer says',
    async () => {
      const id = await scene.submitted('commit', '--permissions', 'ask')
      await isAt(id, 'awaiting_followup')
      const why = (await scene.run('why', id)).out
      expect(why).toContain('commit -qm made')
      expect(why).toContain(`tdf send ${id} allow`)
      expect((await scene.run('send', id, 'allow')).code).toBe(0)
      expect((await scene.run('wait', id)).code).toBe(0)
      expect(await scene.home.task(id)).toMatchObject({ verdict: 'unverified', result: { ahead: 1, salvaged: false } })
    },
    LONG_MS,
  )

  it(
    'is refused what it needs with --permissions deny, and never counts as done',
    async () => {
      expect(await scene.finished('commit', '--permissions', 'deny')).toMatchObject({
        status: 'failed',
        verdict: 'permission_denied',
      })
    },
    LONG_MS,
  )

  it(
    'is not ended while a command of its goes on in the background',
    async () => {
      const task = await scene.finished('background')
      expect(task).toMatchObject({ status: 'completed', verdict: 'unverified' })
      expect(scene.filesOf(task)).toContain('late.txt')
    },
    LONG_MS,
  )

  // The last: whoever has the same login rests until the limit is lifted.
  it(
    'ends at a usage limit with --no-auto-resume',
    async () => {
      const task = await scene.finished('limit', '--no-auto-resume')
      expect(task).toMatchObject({ status: 'failed', verdict: 'agent_error', error: { code: 'USAGE_LIMIT' } })
      expect(task.error?.hint).toBe(`tdf retry ${task.id} --resume`)
    },
    LONG_MS,
  )
})
