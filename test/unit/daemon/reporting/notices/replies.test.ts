/** Codes that come back from a phone, against a whole daemon in simulated time. */
import { afterEach, describe, expect, it } from 'vitest'
import { grant } from '../../../../../daemon/placement/budgets.ts'
import type { StoredNotice } from '../../../../../daemon/reporting/notices/deliver.ts'
import { bodyText } from '../../../../../daemon/reporting/notices/message.ts'
import type { Config } from '../../../../../src/config/schema/config.ts'
import type { TaskSpec } from '../../../../../src/core/task.ts'
import { hashToken, replyCode } from '../../../../../src/platform/tokens.ts'
import { openSignals } from '../../../../../src/store/tables/inbox.ts'
import { due, oldestOpenCode } from '../../../../../src/store/tables/outbox.ts'
import { deleteTask } from '../../../../../src/store/tables/tasks.ts'
import type { Script } from '../../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { DAY, HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
afterEach(() => all.end())

async function begin(includeText = true, budgets: Partial<Config['budgets']> = {}): Promise<void> {
  const config = aConfig({ budgets })
  config.notify = { ...config.notify, ntfy: 'http://127.0.0.1:1/alerts', ntfyReplies: 'REPLIES', includeText }
  // Notices stay in the outbox.
  config.notify.events = ['needs-you', 'failed', 'parked']
  all = await lives({ config })
}

const sql = () => all.life.engine.store.sql
const now = () => all.life.world.clock.now()
const items = () => due(sql(), 'notify-ntfy', Number.MAX_SAFE_INTEGER, 100)
/** What the newest notice of a task may be answered by. */
function codesOf(id: string): Record<string, string> {
  const item = items().findLast(({ payload }) => payload.taskId === id)
  const { answers = [] } = (item?.payload ?? {}) as Partial<StoredNotice>
  const { key } = all.life.engine.install
  return Object.fromEntries(answers.map(verb => [verb, replyCode(key, item?.id ?? '', verb)]))
}
const reply = (code = '') => all.life.engine.reply(hashToken(code))
const endOf = async (code: string | undefined) => (await reply(code)).end

const asks = (detail = 'rm -rf build') => ({ requestId: 'q1', tool: 'Bash', detail })
/** A task of an agent that does so; answered with its id once its notice can be answered. */
async function asking(script: Script, change: Partial<TaskSpec> = {}, id = 'one'): Promise<string> {
  const agent = { name: 'a', type: 'claude' as const, command: ['fake', JSON.stringify(script)], env: [] }
  await all.submit({ permissions: 'ask', agent, ...change }, script, id)
  expect(await all.until(() => Object.keys(codesOf(id)).length > 0, DAY)).toBe(true)
  return id
}
const permission: Script = { ms: MIN, asks: asks(), says: { outcome: 'success' } }

