/** What the agent of a task may hand over, over a whole daemon in simulated time: limits are the daemon's, whatever a node says. */
import { afterEach, describe, expect, it } from 'vitest'
import { createAgentCalls } from '../../../../daemon/api/tasks/calls.ts'
import { committedUsd } from '../../../../daemon/engine/effects/children.ts'
import type { GitResults } from '../../../../daemon/results/git-results.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import type { TaskSpec } from '../../../../src/core/task.ts'
import { childrenOf, readCall } from '../../../../src/store/groups/children.ts'
import { addSpending } from '../../../../src/store/spending/spending.ts'
import { deleteTask } from '../../../../src/store/tables/tasks.ts'
import type { Script } from '../../../fakes/agent.ts'
import { HOUR, type Lives, lives } from '../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

const sql = () => all.life.engine.store.sql
let count = 0

const usage = (costUsd: number) => ({ inputTokens: 1, outputTokens: 1, costUsd, cumulative: false })

type Change = Omit<Partial<TaskSpec>, 'maySpawn'> & { maySpawn?: TaskSpec['maySpawn'] | null }

const RUNS = { ms: 5 * HOUR, busy: true }

/** A task whose agent runs for hours, and may hand over what `maySpawn` says. */
async function lead(
  { maySpawn = { count: 3, depth: 1 }, ...change }: Change = {},
  script: Script = {},
): Promise<string> {
  const runs = { ...RUNS, ...script }
  const agent = { name: 'a', type: 'claude' as const, command: ['fake', JSON.stringify(runs)], env: ['KEY'] }
  count += 1
  const id = `lead-${count}`
  await all.submit({ agent, ...(maySpawn ? { maySpawn } : {}), ...change }, runs, id)
  expect(await all.until(() => all.life.task(id).step === 'running', HOUR)).toBe(true)
  return id
}

/** A call of its agent, as its node tells of it. */
function tell(id: string, tool: string, input: object | string, more: object = {}) {
  const { workspaceId, sessionId, attempt } = all.life.task(id)
  count += 1
  const requestId = `r${count}`
  const text = typeof input === 'string' ? input : JSON.stringify(input)
  const request = { seq: 1, attempt, sessionId: String(sessionId), requestId, tool, input: text, ...more }
  return all.life.engine.signal({ kind: 'request', workspaceId: String(workspaceId), request })
}

/** The call of a task that came last. */
const lastOf = (id: string) => readCall(sql(), String(all.life.task(id).workspaceId), `r${count}`)

/** Until that is so, or for a minute. */
async function sweepUntil(holds: () => boolean): Promise<void> {
  const results = { of: () => Promise.reject(new Error('no repository')) } as unknown as Pick<GitResults, 'of'>
  const calls = createAgentCalls(all.life.engine, results, all.out.dir)
  for (let left = 60; left > 0 && !holds(); left--) {
    await calls.sweep.run(all.life.engine, {} as SweepParts, new AbortController().signal)
    await all.life.world.clock.advance(1_000)
  }
  await calls.stop()
}

/** Told, until it is answered. */
async function ask(id: string, tool: string, input: object | string): Promise<{ isError: boolean; text: string }> {
  expect(await tell(id, tool, input)).toEqual({ accepted: true })
  await sweepUntil(() => lastOf(id)?.answer !== null)
  return { isError: lastOf(id)?.isError === true, text: lastOf(id)?.answer ?? '' }
}
const submitted = async (id: string, input: object) =>
  JSON.parse((await ask(id, 'submit_task', input)).text).id as string

