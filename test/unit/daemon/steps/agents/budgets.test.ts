/** Budgets over the whole engine: who rests, with what, until when, and who is never begun. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { controlSocketApp } from '../../../../../daemon/api/guard.ts'
import { continueRoutes } from '../../../../../daemon/api/routes/continue.ts'
import { taskRoutes } from '../../../../../daemon/api/routes/tasks.ts'
import { taskJson } from '../../../../../daemon/api/tasks/json.ts'
import { why } from '../../../../../daemon/api/tasks/why.ts'
import { checkBudgets, unpricedIn } from '../../../../../daemon/reporting/budgets.ts'
import { bodyText, headline, type NoticeJson } from '../../../../../daemon/reporting/notices/message.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import { resultRefOf, type TaskSpec } from '../../../../../src/core/task.ts'
import { readCosts } from '../../../../../src/store/spending/costs.ts'
import { readEvents } from '../../../../../src/store/tables/journal.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN

let out: Outside
let life: Life
/** Few looks at what does not change: what a simulated hour costs is its wake-ups. */
const begin = async (budgets: Partial<Config['budgets']>, runner: Partial<Config['runner']> = {}) => {
  const nodes = { maxWorkspaces: 8, heartbeatInterval: 10 * MIN, heartbeatStale: 40 * MIN, lostAfter: HOUR }
  const config = aConfig({ runner: { reconcileInterval: 2 * MIN, ...runner }, nodes, budgets })
  out = outside({ config })
  life = await live(out)
}
beforeEach(() => begin({ day: 3 }))
afterEach(() => {
  life.kill()
  out.remove()
})

const DAY = 24 * HOUR
const usage = (costUsd: number | null) => ({ inputTokens: 1_000, outputTokens: 100, costUsd })
/** Costs a dollar in its first session, goes on for ever, and is done soon in the next. */
const DOLLAR: Script = {
  ...{ hangs: true, busy: true, commits: 1, says: { outcome: null, usage: usage(1), resumeRef: 'r' } },
  resumed: { commits: 1, says: { outcome: 'success', usage: usage(0.25), resumeRef: 'r' } },
}
const submit = (script: Script = DOLLAR, change: Partial<TaskSpec> = {}) =>
  life.submit({ agent: { ...aSpec({}, script).agent, name: 'claude', type: 'claude' }, ...change }, script)