describe('a code', () => {
  it('is in no row as it is, and works once, also when the power fails after it', async () => {
    await begin()
    const id = await asking(permission)
    const codes = codesOf(id)
    expect(Object.keys(codes)).toEqual(['allow', 'deny', 'cancel'])
    const rows = JSON.stringify([items(), sql().all('select * from reply_codes')])
    for (const code of Object.values(codes)) expect(rows).not.toContain(code)
    const three = await Promise.all([endOf(codes.allow), endOf(codes.deny), endOf(codes.allow)])
    expect(three).toEqual(['taken', 'used', 'used'])
    await all.die()
    await all.begin()
    expect(await endOf(codes.allow)).toBe('used')
    await all.rest(id)
    expect(all.life.task(id)).toMatchObject({ attempt: 1, status: 'completed' })
  })

  it('that is guessed, or of a task that is gone, is unknown and changes nothing', async () => {
    await begin()
    expect(await reply('guessed')).toMatchObject({ end: 'unknown', taskId: null })
    const id = await asking(permission)
    const { cancel } = codesOf(id)
    deleteTask(sql(), id)
    expect(await endOf(cancel)).toBe('unknown')
  })

  it('is late once the question was answered in another way, was asked anew, or a day is over', async () => {
    await begin()
    const id = await asking(permission)
    const { allow } = codesOf(id)
    all.agent().faults.down = true
    await all.life.engine.signal({ kind: 'followup', taskId: id, deliveryId: 'd1', text: 'no' })
    // Its agent has not been told that yet.
    expect([await endOf(allow), all.life.task(id).step]).toEqual(['late', 'awaiting_followup'])
    all.agent().faults.down = false
    await all.rest(id)
    expect(await endOf(allow)).toBe('late')

    const script: Script = { ms: MIN, says: { outcome: 'success' } }
    const other = await asking(script, { interactive: true, permissions: 'allow' }, 'two')
    const first = codesOf(other)
    expect(await endOf(first.continue)).toBe('taken')
    expect(await all.until(() => codesOf(other).continue !== first.continue, HOUR)).toBe(true)
    const second = codesOf(other)
    expect(sql().one('select max(expires_at - created_at) as kept from reply_codes')?.kept).toBe(DAY)
    sql().run('update reply_codes set expires_at = ?', now())
    expect([await endOf(first.cancel), await endOf(second.cancel)]).toEqual(['used', 'late'])
    expect(oldestOpenCode(sql(), now())).toBeNull()
  })

  it('is late for another question of the same number, also where no notice told of that', async () => {
    await begin()
    const id = await asking(permission)
    const { allow } = codesOf(id)
    sql().run("update attempts set facts = json_set(facts, '$.question.detail', 'rm -rf ~') where task_id = ?", id)
    expect([await endOf(allow), all.life.task(id).step]).toEqual(['late', 'awaiting_followup'])
  })

  it('that allows is not made for what a notice does not show as a whole, as it is', async () => {
    await begin()
    const long = await asking({ ...permission, asks: asks(`ls ${'x'.repeat(900)}`) })
    const hidden = await asking({ ...permission, asks: asks('ls \u001b[8m; rm -rf ~') }, {}, 'two')
    const lines = await asking({ ...permission, asks: asks('ls\n  pwd') }, {}, 'three')
    expect([long, hidden, lines].map(id => Object.keys(codesOf(id)))).toEqual([
      ['deny', 'cancel'],
      ['deny', 'cancel'],
      ['allow', 'deny', 'cancel'],
    ])
    const texts = items().map(({ payload }) => (payload as unknown as StoredNotice).text?.question)
    expect(texts.toSorted()).toEqual([
      'may it use Bash (ls ; rm -rf ~)?',
      'may it use Bash (ls pwd)?',
      `may it use Bash (ls ${'x'.repeat(900)}`.slice(0, 800),
    ])
  })

  it('that allows is not made where notices hold no text', async () => {
    await begin(false)
    expect(Object.keys(codesOf(await asking(permission)))).toEqual(['deny', 'cancel'])
  })

  it('opens one more attempt of a task that failed, with more money where it ended by that', async () => {
    await begin()
    const usage = { inputTokens: 1, outputTokens: 1, costUsd: 2, cumulative: false }
    const id = await asking({ ms: MIN, says: { outcome: 'success', usage } }, { maxCostUsd: 1 })
    const { continue: code } = codesOf(id)
    await all.rest(id)
    expect(all.life.task(id)).toMatchObject({ verdict: 'budget', attempt: 1 })
    expect([await endOf(code), await endOf(code)]).toEqual(['taken', 'used'])
    expect(all.life.task(id)).toMatchObject({ attempt: 2, spec: { maxCostUsd: 2.25 } })
  })

  it('gives a member of a race more than all of them have cost', async () => {
    await begin()
    const usage = { inputTokens: 1, outputTokens: 1, costUsd: 2, cumulative: false }
    const asked = aSpec(
      { maxCostUsd: 1, race: { pick: null, first: false } },
      { ms: MIN, says: { outcome: 'success', usage } },
    )
    const spec: TaskSpec = { ...asked, agent: { ...asked.agent, type: 'claude' } }
    const none = { idempotencyKey: null, idempotencyHash: null, createdAt: 0 }
    await all.life.engine.submitAll({ name: 'race', kind: 'race', atMost: null }, () =>
      ['one', 'two'].map(id => ({ id, spec, member: { group: 'race', key: id }, ...none })),
    )
    for (const id of ['one', 'two']) await all.rest(id)
    expect([all.life.task('one').verdict, all.life.task('two').verdict]).toEqual(['budget', 'budget'])
    expect(await endOf(codesOf('one').continue)).toBe('taken')
    expect(all.life.task('one')).toMatchObject({ attempt: 2, spec: { maxCostUsd: 4.25 } })
  })

  it('of a failure begins anew where nothing was saved, and is refused and kept while its work is on its way home', async () => {
    await begin()
    all.agent().faults.salvageFails = true
    const id = await asking({ ms: MIN, exitCode: 1, says: { outcome: 'error' } })
    const { continue: code } = codesOf(id)
    await expect(reply(code)).rejects.toMatchObject({ code: 'WRONG_STATE' })
    all.agent().faults.salvageFails = false
    await all.rest(id)
    expect(await endOf(code)).toBe('taken')
    expect(all.life.task(id).attempt).toBe(2)
  })

  it('of a version that is not this one is refused, and so is what the engine does not take', async () => {
    await begin()
    const id = await asking(permission)
    const { deny, cancel } = codesOf(id)
    sql().run("update reply_codes set verb = 'merge' where verb = 'deny'")
    expect(await reply(deny)).toMatchObject({ end: 'refused', why: 'this version knows no answer "merge"' })
    expect(await endOf(cancel)).toBe('taken')
    await all.rest(id)
    expect(all.life.task(id).verdict).toBe('cancelled')
  })

  it('whose task ended before its agent had the answer tells the next attempt nothing', async () => {
    await begin()
    const id = await asking(permission)
    all.agent().faults.down = true
    expect(await endOf(codesOf(id).allow)).toBe('taken')
    await all.life.engine.signal({ kind: 'cancel', taskId: id })
    all.agent().faults.down = false
    await all.rest(id)
    await all.life.engine.start(id, 2)
    expect(openSignals(sql(), { id, attempt: 1 }).map(({ kind }) => kind)).toContain('followup')
    expect(openSignals(sql(), { id, attempt: 2 })).toEqual([])
  })
})