describe('a call', () => {
  it('counts for the session that runs, of a task that may hand over, once, and within bounds', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const id = await lead()
    const plain = await lead({ maySpawn: null })
    const refused = (reason: string) => ({ accepted: false, reason })
    expect(await tell(plain, 'submit_task', { prompt: 'x' })).toEqual(refused('its task may hand nothing over'))
    expect(await tell(id, 'x', {}, { sessionId: 'other' })).toEqual(refused('another session runs by now'))
    const request = { seq: 1, attempt: 1, sessionId: 's', requestId: 'r', tool: 'x', input: '' }
    expect(await all.life.engine.signal({ kind: 'request', workspaceId: 'nonesuch', request })).toEqual(
      refused('the run is over'),
    )
    expect(await tell(id, 'list_tasks', {}, { requestId: 'same' })).toEqual({ accepted: true })
    expect(await tell(id, 'list_tasks', {}, { requestId: 'same' })).toEqual({ accepted: true })
    expect(sql().all('select * from agent_calls')).toHaveLength(1)
    sql().run("update agent_calls set input = printf('%.*c', 17000000, 'x')")
    expect(await tell(id, 'list_tasks', {})).toEqual(refused('its agent has asked for too much'))
    sql().run("update agent_calls set input = ''")
    expect(await tell(id, 'list_tasks', {})).toEqual({ accepted: true })
    const columns = 'attempt, session_id, tool, input, state, at, due_at'
    sql().run(
      `insert into agent_calls (workspace_id, request_id, task_id, ${columns})
       with recursive n(i) as (select 1 union all select i + 1 from n where i < 1998)
       select workspace_id, 'n' || i, task_id, ${columns} from agent_calls, n where request_id = 'same'`,
    )
    expect(await tell(id, 'list_tasks', {})).toEqual(refused('its agent has asked for too much'))
    await all.life.engine.signal({ kind: 'cancel', taskId: id })
    await all.rest(id)
    expect(await tell(id, 'list_tasks', {})).toEqual(refused('the run is over'))
  })

  it('about a workspace that its task has left is none of it', async () => {
    all = await lives()
    const id = await lead()
    sql().run(
      `insert into workspaces (id, task_id, attempt, placement, node_name, status, created_at, released_at)
       select 'former', task_id, attempt, 99, 'elsewhere', status, created_at, 1 from workspaces where task_id = ?`,
      id,
    )
    const request = { seq: 1, attempt: 1, sessionId: String(all.life.task(id).sessionId), requestId: 'r', input: '{}' }
    const signal = { kind: 'request', workspaceId: 'former', request: { ...request, tool: 'list_tasks' } } as const
    expect(await all.life.engine.signal(signal)).toEqual({ accepted: false, reason: 'another session runs by now' })
  })

  it('is not done any more once its task is over', async () => {
    all = await lives()
    const id = await lead()
    const { workspaceId } = all.life.task(id)
    await tell(id, 'submit_task', { prompt: 'too late' })
    await all.life.engine.signal({ kind: 'cancel', taskId: id })
    await all.rest(id)
    const found = () => readCall(sql(), String(workspaceId), `r${count}`)
    await sweepUntil(() => found()?.state === 'delivered')
    expect(found()).toMatchObject({ isError: true, answer: `task ${id} cannot ask for submit_task now` })
    expect(childrenOf(sql(), id)).toEqual([])
  })

  it('waits while the daemon has no room for a task, and its answer is let go where nobody takes it', async () => {
    all = await lives()
    const id = await lead()
    all.life.engine.admission.set('disk', 'the disk is full')
    await tell(id, 'submit_task', { prompt: 'a' })
    await sweepUntil(() => lastOf(id)?.answer !== null)
    expect([lastOf(id)?.state, childrenOf(sql(), id)]).toEqual(['open', []])
    expect(lastOf(id)?.tries).toBeGreaterThan(2)
    all.life.engine.admission.set('disk', null)
    await sweepUntil(() => lastOf(id)?.state === 'delivered')
    expect([lastOf(id)?.state, lastOf(id)?.isError, childrenOf(sql(), id).length]).toEqual(['delivered', false, 1])
  })

  it.each([
    ['get_diff', (task: string) => ({ task })],
    ['wait_tasks', (task: string) => ({ tasks: [task] })],
    ['cancel_task', (task: string) => ({ task })],
  ])('of %s about a task of others is as about none, and does nothing to it', async (tool, about) => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const [id, other] = [await lead(), await lead()]
    expect(await ask(id, tool, about(other))).toEqual({ isError: true, text: `you have handed over no task ${other}` })
    expect(await ask(id, tool, about('nonesuch'))).toEqual({
      isError: true,
      text: 'you have handed over no task nonesuch',
    })
    await all.life.world.clock.advance(HOUR)
    expect(all.life.task(other)).toMatchObject({ step: 'running', verdict: null })
  })

  it('that its agent has lost the answer of is answered again, and done once', async () => {
    all = await lives()
    const id = await lead()
    await ask(id, 'submit_task', { prompt: 'do it' })
    const requestId = `r${count}`
    const state = () => readCall(sql(), `${id}-1-1`, requestId)?.state
    sql().run("update agent_calls set state = 'delivered'")
    await tell(id, 'submit_task', { prompt: 'do it' }, { requestId })
    expect([state(), childrenOf(sql(), id).length]).toEqual(['answered', 1])
  })

  it.each([
    ['rm', '{}', /cannot ask for rm now/],
    ['toString', '{}', /cannot ask for toString now/],
    ['submit_task', '{"prompt":', /^arguments of submit_task: /],
    ['submit_task', '{"prompt":"x","permissions":"allow"}', /^arguments of submit_task: /],
    ['cancel_task', '{"task":"../../x"}', /^arguments of cancel_task: /],
  ])('of %s with %s is answered by what is wrong with it', async (tool, input, said) => {
    all = await lives()
    const id = await lead()
    const answer = await ask(id, tool, input)
    expect([answer.isError, answer.text]).toEqual([true, expect.stringMatching(said)])
  })
})