const states = (ids: string[]) => ids.map(id => `${life.task(id).status} ${life.task(id).step}`)
const until = async (holds: () => boolean) => expect(await life.world.run(holds)).toBe(true)
const isResting = (id: string) => life.task(id).status === 'parked' && life.task(id).step === 'node_selection'
const isOver = (id: string) => life.task(id).step === null
const spent = () => readCosts(life.engine.store.sql, 0)[0]?.costUsd
const sessions = (id: string) => [...(out.agents.get('n1')?.starts.keys() ?? [])].filter(name => name.startsWith(id))
let sent = 0
const send = (id: string, text: string) =>
  controlSocketApp(life.engine.log)
    .route('/', taskRoutes(life.engine))
    .request(`/tasks/${id}/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', host: 'localhost' },
      body: JSON.stringify({ text, deliveryId: `d${++sent}` }),
    })
const goOn = async (id: string, wish: object, key = `k${++sent}`) => {
  const json = {
    text: null,
    agent: null,
    check: null,
    timeoutMs: null,
    maxCostUsd: null,
    push: null,
    fallback: null,
    ...wish,
  }
  const answer = await controlSocketApp(life.engine.log)
    .route('/', continueRoutes(life.engine))
    .request(`/tasks/${id}/continue`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', host: 'localhost', 'idempotency-key': key },
      body: JSON.stringify(json),
    })
  return { status: answer.status, json: await answer.json() }
}
const midnight = () => new Date(life.world.clock.now()).setHours(24, 0, 0, 0)

describe('a budget that is used', () => {
  it('lets tasks rest with their work at home, none over by more than a turn, and go on by themselves the next day, once', async () => {
    const ids = [await submit(), await submit(), await submit(), await submit()]
    await until(() => ids.every(isResting))
    expect(spent()).toBe(4)
    for (const id of ids) {
      expect(life.task(id)).toMatchObject({
        nodeName: null,
        workspaceId: null,
        parkedUntil: midnight(),
        result: { ahead: 1 },
      })
      expect(out.results.refs.has(resultRefOf(id, 1))).toBe(true)
      expect(life.task(id).waitingFor).toBe(`day budget of $3 is used; more at 00:00, or \`tdf send ${id} allow\``)
    }
    // What comes meanwhile is not begun, and `why` says so.
    const late = await submit()
    await life.world.clock.advance(60_000)
    expect(states([late])).toEqual(['queued node_selection'])
    expect(why(life.engine, life.task(late)).sentence).toMatch(/^It waits: day budget of \$3 is used; more at 00:00/)
    expect(why(life.engine, life.task(ids[0] ?? '')).sentence).toMatch(
      /^It is parked: day budget .* the same conversation goes on/,
    )
    const turn = midnight()
    await until(() => ids.every(isOver))
    expect(life.world.clock.now()).toBeGreaterThan(turn)
    expect(states(ids)).toEqual(ids.map(() => 'completed null'))
    for (const id of ids) expect(sessions(id)).toHaveLength(2)
    // No limit of a credential was made of it.
    expect(life.engine.store.sql.one('select count(*) as count from limits')).toEqual({ count: 0 })
  })

  it('loses and doubles nothing when the daemon is killed around it', async () => {
    const ids = [await submit(), await submit(), await submit(), await submit()]
    for (const holds of [
      () => (spent() ?? 0) >= 2,
      () => ids.some(isResting),
      () => ids.every(isResting),
      () => ids.some(isOver),
    ]) {
      await until(holds)
      life.kill()
      life = await live(out)
    }
    await until(() => ids.every(isOver))
    expect(states(ids)).toEqual(ids.map(() => 'completed null'))
    expect(spent()).toBe(5)
    for (const id of ids) expect(life.task(id).usage?.costUsd).toBe(1.25)
  })

  it('begins no task and lets those end that run, where it is so configured', async () => {
    life.kill()
    out.remove()
    await begin({ day: 1, atLimit: 'no-new' })
    const first = await submit({ ms: 5 * HOUR, busy: true, commits: 1, says: { outcome: 'success', usage: usage(2) } })
    await until(() => spent() === 2)
    const second = await submit({ commits: 1, says: { outcome: 'success' } })
    await until(() => isOver(first))
    expect(states([first, second])).toEqual(['completed null', 'queued node_selection'])
    await until(() => isOver(second))
    expect(life.task(second).status).toBe('completed')
  })

  it('of a label holds its tasks alone', async () => {
    life.kill()
    out.remove()
    await begin({ for: [{ label: 'team=web', day: 1, week: 0, month: 0 }] })
    const web = await submit(DOLLAR, { labels: { team: 'web' } })
    const app = await submit(
      { ...DOLLAR, hangs: false, ms: HOUR, says: { outcome: 'success', usage: usage(5) } },
      { labels: { team: 'app' } },
    )
    await until(() => isResting(web) && isOver(app))
    expect(life.task(web).waitingFor).toContain('day budget of $1 for team=web is used')
    expect(life.task(app).status).toBe('completed')
  })

  it('fails no task that waits for longer than a queue', async () => {
    life.kill()
    out.remove()
    await begin({ day: 1 }, { queueTimeout: HOUR })
    const first = await submit({ commits: 1, says: { outcome: 'success', usage: usage(1) } })
    await until(() => isOver(first))
    const second = await submit({ commits: 1, says: { outcome: 'success' } })
    await until(() => isOver(second))
    expect(life.task(second).status).toBe('completed')
  })

  it('holds a task that rests for a usage limit when that is lifted, without its machine, until its user allows it more', async () => {
    const done = { commits: 1, says: { outcome: 'success' as const, usage: usage(0.5) } }
    const id = await submit({ limitMs: HOUR, says: { usage: usage(3), resumeRef: 'r' }, resumed: done })
    await until(() => life.task(id).waitingFor?.includes('day budget') === true)
    expect(life.task(id)).toMatchObject({ status: 'parked', step: 'node_selection', nodeName: null, workspaceId: null })
    expect(why(life.engine, life.task(id)).sentence).toMatch(/^It is parked: day budget of \$3 is used; more at 00:00/)
    const turn = midnight()
    expect((await send(id, 'allow')).status).toBe(200)
    await until(() => isOver(id))
    expect(life.task(id)).toMatchObject({ status: 'completed', usage: { costUsd: 3.5 } })
    expect(life.world.clock.now()).toBeLessThan(turn)
  })

  it('is looked at again when the configuration gives more', async () => {
    const ids = [await submit(), await submit(), await submit()]
    await until(() => ids.every(isResting))
    for (const day of [30, 0]) {
      out.config.budgets.day = day
      const { sentence } = why(life.engine, life.task(ids[0] ?? ''))
      expect(sentence).toBe(
        'It is parked: the budget that it rests for has room again, and it goes on at the next look.',
      )
    }
    const now = life.world.clock.now()
    await until(() => ids.every(isOver))
    expect(life.world.clock.now() - now).toBeLessThan(HOUR)
  })
})

