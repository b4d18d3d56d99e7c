/** Races over lives of a daemon: decided once, in the write that ends a member, with all that follows from it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findTask } from '../../../../../daemon/api/tasks/find.ts'
import { taskJson } from '../../../../../daemon/api/tasks/json.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import { refuseUnfinished } from '../../../../../daemon/engine/effects/remove.ts'
import type { AgentType } from '../../../../../src/core/agent.ts'
import type { RaceSpec } from '../../../../../src/core/source.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import { readGroup } from '../../../../../src/store/groups/groups.ts'
import { listTasks } from '../../../../../src/store/tables/attempts.ts'
import { readNewestEvents } from '../../../../../src/store/tables/journal.ts'
import { readPush } from '../../../../../src/store/tables/pushes.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives({ config: aConfig({ nodes: { maxWorkspaces: 9 } }) })
})
afterEach(() => all.end())

const engine = () => all.life.engine
const sql = () => engine().store.sql
const task = (id: string) => all.life.task(id)
const json = (id: string) => taskJson(sql(), task(id))
const winner = () => readGroup(sql(), 'race')?.winner
const events = (id: string) => readNewestEvents(sql(), id, 1_000).filter(({ type }) => type === 'task.race')
const over = (...ids: string[]) => all.until(() => ids.every(id => task(id).step === null), 3 * HOUR)
const none = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }

/** Members `aaa`, `bbb` … of one race, each with what its agent does. */
async function race(
  scripts: Script[],
  rules: Partial<RaceSpec> = {},
  { agentType = 'command', ...spec }: Partial<TaskSpec> & { agentType?: AgentType } = {},
): Promise<string[]> {
  const ids = scripts.map((_, index) => String.fromCharCode(97 + index).repeat(3))
  const how: RaceSpec = { pick: './score.sh', first: false, ...rules }
  const specOf = (index: number): TaskSpec => {
    const asked = aSpec({ ...spec, race: how }, scripts[index])
    return { ...asked, agent: { ...asked.agent, type: agentType } }
  }
  await engine().submitAll({ name: 'race', kind: 'race', atMost: null }, () =>
    ids.map((id, index) => ({ id, spec: specOf(index), member: { group: 'race', key: String(index + 1) }, ...none })),
  )
  return ids
}

const scored = (score: string | null, more: Script = {}): Script => ({ commits: 1, score, ...more })
const SLOW: Script = { commits: 1, ms: 30 * MIN, busy: true, score: '9' }

describe('a race', () => {
  it('is won by the highest score once all are over', async () => {
    const ids = await race([scored('1'), scored('5', { ms: 5 * MIN, busy: true }), scored(null)])
    await all.until(() => task('aaa').step === null && task('ccc').step === null, HOUR)
    expect([winner(), json('aaa').score, json('aaa').group?.winner]).toEqual([null, 1, null])
    expect(why(engine(), task('aaa')).sentence).toContain('The race race is decided when bbb is over.')
    await over(...ids)
    expect(ids.map(id => json(id).score)).toEqual([1, 5, null])
    expect(ids.map(id => json(id).group?.winner)).toEqual([false, true, false])
    expect(json('ccc').pick).toEqual({ command: './score.sh', exitCode: 1 })
    expect(ids.map(id => task(id).status)).toEqual(['completed', 'completed', 'completed'])
    expect(ids.map(id => events(id).map(({ data }) => data.winner))).toEqual([['bbb'], ['bbb'], ['bbb']])
    expect(findTask(sql(), 'race').id).toBe('bbb')
    expect(why(engine(), task('bbb')).sentence).toContain('It won the race race.')
    expect(why(engine(), task('aaa')).sentence).toContain('bbb won the race race.')
  })

  it('picks nothing that the check refuses', async () => {
    const ids = await race([scored('9'), scored('1')], {}, { check: 'false' })
    await over(...ids)
    expect(ids.map(id => [task(id).verdict, json(id).pick])).toEqual([
      ['check_failed', null],
      ['check_failed', null],
    ])
    expect(winner()).toBeNull()
  })

  it('runs the pick after a check that has passed', async () => {
    const ids = await race([scored('2'), scored('3')], {}, { check: 'true' })
    await over(...ids)
    expect(ids.map(id => [task(id).verdict, json(id).score])).toEqual([
      ['verified', 2],
      ['verified', 3],
    ])
    expect(winner()).toBe('bbb')
  })

  it('that the first one wins ends the others, with their work kept', async () => {
    const ids = await race([SLOW, scored('0', { ms: 2 * MIN, busy: true }), SLOW], { first: true })
    await over(...ids)
    expect(winner()).toBe('bbb')
    expect(ids.map(id => task(id).status)).toEqual(['cancelled', 'completed', 'cancelled'])
    expect(task('aaa').facts.saved).toBe(true)
    expect(events('aaa').map(({ data }) => data)).toEqual([{ group: 'race', winner: 'bbb', score: 0 }])
  })

  it('lets each pick run no longer than a check, and one that hangs is out', async () => {
    all.end()
    all = await lives({ config: aConfig({ runner: { checkTimeout: MIN } }) })
    const ids = await race([scored('1', { pickHangs: true }), scored('0')])
    await over(...ids)
    expect([json('aaa').pick?.exitCode, json('aaa').score, winner()]).toEqual([null, null, 'bbb'])
  })
})

