/** What a conversation was worth, and what is written down of it: its end is judged by what the agent said and by how it ended. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { readFacts, uuidOf } from '../../../../../../src/agent/sessions/facts.ts'
import { type SimWorld, simWorld, type Timeline, timeline } from '../../../../../fakes/world.ts'
import { openDialogue } from '../../support/dialogue.ts'
import { REQUEST } from '../../support/session.ts'
import { tempFolder } from '../../support/temp.ts'

let folder: string
let time: Timeline
let world: SimWorld
beforeEach(() => {
  folder = tempFolder()
  time = timeline()
  world = simWorld(time)
})

const GOOD = { exitCode: 0, signal: null }
const result = (more: object = {}) => ({ type: 'result', subtype: 'success', is_error: false, result: 'done', ...more })
const deliver = (deliveryId: string, number: number) => {
  mkdirSync(path.join(folder, 'prompts'), { recursive: true })
  const prompt = { deliveryId, text: deliveryId, number }
  writeFileSync(path.join(folder, 'prompts', `${deliveryId}.json`), JSON.stringify(prompt))
}

describe('a conversation', () => {
  it('answers what it does not offer, so that nothing waits for it', async () => {
    const { say, written } = openDialogue(world, folder)
    await say({ type: 'control_request', request_id: 'r1', request: { subtype: 'hook' } })
    expect(written.at(-1)).toMatchObject({ response: { subtype: 'error', request_id: 'r1' } })
  })

  it('that is resumed leaves out what is repeated of it', async () => {
    const { say, conversation, facts } = openDialogue(world, folder, { type: 'acp', resumeRef: 'c0' })
    const chunk = (text: string) => ({
      ...{ jsonrpc: '2.0', method: 'session/update' },
      params: { sessionId: 'c0', update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
    })
    const hello = { agentCapabilities: { loadSession: true } }
    await say({ jsonrpc: '2.0', id: 'hello', result: hello }, chunk('long ago'))
    await say({ jsonrpc: '2.0', id: 'open', result: {} }, chunk('today'))
    await say({ jsonrpc: '2.0', id: `prompt:${uuidOf(REQUEST, '')}`, result: { stopReason: 'end_turn' } })
    conversation.finish(GOOD)
    expect(facts().verdict).toEqual({ outcome: 'success', failure: null, summary: 'today' })
  })

  it('offers a prompt again that the agent would not take', async () => {
    const { say, written, facts } = openDialogue(world, folder, { type: 'codex' })
    await say({ id: 'hello', result: {} }, { id: 'open', result: { thread: { id: 't1' } } })
    await say({ method: 'turn/started', params: { turn: { id: 'u1' } } })
    const steers = () => written.filter(({ method }) => method === 'turn/steer').length
    deliver('one', 1)
    await world.clock.advance(1_000)
    expect(steers()).toBe(1)
    const id = `steer:${uuidOf(REQUEST, 'one')}`
    await say({ id, error: { code: -32600, message: 'no turn' } })
    await world.clock.advance(1_000)
    expect([steers(), facts().accepted]).toEqual([2, []])
    await say({ id, result: {} })
    await world.clock.advance(1_000)
    expect([steers(), facts().accepted]).toEqual([2, ['one']])
  })

  it('has no prompt confirmed that was never given', async () => {
    const { say } = openDialogue(world, folder)
    const message = { role: 'user', content: 'x' }
    await say({ type: 'user', isReplay: true, uuid: uuidOf(REQUEST, 'none'), message })
    expect(readFacts(folder)).toBeNull()
    await world.clock.advance(500)
    expect(readFacts(folder)?.accepted).toEqual([])
  })

  it('is looked at no more when it is over', async () => {
    const { say, conversation } = openDialogue(world, folder)
    await say(result())
    conversation.finish(GOOD)
    expect(time.timers.size).toBe(0)
  })

  it('is written down once in half a second, however much is said', async () => {
    const { say } = openDialogue(world, folder)
    const before = time.timers.size
    await say({ type: 'assistant' }, { type: 'assistant' }, { type: 'assistant' })
    expect(time.timers.size).toBe(before + 1)
    await world.clock.advance(500)
    await say({ type: 'assistant' })
    expect(time.timers.size).toBe(before + 1)
  })
})

describe('the end of an agent', () => {
  const cut = (stopReason: string) => [
    { jsonrpc: '2.0', id: 'open', result: { sessionId: 'c1' } },
    { jsonrpc: '2.0', id: `prompt:${uuidOf(REQUEST, '')}`, result: { stopReason } },
  ]

  it.each([
    ['of its own accord is no interruption, whatever it calls it', { exitCode: 1, signal: null }, false, 'other'],
    ['with a good exit code is what it calls it', GOOD, false, 'interrupted'],
    ['by a signal is an interruption', { exitCode: null, signal: 'SIGTERM' }, false, 'interrupted'],
    ['of which nothing is known is what it calls it', { exitCode: null, signal: null }, false, 'interrupted'],
    ['that we asked for is an interruption', { exitCode: 1, signal: null }, true, 'interrupted'],
  ])('%s', async (_, end, isAsked, failure) => {
    const { say, conversation, facts } = openDialogue(world, folder, { type: 'acp' })
    if (isAsked) conversation.interrupt()
    await say(...cut('cancelled'))
    conversation.finish(end)
    expect(facts().verdict).toMatchObject({ outcome: 'error', failure })
  })

  it('that failed by itself in another way stays what it was', async () => {
    const { say, conversation, facts } = openDialogue(world, folder)
    await say(result({ is_error: true, api_error_status: 401, result: 'Invalid API key' }))
    const named = { exitCode: 1, signal: null }
    conversation.finish(named)
    expect(facts().verdict?.failure).not.toBe('other')
    expect(facts().verdict?.failure).not.toBe('interrupted')
  })

  it('says when a limit is lifted, where one was reached, and not else', async () => {
    const resetsAt = 2_000_000_000
    const limit = (status: string) => ({ type: 'rate_limit_event', rate_limit_info: { status, resetsAt } })
    const full = openDialogue(world, folder)
    await full.say(limit('rejected'), result({ is_error: true, api_error_status: 429, result: 'limit reached' }))
    full.conversation.finish({ exitCode: 1, signal: null })
    expect(full.facts()).toMatchObject({ resetAt: '2033-05-18T03:33:20.000Z', verdict: { outcome: 'usage_limit' } })
    const open = openDialogue(world, folder)
    await open.say(limit('allowed'), result())
    open.conversation.finish(GOOD)
    expect(open.facts()).toMatchObject({ resetAt: null, verdict: { outcome: 'success' } })
  })

  it('while it tries again is no try any more', async () => {
    const { say, conversation, facts } = openDialogue(world, folder)
    await say({ type: 'system', subtype: 'api_retry', attempt: 3, error: 'overloaded' })
    await world.clock.advance(500)
    expect(facts().retrying).toMatchObject({ attempt: 3 })
    conversation.finish({ exitCode: 1, signal: null })
    expect(facts()).toMatchObject({ retrying: null, verdict: { outcome: 'error', failure: 'network' } })
  })

  it('over its budget says nothing of words where there were none', async () => {
    const { say, conversation, facts, ended } = openDialogue(world, folder, { maxCostUsd: 0 })
    const cost = { total_cost_usd: 0.126, modelUsage: { m: { inputTokens: 1, outputTokens: 1 } } }
    await say(result({ result: '', ...cost }))
    conversation.finish({ exitCode: null, signal: 'SIGTERM' })
    expect([ended(), facts().verdict?.summary]).toEqual([1, 'it had cost $0.13 when it was ended'])
  })

  it('without a budget costs what it costs', async () => {
    const { say, ended } = openDialogue(world, folder)
    await say(result({ total_cost_usd: 1_000, modelUsage: { m: { inputTokens: 1, outputTokens: 1 } } }))
    expect(ended()).toBe(0)
  })

  it('of one that was denied by policy and goes on is refused, with the tool by name', async () => {
    const { say, conversation, facts } = openDialogue(world, folder, { permissions: 'deny' })
    const request = { subtype: 'can_use_tool', tool_name: 'Bash', input: { command: 'ls' } }
    await say({ type: 'control_request', request_id: 'r1', request }, result())
    conversation.finish(GOOD)
    expect(facts().verdict).toEqual({
      ...{ outcome: 'permission_denied', failure: 'denied' },
      summary: 'it was not allowed to use Bash. It said: done',
    })
  })
})