describe('tdf send ID allow', () => {
  it('raises the budget by a quarter, once in its window, and all that rest go on', async () => {
    const ids = [await submit(), await submit(), await submit()]
    await until(() => ids.every(isResting))
    const [first = ''] = ids
    expect((await send(first, 'allow')).status).toBe(200)
    const now = life.world.clock.now()
    await until(() => ids.every(isOver))
    expect(life.world.clock.now() - now).toBeLessThan(HOUR)
    // It was 3, and is 3.75; the agents were not told a word of it.
    expect(spent()).toBe(3.75)
    const next = await submit()
    await life.world.clock.advance(60_000)
    expect(why(life.engine, life.task(next)).sentence).toMatch(/^It waits: day budget of \$3 is used; more at 00:00\.$/)
  })

  it('is refused where the budget was raised before', async () => {
    const ids = [await submit(), await submit(), await submit()]
    await until(() => ids.every(isResting))
    await send(ids[0] ?? '', 'allow')
    await life.world.clock.advance(1_000)
    const more = await submit(DOLLAR)
    await until(() => isResting(more))
    expect(why(life.engine, life.task(more)).command).toBe('tdf config show --origin')
    const { agentsUsed } = taskJson(life.engine.store.sql, life.task(more))
    expect(agentsUsed).toEqual([{ agent: 'claude', why: null, until: null }])
    const refused = await send(more, 'allow')
    expect([refused.status, await refused.text()]).toEqual([
      409,
      expect.stringContaining('the day budget of $3 was raised by a quarter already'),
    ])
    // Any other word is for the agent.
    expect((await send(more, 'and add a test')).status).toBe(200)
    await until(() => isOver(more))
    expect(life.task(more).status).toBe('completed')
  })
})