describe('a race without a winner', () => {
  it('is won by a later attempt that passes', async () => {
    const ids = await race([{ exitCode: 1 }, scored(null)])
    await over(...ids)
    expect([winner(), json('aaa').group?.winner]).toEqual([null, null])
    expect(() => findTask(sql(), 'race')).toThrow('nobody has won the race race')
    expect(why(engine(), task('aaa')).sentence).toContain('Nobody has won the race race')
    sql().run(
      `update tasks set spec = json_set(spec, '$.agent.command[1]', '{"commits":1,"score":"3"}') where id = 'bbb'`,
    )
    await engine().start('bbb', 2)
    await over('bbb')
    expect([winner(), json('bbb').score]).toEqual(['bbb', 3])
  })
})

describe('a race that is decided', () => {
  it('stays so, whatever becomes of its members since', async () => {
    const ids = await race([scored('1'), scored('5')])
    await over(...ids)
    sql().run(
      `update tasks set spec = json_set(spec, '$.agent.command[1]', '{"commits":1,"score":"9"}') where id = 'aaa'`,
    )
    await engine().start('aaa', 2)
    await over('aaa')
    expect([winner(), json('aaa').score, json('aaa').group?.winner]).toEqual(['bbb', 9, false])
    await engine().start('bbb', 2)
    await over('bbb')
    expect([winner(), events('bbb').length]).toEqual(['bbb', 1])
  })

  it('leaves a member whose row is damaged alone, and is decided among the others', async () => {
    const ids = await race([SLOW, scored('1')])
    await all.until(() => task('aaa').step === 'running', HOUR)
    sql().run(`update attempts set facts = '{' where task_id = 'aaa'`)
    await over('bbb')
    expect([ids.length, winner()]).toEqual([2, 'bbb'])
  })
})

describe('the branch of a race', () => {
  const push = { remote: 'https://example.org/x.git', pr: false }

  it('is that of the winner: no other is pushed', async () => {
    const ids = await race([scored('5'), scored('1', { ms: 5 * MIN, busy: true })], {}, { push })
    await all.until(() => task('aaa').step === null, HOUR)
    expect(readPush(sql(), 'aaa')).toBeUndefined()
    await over(...ids)
    expect([readPush(sql(), 'aaa')?.attempt, readPush(sql(), 'bbb')]).toEqual([1, undefined])
    await engine().start('aaa', 2)
    await over('aaa')
    expect(readPush(sql(), 'aaa')?.attempt).toBe(2)
    await engine().start('bbb', 2)
    await over('bbb')
    expect(readPush(sql(), 'bbb')).toBeUndefined()
  })
})

describe('members of a race', () => {
  it('are not removed while it goes on, and are pruned together', async () => {
    const ids = await race([scored('1'), SLOW])
    await all.until(() => task('aaa').step === null, HOUR)
    expect(() => refuseUnfinished(sql(), task('aaa'))).toThrow('its race race goes on')
    const pruned = (endedBefore: number) => listTasks(sql(), { endedBefore, limit: 10 }).tasks.map(({ id }) => id)
    expect(pruned(Number.MAX_SAFE_INTEGER)).toEqual([])
    await over(...ids)
    expect(pruned((task('aaa').completedAt ?? 0) + 1)).toEqual([])
    expect(pruned(Number.MAX_SAFE_INTEGER)).toEqual(['bbb', 'aaa'])
    expect(refuseUnfinished(sql(), task('aaa'))).toBeUndefined()
  })

  it('have one limit of cost together', async () => {
    const usage = { inputTokens: 1, outputTokens: 1, costUsd: 3 }
    const says = { outcome: 'success' as const, usage: { ...usage, cumulative: false } }
    const spends: Script = { commits: 1, score: '1', says }
    const ids = await race(
      [spends, { ...spends, ms: 20 * MIN, busy: true }],
      {},
      { maxCostUsd: 5, agentType: 'claude' },
    )
    await over(...ids)
    expect([task('aaa').verdict, task('bbb').verdict]).toEqual(['unverified', 'budget'])
    expect(task('bbb').error?.message).toContain('its race')
  })
})

describe('a daemon that is killed at any commit of a race', () => {
  /** With the power cut at commit `nth`; what was not acknowledged is sent again. */
  async function journey(when: 'before' | 'after', nth: number): Promise<{ wasCut: boolean; seen: object }> {
    all.end()
    all = await lives({ config: aConfig({ nodes: { maxWorkspaces: 9 } }) }, { cut: { when, nth, of: /^commit/ } })
    const submit = () => race([scored('1'), SLOW], { first: true })
    const ids = await submit().catch(async () => {
      await all.until(() => true)
      return submit()
    })
    await over(...ids)
    const won = ids.map(id => events(id).map(({ data }) => data.winner))
    return { wasCut: all.deaths() > 0, seen: { winner: winner(), won, states: ids.map(id => task(id).status) } }
  }

  it.each(['before', 'after'] as const)(
    'has one winner, however often it is killed %s one',
    async when => {
      let cuts = 0
      for (let nth = 1; ; nth++) {
        const { wasCut, seen } = await journey(when, nth)
        expect(seen, `${when} commit ${nth}`).toEqual({
          ...{ winner: 'aaa', won: [['aaa'], ['aaa']] },
          states: ['completed', 'cancelled'],
        })
        if (!wasCut) break
        cuts += 1
      }
      expect(cuts).toBeGreaterThan(10)
    },
    300_000,
  )
})