describe('a task that rests for its money', () => {
  const usage = (costUsd: number) => ({ inputTokens: 1, outputTokens: 1, costUsd })
  const dollar: Script = {
    ...{ hangs: true, busy: true, commits: 1, says: { outcome: null, usage: usage(1), resumeRef: 'r' } },
    resumed: { commits: 1, says: { outcome: 'success', usage: usage(0.1), resumeRef: 'r' } },
  }
  const isResting = (id: string) => all.life.task(id).step === 'node_selection' && all.life.task(id).status === 'parked'

  it('may cost a quarter more by a button, once, also where no text is sent', async () => {
    await begin(false)
    const id = await asking(dollar, { maxCostUsd: 1, atLimit: 'ask' })
    const codes = codesOf(id)
    expect(Object.keys(codes)).toEqual(['allow', 'cancel'])
    const notice = items().at(-1)?.payload as unknown as StoredNotice
    expect(bodyText(notice)).toMatch(
      /\nthe \$1\.00 that it may cost are used; allow adds a quarter\ntdf send one allow$/,
    )
    expect(await endOf(codes.allow)).toBe('taken')
    expect(await endOf(codes.allow)).toBe('used')
    await all.rest(id)
    expect(all.life.task(id)).toMatchObject({ status: 'completed', attempt: 1, usage: { costUsd: 1.1 } })
  })

  it('for a budget of many raises that; where that was done before there is no such button', async () => {
    await begin(false, { day: 1 })
    const id = await asking({ ...dollar, resumed: { ...dollar, says: { ...dollar.says, usage: usage(0.5) } } })
    const { allow } = codesOf(id)
    expect(await endOf(allow)).toBe('taken')
    expect(await all.until(() => !Object.keys(codesOf(id)).includes('allow'), DAY)).toBe(true)
    expect(Object.keys(codesOf(id))).toEqual(['cancel'])
    expect(isResting(id) || all.life.task(id).step === 'salvage').toBe(true)
  })

  it('for a budget that another answer has raised meanwhile is not allowed more', async () => {
    await begin(false, { day: 2 })
    const agent = { name: 'a', type: 'claude' as const, command: ['fake', JSON.stringify(dollar)], env: [] }
    for (const id of ['one', 'two']) await all.submit({ agent }, dollar, id)
    expect(await all.until(() => isResting('one') && isResting('two'), HOUR)).toBe(true)
    const { allow } = codesOf('two')
    await all.life.engine.store.commit(() => {
      grant(all.life.engine, {}, now())
      sql().run('update spending set cost_usd = cost_usd + 1 where task_id = ?', 'one')
    })
    expect(await reply(allow)).toMatchObject({
      end: 'refused',
      why: 'the day budget of $2 was raised by a quarter already; give it more in the configuration, then `tdf daemon reload`',
    })
  })
})