describe('--max-cost with --at-limit ask', () => {
  const ask = { maxCostUsd: 1, atLimit: 'ask' as const }

  it('saves the work and asks, and goes on once with a quarter more', async () => {
    const id = await submit(DOLLAR, ask)
    await until(() => isResting(id))
    expect(life.task(id).waitingFor).toBe(
      `you: the $1.00 that it may cost are used, and \`tdf send ${id} allow\` adds a quarter, or \`tdf continue ${id} --max-cost USD\` says how much`,
    )
    expect(why(life.engine, life.task(id))).toMatchObject({ command: `tdf send ${id} allow` })
    await life.world.clock.advance(2 * HOUR)
    expect(isResting(id)).toBe(true)
    await send(id, 'allow')
    await until(() => isOver(id))
    expect(life.task(id)).toMatchObject({
      status: 'failed',
      verdict: 'budget',
      usage: { costUsd: 1.25 },
      result: { ahead: 2 },
    })
  })

  it('asks also where nothing is left before its agent is started', async () => {
    const id = await submit(DOLLAR, ask)
    await until(() => isResting(id))
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await until(() => isOver(id))
    await life.engine.start(id, 2)
    await until(() => isResting(id) || isOver(id))
    expect(life.task(id)).toMatchObject({ status: 'parked', nodeName: null, error: null })
    expect(why(life.engine, life.task(id))).toMatchObject({ command: `tdf send ${id} allow` })
    await send(id, 'allow')
    await until(() => life.task(id).status === 'in_progress')
  })

  it.each([
    ['at the end of the tool that its agent uses', 140, 141],
    ['after a minute where that tool does not end', 3_600, 180],
    ['at once where none is used', 100, 120],
  ])('comes %s', async (_, toolS, expectedS) => {
    const id = await submit({ ...DOLLAR, toolMs: toolS * 1_000 }, ask)
    await until(() => isResting(id))
    const { facts } = life.task(id)
    const [startedAt = 0] = facts.starts ?? []
    expect(Math.round((Number(facts.parkedAt) - startedAt) / 1_000)).toBeLessThanOrEqual(expectedS)
    expect(Math.round((Number(facts.parkedAt) - startedAt) / 1_000)).toBeGreaterThan(expectedS - 2)
    expect(facts.overSince ?? null).toBeNull()
  })

  it('goes on to its end where a quarter is enough', async () => {
    const done = { commits: 1, says: { outcome: 'success' as const, usage: usage(0.1), resumeRef: 'r' } }
    const id = await submit({ ...DOLLAR, resumed: done }, ask)
    await until(() => isResting(id))
    await send(id, 'allow')
    await until(() => isOver(id))
    expect(life.task(id)).toMatchObject({ status: 'completed', usage: { costUsd: 1.1 } })
  })

  it('goes on by tdf continue with a higher limit, in the same attempt and once, and asks again there', async () => {
    const id = await submit({ ...DOLLAR, resumed: { ...DOLLAR, says: { ...DOLLAR.says, usage: usage(0.25) } } }, ask)
    await until(() => isResting(id))
    for (const [wish, why] of [
      [{}, 'it goes on by a higher limit of cost'],
      [{ maxCostUsd: 1 }, 'it has used $1.00 of $1.00, and $1.00 is not more'],
      [{ maxCostUsd: 3, text: 'more' }, 'without more (words)'],
      [{ maxCostUsd: 3, check: 'true' }, 'without more (check)'],
    ] as const) {
      const error = {
        code: 'WRONG_STATE',
        hint: `tdf continue ${id} --max-cost 2`,
        message: expect.stringContaining(why),
      }
      expect(await goOn(id, wish)).toMatchObject({ status: 409, json: { error } })
    }
    expect(isResting(id)).toBe(true)
    for (const _ of [1, 2]) {
      const { status, json } = await goOn(id, { maxCostUsd: 1.2 }, 'same')
      expect([status, json]).toMatchObject([200, { attempt: 1 }])
      await until(() => life.task(id).status === 'in_progress' || isResting(id) || isOver(id))
    }
    await until(() => (life.task(id).usage?.costUsd ?? 0) > 1 && isResting(id))
    expect(life.task(id)).toMatchObject({ attempt: 1, spec: { maxCostUsd: 1.2 }, facts: { paused: 'task' } })
    expect(sessions(id)).toHaveLength(2)
    expect((await goOn(id, { maxCostUsd: 5 })).status).toBe(200)
    await until(() => sessions(id).length === 3)
    expect(taskJson(life.engine.store.sql, life.task(id))).toMatchObject({ maxCostUsd: 5, attempt: 1 })
    // Nobody is asked again for what was given, where a machine is lost.
    Object.assign(life.engine.config.runner, { maxAttempts: 2 })
    await until(() => life.task(id).step === 'running')
    out.agents.get('n1')?.wipe()
    await until(() => life.task(id).attempt === 2 && (life.task(id).step === 'running' || isResting(id)))
    expect(life.task(id)).toMatchObject({ step: 'running', spec: { maxCostUsd: 5 } })
  })

  it('is not the limit that a budget of many tasks is', async () => {
    const ids = [await submit(), await submit(), await submit()]
    await until(() => ids.every(isResting))
    const [id = ''] = ids
    const error = { code: 'WRONG_STATE', hint: `tdf send ${id} allow` }
    expect(await goOn(id, { maxCostUsd: 50 })).toMatchObject({ status: 409, json: { error } })
  })

  it('asks where the node has ended the agent at its limit, too', async () => {
    const ended = { outcome: 'budget' as const, failure: 'budget' as const, usage: usage(1), resumeRef: 'r' }
    const id = await submit({ commits: 1, exitCode: 1, says: ended, resumed: DOLLAR.resumed ?? {} }, ask)
    await until(() => isResting(id))
    expect(life.task(id).result).toMatchObject({ ahead: 1 })
  })

  it('asks only so often where what the agent says of its cost does not come to the limit that it says it has reached', async () => {
    const ended = { outcome: 'budget' as const, failure: 'budget' as const, usage: usage(null), resumeRef: 'r' }
    const says = { commits: 1, exitCode: 1, says: ended }
    const id = await submit({ ...says, resumed: says }, ask)
    await until(() => isOver(id) || sessions(id).length > 30)
    expect(life.task(id)).toMatchObject({ status: 'failed', verdict: 'budget' })
  })

  it('ends with its work when nobody answers', async () => {
    const id = await submit(DOLLAR, ask)
    await until(() => isOver(id))
    expect(life.task(id)).toMatchObject({ status: 'failed', verdict: 'budget', result: { ahead: 1 } })
    expect(life.world.clock.now()).toBeGreaterThan(7 * DAY)
  })
})

