/** Tasks that come after others: when they ask for a slot, what holds them, what ends them, and what nobody waits for any more. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { taskJson } from '../../../../../daemon/api/tasks/json.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import { removeTask } from '../../../../../daemon/engine/effects/remove.ts'
import { HELD_LOOK_MS } from '../../../../../daemon/engine/rules/after.ts'
import type { Base } from '../../../../../daemon/results/results.ts'
import { TdfError } from '../../../../../src/core/errors.ts'
import { awaitedBy } from '../../../../../src/core/facts.ts'
import type { AfterSpec } from '../../../../../src/core/source.ts'
import { readNewestEvents } from '../../../../../src/store/tables/journal.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  const notify = { ntfy: 'https://ntfy.example/topic' }
  all = await lives({ config: aConfig({ notify, runner: { queueTimeout: HOUR } }) })
})
afterEach(() => all.end())

const engine = () => all.life.engine
const sql = () => engine().store.sql
const task = (id: string) => all.life.task(id)
const json = (id: string) => taskJson(sql(), task(id))
const sentence = (id: string) => why(engine(), task(id)).sentence
const events = (id: string, type: string) => readNewestEvents(sql(), id, 1_000).filter(one => one.type === type)
const over = (...ids: string[]) => all.until(() => ids.every(id => task(id).step === null), 3 * HOUR)
const notices = (id: string) =>
  due(sql(), 'notify-ntfy', Number.MAX_SAFE_INTEGER, 100).filter(
    ({ payload }) => payload.taskId === id && payload.event === 'needs-you',
  )

const FAILS: Script = { exitCode: 1 }
const QUIET: Script = { commits: 1, ms: 10 * MIN, busy: true }

function submit(id: string, after: Partial<AfterSpec> & { ids: string[] }, script: Script = { commits: 1 }) {
  return all.submit({ after: { from: [], if: 'ok', onFailed: 'hold', ...after } }, script, id)
}

describe('a task after others', () => {
  it('is in no queue and under no deadline until all of them are completed, and has its time from then', async () => {
    await all.submit({}, QUIET, 'aaa')
    await all.submit({}, { commits: 1 }, 'bbb')
    await submit('ccc', { ids: ['aaa', 'bbb'] })
    await over('bbb')
    expect(task('ccc')).toMatchObject({ status: 'queued', step: 'node_selection', deadlineAt: null })
    expect(engine().queue.has({ id: 'ccc', attempt: 1 })).toBe(false)
    expect(json('ccc').after).toEqual([
      { id: 'aaa', state: 'waiting' },
      { id: 'bbb', state: 'met' },
    ])
    expect(json('ccc').waitingFor).toBe('aaa (running)')
    const before = task('ccc').wakeAt ?? 0
    expect(before - task('ccc').createdAt).toBe(HELD_LOOK_MS)
    await over('aaa', 'ccc')
    expect(task('ccc').status).toBe('completed')
    expect(task('ccc').facts.releasedAt).toBeGreaterThanOrEqual(task('aaa').completedAt ?? 0)
    expect(events('ccc', 'task.released')).toHaveLength(1)
  })

  it('is one of a thousand that leave a placement pass nothing to do, and that one end lets go together', async () => {
    await all.submit({}, QUIET, 'aaa')
    await all.until(() => task('aaa').step === 'running', HOUR)
    const names = Array.from({ length: 1_000 }, (_, index) => `h${index}`)
    const after: AfterSpec = { ids: ['aaa'], from: [], if: 'ok', onFailed: 'hold' }
    const none = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }
    await engine().submitAll(null, () => names.map(id => ({ id, spec: aSpec({ after, node: 'n2' }), ...none })))
    expect(engine().queue.list()).toEqual([])
    await all.until(() => task('aaa').status === 'completed', HOUR)
    expect(engine().queue.list()).toHaveLength(names.length)
    expect(new Set(names.map(id => task(id).facts.releasedAt)).size).toBe(1)
  })

  it('goes on at once where all of them are completed when it is submitted', async () => {
    await all.submit({}, { commits: 1 }, 'aaa')
    await over('aaa')
    await submit('bbb', { ids: ['aaa'] })
    expect(task('bbb').facts.awaits).toBeUndefined()
    await over('bbb')
    expect(events('bbb', 'task.released')).toEqual([])
  })

  it('is held over a restart of the daemon, and let go by the one after', async () => {
    await all.submit({}, QUIET, 'aaa')
    await submit('bbb', { ids: ['aaa'] })
    await all.until(() => task('aaa').step === 'running', HOUR)
    await all.die()
    await all.begin()
    expect(engine().queue.has({ id: 'bbb', attempt: 1 })).toBe(false)
    await over('aaa', 'bbb')
    expect(task('bbb').status).toBe('completed')
  })

  it('that asks for any end goes on after one that failed', async () => {
    await all.submit({}, FAILS, 'aaa')
    await submit('bbb', { ids: ['aaa'], if: 'ended' })
    await over('aaa', 'bbb')
    expect([task('aaa').status, task('bbb').status]).toEqual(['failed', 'completed'])
  })

  it('waits on while the engine itself tries its predecessor again', async () => {
    all.end()
    all = await lives({ config: aConfig({ runner: { maxAttempts: 2 } }) })
    await all.submit({}, { lost: "the session's runner died" }, 'aaa')
    await submit('bbb', { ids: ['aaa'], onFailed: 'cancel' })
    await all.until(() => task('aaa').attempt === 2, HOUR)
    expect(task('bbb').status).toBe('queued')
  })
})

describe('a predecessor that failed', () => {
  it('holds it, tells its user once, and names the two commands; a later attempt that completes lets it go on', async () => {
    await all.submit({}, { exitCode: 1, ms: MIN, busy: true }, 'aaa')
    await submit('bbb', { ids: ['aaa'] })
    await over('aaa')
    expect(notices('bbb')).toHaveLength(1)
    await all.life.world.clock.advance(3 * HOUR)
    expect(task('bbb')).toMatchObject({
      status: 'queued',
      deadlineAt: null,
      facts: { blocked: { by: ['aaa'], attempt: 1 } },
    })
    expect(sentence('bbb')).toBe(
      'It waits: aaa is failed (agent_error); `tdf continue aaa` or `tdf retry aaa` lets this go on.',
    )
    expect(json('bbb').after).toEqual([{ id: 'aaa', state: 'failed' }])
    expect(events('bbb', 'task.blocked')).toHaveLength(1)
    sql().run("update tasks set spec = json_set(spec, '$.agent.command[1]', '{\"commits\":1}') where id = 'aaa'")
    await engine().start('aaa', 2)
    expect(json('bbb').after).toEqual([{ id: 'aaa', state: 'waiting' }])
    await over('aaa', 'bbb')
    expect(task('bbb')).toMatchObject({ status: 'completed', facts: { blocked: null } })
  })

  it('ends it where that was asked for, with all that come after it, and leaves what asks for any end', async () => {
    await all.submit({}, { exitCode: 1, ms: MIN, busy: true }, 'aaa')
    await submit('bbb', { ids: ['aaa'], onFailed: 'cancel' })
    await submit('ccc', { ids: ['bbb'], onFailed: 'cancel' })
    await submit('ddd', { ids: ['ccc'] })
    await submit('eee', { ids: ['ccc'], if: 'ended' })
    await over('aaa', 'bbb', 'ccc', 'eee')
    for (const id of ['bbb', 'ccc']) {
      expect(task(id)).toMatchObject({
        status: 'cancelled',
        verdict: 'cancelled',
        error: { code: 'DEPENDENCY_FAILED' },
      })
      expect(task(id).completedAt).toBe(task('bbb').completedAt)
    }
    expect([task('ddd').status, task('eee').status]).toEqual(['queued', 'completed'])
    expect(sentence('ddd')).toContain('ccc is cancelled')
  })

  it('counts as well where it had failed before the other was submitted', async () => {
    await all.submit({}, FAILS, 'aaa')
    await over('aaa')
    await submit('bbb', { ids: ['aaa'], onFailed: 'cancel' })
    await submit('ccc', { ids: ['aaa'] })
    await over('bbb')
    expect(task('bbb').error?.code).toBe('DEPENDENCY_FAILED')
    expect(task('ccc').facts.blocked).toEqual({ by: ['aaa'], attempt: 1 })
  })

  it('ends a long chain in one go', async () => {
    await all.submit({}, { exitCode: 1, ms: MIN, busy: true }, 'c0000')
    const name = (index: number) => `c${String(index).padStart(4, '0')}`
    for (let index = 1; index <= 1_500; index++) {
      await engine().submit({
        ...{ id: name(index), idempotencyKey: null, idempotencyHash: null, createdAt: 0 },
        spec: { ...task('c0000').spec, after: { ids: [name(index - 1)], from: [], if: 'ok', onFailed: 'cancel' } },
      })
    }
    await all.until(() => task('c0000').step === null, HOUR)
    expect(task(name(1_500)).status).toBe('cancelled')
  })

  it('is met for the next attempt of one that was cancelled meanwhile', async () => {
    await all.submit({}, QUIET, 'aaa')
    await submit('bbb', { ids: ['aaa'] })
    await engine().signal({ kind: 'cancel', taskId: 'bbb' })
    await over('bbb')
    await engine().start('bbb', 2)
    expect(task('bbb').facts.awaits).toBe('predecessors')
    await engine().signal({ kind: 'cancel', taskId: 'bbb' })
    await over('aaa', 'bbb')
    await engine().start('bbb', 3)
    await over('bbb')
    expect(task('bbb')).toMatchObject({ attempt: 3, status: 'completed' })
  })
})

describe('a task from the work of others', () => {
  const asked: { id: string; commit: string }[][] = []
  let answer: Base | null
  beforeEach(() => {
    asked.length = 0
    answer = null
    all.out.results.base = async ({ id }, work) => {
      asked.push([...work])
      return answer ?? { kind: 'clean', ref: `refs/tdf/${id}/base`, commit: work.at(-1)?.commit ?? '' }
    }
  })

  it('begins from the commit that each of them saved, and tells its agent nothing of an earlier try', async () => {
    await all.submit({}, { commits: 1 }, 'aaa')
    const after: AfterSpec = { ids: ['aaa'], from: ['aaa'], if: 'ok', onFailed: 'hold' }
    await all.submit({ after, agent: { ...aSpec({}, QUIET).agent, type: 'claude' } }, QUIET, 'bbb')
    await all.until(() => task('bbb').step === 'running', HOUR)
    const commit = task('aaa').result?.commit ?? ''
    expect(asked).toEqual([[{ id: 'aaa', ref: 'refs/tdf/aaa/1', commit }]])
    expect(task('bbb').facts.resume).toMatchObject({ commit, baseCommit: commit, isBase: true, resumeRef: null })
    expect(json('bbb')).toMatchObject({ from: ['aaa'], repo: { baseCommit: commit } })
    const { body } = all.agent().workspaces.get('bbb-1-1')?.sessions.get('bbb-1-1-s1') ?? {}
    expect(body?.prompt).toBe('say hi')
  })

  it('is held with the files that git cannot merge, and goes on with newer work', async () => {
    await all.submit({}, { commits: 1 }, 'aaa')
    await all.submit({}, { commits: 2 }, 'bbb')
    answer = { kind: 'conflict', of: ['aaa', 'bbb'], files: ['a.json'] }
    await submit('ccc', { ids: ['aaa', 'bbb'], from: ['aaa', 'bbb'] })
    await all.until(() => Boolean(task('ccc').facts.blocked), HOUR)
    expect(sentence('ccc')).toBe(
      'It waits: git cannot merge a.json of aaa and bbb; newer work of one of them, by `tdf continue`, lets this go on.',
    )
    expect([task('ccc').deadlineAt, notices('ccc').length]).toEqual([null, 1])
    answer = null
    await engine().start('bbb', 2)
    await over('bbb', 'ccc')
    expect(task('ccc').status).toBe('completed')
    expect(asked.at(-1)?.map(({ id }) => id)).toEqual(['aaa', 'bbb'])
  })

  it('is held by one of which nothing was saved, whatever end it asks for', async () => {
    await all.submit({}, QUIET, 'zzz')
    await submit('aaa', { ids: ['zzz'] })
    await submit('bbb', { ids: ['aaa'], from: ['aaa'], if: 'ended' })
    await engine().signal({ kind: 'cancel', taskId: 'aaa' })
    await over('aaa')
    expect([task('aaa').result, task('bbb').status]).toEqual([null, 'queued'])
    expect(task('bbb').facts.blocked).toEqual({ by: ['aaa'], attempt: 1 })
  })
})

describe('a group of which so many may go on', () => {
  const put = (atMost: number | null, names: readonly string[], script: Script) =>
    engine().submitAll({ name: 'g', kind: 'set', atMost }, function* () {
      for (const id of names) {
        const none = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }
        yield { id, spec: aSpec({}, script), member: { group: 'g', key: id }, ...none }
      }
    })
  const waiting = () => ['aaa', 'bbb', 'ccc', 'ddd'].filter(id => awaitedBy(task(id)) === 'turn')

  it('lets the others go on one by one, in their order, also over a restart, and none that was cancelled', async () => {
    await put(2, ['aaa', 'bbb', 'ccc', 'ddd'], QUIET)
    expect(waiting()).toEqual(['ccc', 'ddd'])
    expect(engine().queue.has({ id: 'ccc', attempt: 1 })).toBe(false)
    await all.die()
    await all.begin()
    expect(engine().queue.has({ id: 'ccc', attempt: 1 })).toBe(false)
    await engine().signal({ kind: 'cancel', taskId: 'ccc' })
    await over('ccc')
    expect(waiting()).toEqual(['ddd'])
    await over('aaa')
    expect(waiting()).toEqual([])
    await over('bbb', 'ddd')
    expect(task('ddd').status).toBe('completed')
  })

  it('lets another one go on while a person has to mend what one of it begins from', async () => {
    await all.submit({}, { commits: 1 }, 'xxx')
    await all.submit({}, { commits: 2 }, 'yyy')
    await over('xxx', 'yyy')
    const { base } = all.out.results
    all.out.results.base = async () => ({ kind: 'conflict', of: ['xxx', 'yyy'], files: ['a.json'] })
    const after: AfterSpec = { ids: ['xxx', 'yyy'], from: ['xxx', 'yyy'], if: 'ok', onFailed: 'hold' }
    await engine().submitAll({ name: 'g', kind: 'set', atMost: 1 }, function* () {
      const none = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }
      yield { id: 'aaa', spec: aSpec({ after }, QUIET), member: { group: 'g', key: 'a' }, ...none }
      yield { id: 'bbb', spec: aSpec({}, QUIET), member: { group: 'g', key: 'b' }, ...none }
    })
    await all.until(() => task('bbb').step === 'running', HOUR)
    expect(task('aaa').facts).toMatchObject({ awaits: 'predecessors', blocked: { by: ['xxx', 'yyy'] } })
    all.out.results.base = base
    await engine().start('yyy', 2)
    await all.until(() => task('aaa').facts.awaits === 'turn', HOUR)
    expect(task('bbb').step).not.toBeNull()
    await over('aaa', 'bbb')
    expect(task('aaa').status).toBe('completed')
  })

  it('lets one go on when a task that had its turn fails or is tried again', async () => {
    await put(1, ['aaa', 'bbb'], FAILS)
    await over('aaa', 'bbb')
    await engine().start('aaa', 2)
    await engine().start('bbb', 2)
    expect([task('aaa').facts.awaits, task('bbb').facts.awaits]).toEqual([undefined, 'turn'])
    await over('aaa', 'bbb')
  })

  it('that cannot be put in as a whole is not put in at all', async () => {
    const failing = engine().submitAll({ name: 'g', kind: 'set', atMost: 1 }, function* () {
      yield { id: 'aaa', spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 }
      throw new TdfError('USAGE', 'no')
    })
    await expect(failing).rejects.toMatchObject({ code: 'USAGE' })
    expect(engine().query('aaa')).toBeUndefined()
    expect(engine().queue.has({ id: 'aaa', attempt: 1 })).toBe(false)
  })
})

describe('a task that another one waits for', () => {
  const repository = { alone: async (act: () => unknown) => act(), must: async () => '', save: async () => {} }
  const remove = (id: string) => removeTask(engine(), task(id), repository as never, new AbortController().signal)

  it('cannot be removed, and can be once nobody waits for it', async () => {
    await all.submit({}, FAILS, 'aaa')
    await submit('bbb', { ids: ['aaa'] })
    await over('aaa')
    const refused = { code: 'WRONG_STATE', hint: 'tdf why bbb' }
    await expect(remove('aaa')).rejects.toMatchObject(refused)
    await engine().signal({ kind: 'cancel', taskId: 'bbb' })
    await over('bbb')
    await remove('aaa')
    expect(json('bbb').after).toEqual([{ id: 'aaa', state: 'gone' }])
  })
})
