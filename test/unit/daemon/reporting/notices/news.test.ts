/** What somebody is told of, and that a dead end is given up in the end. */
import { afterEach, describe, expect, it } from 'vitest'
import { noticeEventOf } from '../../../../../daemon/reporting/notices/announce.ts'
import { bodyText, noticeOf } from '../../../../../daemon/reporting/notices/message.ts'
import { SWEEPS } from '../../../../../daemon/sweeps/index.ts'
import { createSweeper } from '../../../../../daemon/sweeps/run.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import { type Receiver, receiver } from '../../../../fakes/outward/receiver.ts'
import { aConfig, aTask } from '../../../../support/builders.ts'
import { live, outside } from '../../../../support/daemon/sim-daemon.ts'

const runs = aTask({ status: 'in_progress', step: 'running' })

describe('news', () => {
  it.each<[string, Partial<Task>, Partial<Task>, { kind: 'next_attempt' }[], string | null]>([
    ['a run that completed', {}, { status: 'completed', step: 'cleanup' }, [], 'done'],
    ['a run that failed', {}, { status: 'failed', step: 'salvage' }, [], 'failed'],
    ['a run that was cancelled', {}, { status: 'cancelled', step: 'salvage' }, [], 'cancelled'],
    ['a run that the engine tries again', {}, { status: 'failed', step: 'salvage' }, [{ kind: 'next_attempt' }], null],
    ['a run that rests until its limit is lifted', {}, { status: 'parked' }, [], 'parked'],
    ['a session that waits for a person', {}, { step: 'awaiting_followup' }, [], 'needs-you'],
    ['a step on the way', { step: 'agent_session' }, { step: 'running' }, [], null],
    [
      'an end that was told already',
      { status: 'failed', step: 'salvage' },
      { status: 'failed', step: 'cleanup' },
      [],
      null,
    ],
    ['a rest that was told already', { status: 'parked' }, { status: 'parked', waitingFor: 'more' }, [], null],
  ])('of %s', (_, before, after, writes, expected) => {
    expect(noticeEventOf({ ...runs, ...before }, { task: { ...runs, ...before, ...after }, writes })).toBe(expected)
  })
})

describe('news that a task needs you', () => {
  it.each<[string, Partial<Task>, string]>([
    ['whose agent waits', { step: 'awaiting_followup' }, 'tdf send t1 "what to do next"'],
    ['that others hold', { status: 'queued', step: 'node_selection' }, 'tdf why t1'],
    ['whose pull request is not green', { status: 'completed', step: null }, 'tdf pr show t1'],
    [
      'whose agent asks for a permission',
      { step: 'awaiting_followup', facts: { question: { requestId: 'r', tool: 'Bash', detail: 'ls' } } },
      'tdf send t1 allow',
    ],
  ])('of one %s names a command that it takes', (_, change, next) => {
    const notice = noticeOf({ ...runs, id: 't1', ...change }, 'needs-you', 0, true)
    expect(bodyText(notice).split('\n').at(-1)).toBe(next)
  })
})

describe('news of a failure', () => {
  it('has the end of what failed printed, why and the next command, and none of it where text is not sent', async () => {
    const told = await receiver()
    const config = aConfig()
    config.notify = { ...config.notify, webhook: told.url, ntfy: `${told.url}/topic`, includeText: true }
    const out = outside({ config })
    const life = await live(out, { fetch: globalThis.fetch })
    try {
      const id = await life.submit({ title: 'fix it' }, { exitCode: 1 })
      await life.world.run(() => life.task(id).step === null)
      const { engine } = life
      engine.results.logs.read = async () => Buffer.from('line 1\nit broke\n')
      const sweeper = createSweeper(engine, { stateDir: out.dir } as Parameters<typeof createSweeper>[1], SWEEPS)
      await sweeper.run('notify-ntfy')
      await sweeper.run('notify-webhook')
      const card = [
        ...['✗ the agent failed', '│ line 1', '│ it broke'],
        ...[`because: the agent of ${id} ended with exit code 1`, `next:    tdf logs ${id} --failed`],
      ].join('\n')
      expect(told.got[0]?.body.split('\n').slice(1).join('\n')).toBe(`fix it\n${card}`)
      expect(JSON.parse(told.got[1]?.body ?? '').text).toMatchObject({ title: 'fix it', failure: card })
      engine.config.notify.includeText = false
      const second = await life.submit({}, { exitCode: 1 })
      await life.world.run(() => life.task(second).step === null)
      await sweeper.run('notify-ntfy')
      expect(told.got[2]?.body).not.toContain('it broke')
      expect(told.got[2]?.body).toContain(`tdf show ${second}`)
    } finally {
      life.kill()
      out.remove()
      await told.stop()
    }
  })
})

describe('an endpoint that stays dead', () => {
  let told: Receiver | undefined
  afterEach(() => told?.stop())

  it('is tried ever more slowly, then given up and put on record; another way is not held up by it', async () => {
    told = await receiver()
    const dead = await receiver()
    await dead.stop()
    const config = aConfig()
    config.notify = { ...config.notify, webhook: dead.url, ntfy: `${told.url}/topic` }
    const out = outside({ config })
    const life = await live(out, { fetch: globalThis.fetch })
    try {
      const id = await life.submit({}, { exitCode: 1 })
      await life.world.run(() => life.task(id).step === null)
      const { engine, world } = life
      const parts = { stateDir: out.dir } as Parameters<typeof createSweeper>[1]
      const sweeper = createSweeper(engine, parts, SWEEPS)
      await sweeper.run('notify-ntfy')
      expect(told.got.map(({ path, headers }) => [path, headers.title])).toEqual([['/topic', `task ${id} failed`]])
      const waits: number[] = []
      const all = () => due(engine.store.sql, 'notify-webhook', Number.MAX_SAFE_INTEGER, 10)
      for (let round = 0; round < 50 && all()[0]; round++) {
        await sweeper.run('notify-webhook')
        const waitMs = (all()[0]?.dueAt ?? 0) - world.clock.now()
        if (waitMs < 0) break
        waits.push(waitMs)
        await world.clock.advance(waitMs)
      }
      expect(all()).toEqual([])
      expect(waits.slice(0, 4)).toEqual([1_000, 2_000, 4_000, 8_000])
      expect(waits).toHaveLength(14)
      expect(Math.max(...waits)).toBe(600_000)
      const errors = due(engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 10_000)
      expect(errors.map(({ payload }) => payload.code)).toContain('NOTIFY_FAILED')
    } finally {
      life.kill()
      out.remove()
    }
  })
})