/** What its parent has only where it was asked for. */
const RIGHTS = {
  repositorySetup: false,
  autoResume: false,
  artifacts: ['out/**'],
  traceparent: `00-${'1'.repeat(32)}-01`,
}

describe('a task that an agent hands over', () => {
  it('is what its parent is, but for what it is asked, and has none of what its parent may do afterwards', async () => {
    all = await lives()
    const push = { remote: 'https://example.org/x.git', pr: true }
    const id = await lead({
      ...{ labels: { team: 'web', parent: 'forged' }, permissions: 'deny', priority: 7, interactive: true, push },
      ...{ check: 'npm test', node: 'n1', timeoutMs: HOUR, ...RIGHTS },
    })
    const child = await submitted(id, { prompt: 'write a test\nfor it' })
    const { spec } = all.life.task(child)
    const parent = all.life.task(id).spec
    expect(spec).toMatchObject({
      ...{ prompt: 'write a test\nfor it', title: 'write a test', parent: id, labels: { team: 'web', parent: id } },
      ...{ permissions: 'deny', priority: 7, check: 'npm test', node: 'n1', timeoutMs: HOUR, repo: parent.repo },
      ...{ agent: parent.agent, interactive: false, push: null, maxCostUsd: null, ...RIGHTS },
      outputBranch: expect.stringContaining(child),
    })
    expect(spec.maySpawn).toBeUndefined()
    expect(all.life.task(await submitted(id, { prompt: 'b', check: 'true' })).spec.check).toBe('true')
  })

  it('begins from what its parent began from, whatever became of the tasks before that since', async () => {
    all = await lives({ nodes: ['n1', 'n2', 'n3'] })
    await all.submit({}, { commits: 1 }, 'first')
    expect(await all.rest('first')).toBe(true)
    const after = { ids: ['first'], from: ['first'], if: 'ok' as const, onFailed: 'cancel' as const }
    const id = await lead({ after })
    const begun = (child: string) => all.until(() => all.life.task(child).step === 'running', HOUR)
    await all.life.engine.start('first', 2)
    const child = await submitted(id, { prompt: 'a' })
    expect([all.life.task(child).spec.after, await begun(child)]).toEqual([{ ...after, ids: [] }, true])
    expect(await all.rest('first')).toBe(true)
    deleteTask(sql(), 'first')
    expect(await begun(await submitted(id, { prompt: 'b' }))).toBe(true)
    const waited = await lead({ after: { ...after, ids: [], from: [] } })
    expect(all.life.task(await submitted(waited, { prompt: 'c' })).spec.after).toBeUndefined()
  })

  it('is one for the same words, another for another key, and no more than may be', async () => {
    all = await lives()
    const id = await lead()
    const first = await submitted(id, { prompt: 'a' })
    expect(await submitted(id, { prompt: 'a' })).toBe(first)
    const second = await submitted(id, { prompt: 'a', idempotency_key: 'again' })
    const conflict = await ask(id, 'submit_task', { prompt: 'b', idempotency_key: 'again' })
    expect([conflict.isError, conflict.text]).toEqual([true, expect.stringContaining('asks for something else')])
    const third = await submitted(id, { prompt: 'c' })
    expect(new Set([first, second, third]).size).toBe(3)
    expect((await ask(id, 'submit_task', { prompt: 'd' })).text).toMatch(
      /may hand over 3 tasks in all, and has handed over 3/,
    )
    // What is there is still the same task.
    expect(await submitted(id, { prompt: 'c' })).toBe(third)
    expect(JSON.parse((await ask(id, 'list_tasks', {})).text)).toMatchObject({ total: 3 })
  })

  it('is another than that of another task for the same words', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const [one, other] = [await lead(), await lead()]
    const [first, second] = [await submitted(one, { prompt: 'a' }), await submitted(other, { prompt: 'a' })]
    expect([first === second, all.life.task(first).spec.parent, all.life.task(second).spec.parent]).toEqual([
      ...[false, one, other],
    ])
  })

  it('is in a list that can be read, however many there are and whatever they say', async () => {
    all = await lives()
    const id = await lead({ maySpawn: { count: 40, depth: 1 } })
    const [ids, long] = [[] as string[], '"\\'.repeat(300)]
    for (let n = 0; n < 32; n++) ids.push(await submitted(id, { prompt: `${n}`, title: long.slice(0, 500) }))
    const error = JSON.stringify({ code: 'BUG', message: long, hint: '', step: null, class: 'permanent' })
    sql().run('update attempts set error = ?, waiting_for = ? where task_id <> ?', error, long, id)
    const list = JSON.parse((await ask(id, 'list_tasks', {})).text)
    expect([list.total, list.tasks.map((one: { id: string }) => one.id)]).toEqual([32, ids.slice(2)])
    const waits = JSON.parse((await ask(id, 'wait_tasks', { tasks: ids.slice(0, 20) })).text)
    expect(waits.waiting.map((one: { id: string }) => one.id)).toEqual(ids.slice(0, 20))
  })

  it('hands over itself where it may, and all of it counts for the task at the top', async () => {
    all = await lives({ nodes: ['n1', 'n2', 'n3'] })
    const id = await lead({ maySpawn: { count: 2, depth: 2 } })
    const child = await submitted(id, { prompt: 'a' })
    expect(all.life.task(child).spec.maySpawn).toEqual({ count: 2, depth: 1 })
    expect(await all.until(() => all.life.task(child).step === 'running', HOUR)).toBe(true)
    const grandchild = await submitted(child, { prompt: 'b' })
    expect((await ask(child, 'submit_task', { prompt: 'c' })).text).toBe(
      `task ${id} may hand over 2 tasks in all, and has handed over 2`,
    )
    expect(all.life.task(grandchild).spec.maySpawn).toBeUndefined()
    expect((await ask(id, 'submit_task', { prompt: 'c' })).isError).toBe(true)
    // It is nobody's but its parent's.
    const foreign = await ask(id, 'cancel_task', { task: grandchild })
    expect([foreign.isError, foreign.text]).toEqual([true, `you have handed over no task ${grandchild}`])
    await ask(child, 'cancel_task', { task: grandchild })
    await all.rest(grandchild)
    expect(all.life.task(grandchild).status).toBe('cancelled')
    expect((await ask(id, 'get_diff', { task: child })).isError).toBe(true)
  })

  it('has a share of what the task at the top may cost, and that has no more then', async () => {
    all = await lives({ nodes: ['n1', 'n2', 'n3'] })
    const id = await lead({ maxCostUsd: 4 }, { says: { usage: usage(1) } })
    expect(await all.until(() => all.life.task(id).usage?.costUsd === 1, HOUR)).toBe(true)
    const child = await submitted(id, { prompt: 'a' })
    expect(all.life.task(child).spec.maxCostUsd).toBe(1.5)
    expect((await ask(id, 'submit_task', { prompt: 'b', max_cost: 2 })).text).toBe(
      '$2.00 is more than the $1.50 that are left',
    )
    expect(committedUsd(sql(), id)).toBe(1.5)
    // One that has cost more than its share has cost that.
    sql().run('update attempts set usage = ? where task_id = ?', JSON.stringify(usage(1.75)), child)
    expect(committedUsd(sql(), id)).toBe(1.75)
    sql().run('update attempts set usage = null where task_id = ?', child)
    const rest = await submitted(id, { prompt: 'b', max_cost: 1.5 })
    expect((await ask(id, 'submit_task', { prompt: 'c' })).text).toBe('$0.00 is more than the $0.00 that are left')
    // Three of four are given away, and it has cost the fourth.
    expect(await all.until(() => all.life.task(id).verdict === 'budget', HOUR)).toBe(true)
    await all.life.engine.signal({ kind: 'cancel', taskId: rest })
    await all.rest(rest)
    await all.rest(child)
    // What they have cost counts, and what was not used is free again.
    const costOf = (task: string, costUsd: number) =>
      sql().run('update attempts set usage = ? where task_id = ?', JSON.stringify({ ...usage(costUsd) }), task)
    for (const task of [child, rest]) costOf(task, 0.25)
    expect(committedUsd(sql(), id)).toBe(0.5)
    await all.rest(id)
    // What they have counts for its next attempt.
    const change = { prompt: 'go on', maxCostUsd: 2.25 }
    const used = `has used $${(1 + committedUsd(sql(), id)).toFixed(2)} of $2.25`
    await expect(all.life.engine.goOn(id, { key: 'k', hash: 'h', change })).rejects.toThrow(used)
  })

  it('counts and has cost what it did once it was removed, as long as the task at the top is there', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const id = await lead({ maxCostUsd: 4, maySpawn: { count: 1, depth: 1 } })
    const child = await submitted(id, { prompt: 'a', max_cost: 2 })
    expect(await all.until(() => all.life.task(child).step === 'running', HOUR)).toBe(true)
    await all.life.engine.signal({ kind: 'cancel', taskId: child })
    await all.rest(child)
    const spender = { taskId: child, attempt: 1, agent: 'a', model: '', node: '', labels: {} }
    await all.life.engine.store.commit(() => addSpending(sql(), spender, { ...usage(1.5), machineCost: 0 }, 0))
    deleteTask(sql(), child)
    expect([committedUsd(sql(), id), childrenOf(sql(), id)]).toEqual([1.5, []])
    expect((await ask(id, 'submit_task', { prompt: 'b' })).text).toMatch(
      /hand over 1 tasks in all, and has handed over 1/,
    )
    deleteTask(sql(), id)
    expect(sql().all('select * from children')).toEqual([])
  })

  it('costs nothing more once the task at the top, whose limit it has a share of, was removed', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const id = await lead({ maxCostUsd: 4, maySpawn: { count: 3, depth: 2 } })
    const child = await submitted(id, { prompt: 'a' })
    expect(await all.until(() => all.life.task(child).step === 'running', HOUR)).toBe(true)
    await all.life.engine.signal({ kind: 'cancel', taskId: id })
    await all.rest(id)
    expect(all.life.task(await submitted(child, { prompt: 'b', max_cost: 1 })).spec.maxCostUsd).toBe(1)
    deleteTask(sql(), id)
    expect((await ask(child, 'submit_task', { prompt: 'c' })).text).toMatch(/is more than the \$0\.00 that are left/)
  })

  it('has no limit of cost where what its agent costs is not known', async () => {
    all = await lives()
    const agent = { name: 'b', type: 'codex' as const, command: ['fake', JSON.stringify(RUNS)], env: [] }
    const id = await lead({ agent })
    const limited = await ask(id, 'submit_task', { prompt: 'a', max_cost: 1 })
    expect([limited.isError, limited.text]).toEqual([true, expect.stringContaining('b does not report what it costs')])
    expect(all.life.task(await submitted(id, { prompt: 'a' })).spec.maxCostUsd).toBeNull()
  })

  it('is waited for until one is over, or for a while', async () => {
    all = await lives({ nodes: ['n1', 'n2'] })
    const id = await lead()
    const child = await submitted(id, { prompt: 'a' })
    const waits = JSON.parse((await ask(id, 'wait_tasks', { tasks: [child] })).text)
    expect(waits).toMatchObject({ ended: [], waiting: [{ id: child, isOver: false }], allEnded: false })
    await all.life.engine.signal({ kind: 'cancel', taskId: child })
    await all.rest(child)
    const over = JSON.parse((await ask(id, 'wait_tasks', { tasks: [child, child] })).text)
    expect(over).toMatchObject({ ended: [{ id: child, status: 'cancelled' }], waiting: [], allEnded: true })
  })
})