describe('what a user is told', () => {
  /** Of messages, which stay in the outbox: their events, and what is read of each. */
  const told = () =>
    due(life.engine.store.sql, 'notify-ntfy', Number.MAX_SAFE_INTEGER, 100)
      // What the engine put there was a notice.
      .map(({ payload }) => payload as unknown as NoticeJson)
      .filter(({ budget }) => budget !== null)
  const look = async () => {
    const { SWEEPS } = await import('../../../../../daemon/sweeps/index.ts')
    const charges = SWEEPS.find(({ name }) => name === 'charges')
    for (const _ of [1, 2]) await charges?.run(life.engine, {} as never, new AbortController().signal)
  }
  const journal = () =>
    readEvents(life.engine.store.sql, { after: 0, limit: 1_000 })
      .filter(({ type }) => type.startsWith('budget.'))
      .map(({ type, data }) => ({ type, ...data }))
  beforeEach(() => {
    Object.assign(life.engine.config.notify, { ntfy: 'http://127.0.0.1:1/alerts' })
  })

  it('is a warning once, when a budget is nearly used', async () => {
    await submit({ ms: 3 * HOUR, busy: true, says: { outcome: 'success', usage: usage(2.5) } })
    await until(() => spent() === 2.5)
    await look()
    expect(journal()).toEqual([{ type: 'budget.warned', budget: 'day budget of $3', spentUsd: 2.5, limitUsd: 3 }])
    expect(told()).toMatchObject([
      {
        event: 'budget-warning',
        taskId: '',
        budget: { window: 'day', label: null, limitUsd: 3, spentUsd: 2.5, resting: 0 },
      },
    ])
    const [warning] = told()
    expect(warning && [headline(warning), bodyText(warning)]).toEqual([
      'the day budget of $3 is nearly used',
      expect.stringMatching(
        /^of the day budget of \$3 \$2\.50 are spent; its window is over at 20.*Z\ntdf cost --by day$/,
      ),
    ])
    expect(checkBudgets(life.engine)).toEqual([
      { check: 'budget', state: 'warn', message: 'of the day budget of $3 $2.50 are spent', hint: 'tdf cost --by day' },
      expect.objectContaining({ state: 'warn', message: expect.stringContaining('what codex cost is not known') }),
    ])
  })

  it('is once that it is used, what rests and what allows more; and once more at the raised limit and in the next window', async () => {
    const forever = { ...DOLLAR, resumed: { ...DOLLAR, says: { ...DOLLAR.says, usage: usage(0.9) } } }
    const ids = [await submit(forever), await submit(forever), await submit(forever)]
    await until(() => ids.every(isResting))
    await look()
    // The warning that would have come before is not sent any more.
    expect(told()).toMatchObject([
      { event: 'budget-used', taskId: ids[0], budget: { spentUsd: 3, limitUsd: 3, resting: 3, mayAllow: true } },
    ])
    const [used] = told()
    expect(used && [headline(used), bodyText(used)]).toEqual([
      'the day budget of $3 is used',
      expect.stringMatching(new RegExp(`3 tasks rest, with their work at home\ntdf send ${ids[0]} allow$`)),
    ])
    await send(ids[0] ?? '', 'allow')
    await until(() => (spent() ?? 0) > 3.75 && ids.every(isResting))
    await look()
    expect(told().map(({ event, budget }) => [event, budget?.mayAllow])).toEqual([
      ['budget-used', true],
      ['budget-used', false],
    ])
    expect(journal().map(({ type }) => type)).toEqual(['budget.used', 'budget.used'])
  })

  it('is nothing where no budget is set', async () => {
    life.kill()
    out.remove()
    await begin({})
    expect([checkBudgets(life.engine), unpricedIn(out.config)]).toEqual([[], []])
    const id = await submit({ commits: 1, says: { outcome: 'success', usage: usage(100) } })
    await until(() => isOver(id))
    expect(life.task(id).status).toBe('completed')
  })
})
