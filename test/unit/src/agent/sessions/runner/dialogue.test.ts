/** A conversation with an agent over simulated time: what is answered, kept, passed on and judged, and when it is told that no more comes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { readFacts, uuidOf } from '../../../../../../src/agent/sessions/facts.ts'
import type { SessionRequest } from '../../../../../../src/agent/sessions/folder.ts'
import type { Json } from '../../../../../../src/transcript/event.ts'
import { type SimWorld, simWorld, timeline } from '../../../../../fakes/world.ts'
import { type Dialogue, type DialogueOptions, openDialogue } from '../../support/dialogue.ts'
import { REQUEST } from '../../support/session.ts'
import { tempFolder } from '../../support/temp.ts'

let folder: string
let world: SimWorld
let dialogue: Dialogue

beforeEach(() => {
  folder = tempFolder()
  world = simWorld(timeline())
})

function begin(change: Partial<SessionRequest> = {}, options: DialogueOptions = {}): void {
  dialogue = openDialogue(world, folder, change, options)
}

const say = (...lines: object[]) => dialogue.say(...lines)
const result = (more: object = {}) => ({ type: 'result', subtype: 'success', is_error: false, result: 'done', ...more })
const ask = (id: string, command = 'ls') => ({
  ...{ type: 'control_request', request_id: id },
  request: { subtype: 'can_use_tool', tool_name: 'Bash', input: { command } },
})
const facts = () => dialogue.facts()
const deliver = (deliveryId: string, number: number, text = deliveryId) => {
  mkdirSync(path.join(folder, 'prompts'), { recursive: true })
  writeFileSync(path.join(folder, 'prompts', `${deliveryId}.json`), JSON.stringify({ deliveryId, text, number }))
}
const answer = (requestId: string, decision: string, message?: string) => {
  mkdirSync(path.join(folder, 'answers'), { recursive: true })
  writeFileSync(path.join(folder, 'answers', `${requestId}.json`), JSON.stringify({ requestId, decision, message }))
}
const texts = () =>
  dialogue.written.flatMap(({ message }) => (message ? [(message as { content: string }).content] : []))
const responses = () =>
  dialogue.written.flatMap(({ type, response }) =>
    type === 'control_response' ? [(response as { response?: Json }).response] : [],
  )
const good = { exitCode: 0, signal: null }

describe('prompts', () => {
  it('the first is given at once; further ones in their order, each once, and are on record when they arrived', async () => {
    begin()
    await world.settle()
    deliver('two', 2)
    deliver('one', 1)
    await world.clock.advance(200)
    await world.clock.advance(2_000)
    expect(texts()).toEqual(['do it', 'one', 'two'])
    const replay = (name: string) => ({
      type: 'user',
      uuid: uuidOf(REQUEST, name),
      isReplay: true,
      message: { role: 'user', content: name },
    })
    await say(replay('one'), replay('one'), replay('none'))
    expect(facts().accepted).toEqual(['one'])
    expect(dialogue.written.find(({ uuid }) => uuid === uuidOf(REQUEST, 'two'))).toBeDefined()
    await say(replay('two'))
    expect(facts().accepted).toEqual(['one', 'two'])
  })

  it('one whose turn has failed gets no more', async () => {
    begin()
    await say(result({ is_error: true }))
    deliver('one', 1)
    await world.clock.advance(1_000)
    expect(texts()).toEqual(['do it'])
  })

  it('an agent that confirms nothing has a prompt when it is written, between two turns', async () => {
    begin({ type: 'acp' })
    const jsonrpc = '2.0'
    await say({ jsonrpc, id: 'hello', result: {} }, { jsonrpc, id: 'open', result: { sessionId: 'c1' } })
    deliver('one', 1)
    await world.clock.advance(1_000)
    expect(existsSync(path.join(folder, 'facts.json')) ? facts().accepted : []).toEqual([])
    const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'done' } }
    await say({ jsonrpc, method: 'session/update', params: { sessionId: 'c1', update } })
    await say({ jsonrpc, id: `prompt:${uuidOf(REQUEST, '')}`, result: { stopReason: 'end_turn' } })
    await world.clock.advance(200)
    expect([facts().accepted, dialogue.written.at(-1)?.method]).toEqual([['one'], 'session/prompt'])
  })
})

describe('questions', () => {
  it.each(['allow', 'deny'] as const)('are answered at once where the policy is %s', async permissions => {
    begin({ permissions })
    await say(ask('r1'))
    expect(responses()).toEqual([expect.objectContaining({ behavior: permissions })])
    expect(dialogue.conversation.isAsking()).toBe(false)
    await say(result())
    dialogue.conversation.finish(good)
    expect(facts().verdict?.outcome).toBe(permissions === 'allow' ? 'success' : 'permission_denied')
  })

  it('wait for a person, the oldest is shown, and each answer is passed on once', async () => {
    begin()
    await say(ask('r1', `echo ${'x'.repeat(5_000)}`), ask('bad/id', 'pwd'))
    expect([dialogue.conversation.isAsking(), responses()]).toEqual([true, []])
    const at = new Date(world.clock.now()).toISOString()
    expect(facts().pendingPermission).toEqual({ requestId: 'r1', tool: 'Bash', detail: expect.any(String), at })
    expect(facts().pendingPermission?.detail).toHaveLength(4_000)
    answer('r1', 'allow')
    await world.clock.advance(200)
    expect(facts().pendingPermission).toMatchObject({ requestId: 'ask-2', detail: expect.stringContaining('pwd') })
    answer('ask-2', 'deny', 'not that')
    await world.clock.advance(1_000)
    expect(responses()).toEqual([
      expect.objectContaining({ behavior: 'allow' }),
      { behavior: 'deny', message: 'not that' },
    ])
    expect([dialogue.conversation.isAsking(), facts().pendingPermission]).toEqual([false, null])
    // A person said no, and the agent went on with that: its run is not refused.
    await say(result({ permission_denials: [{ tool_name: 'Bash' }] }))
    dialogue.conversation.finish(good)
    expect(facts().verdict?.outcome).toBe('success')
  })

  it('that are open at the end are none any more', async () => {
    begin()
    await say(ask('r1'))
    dialogue.conversation.finish({ exitCode: null, signal: 'SIGTERM' })
    expect(facts().pendingPermission).toBeNull()
  })
})

describe('the end', () => {
  it('is told to the agent when its turn is over; one that stays is ended a minute later, and has ended well', async () => {
    begin()
    await world.clock.advance(10_000)
    expect(dialogue.isInputEnded()).toBe(false)
    await say(result())
    await world.clock.advance(200)
    expect([dialogue.isInputEnded(), dialogue.ended()]).toEqual([true, 0])
    await world.clock.advance(60_000)
    expect([dialogue.ended(), dialogue.conversation.hasLingered()]).toEqual([0, false])
    await world.clock.advance(400)
    await world.clock.advance(120_000)
    expect([dialogue.ended(), dialogue.conversation.hasLingered()]).toEqual([1, true])
    dialogue.conversation.finish({ exitCode: null, signal: 'SIGTERM' })
    expect(facts().verdict).toMatchObject({ outcome: 'success', summary: 'done' })
  })

  it('waits for work in the background, and a moment for what the agent makes of it', async () => {
    const working = (...tasks: object[]) => ({ type: 'system', subtype: 'background_tasks_changed', tasks })
    begin()
    await say(working({ task_id: 'b1', description: 'build' }), result())
    await world.clock.advance(300_000)
    expect([dialogue.isInputEnded(), dialogue.ended()]).toEqual([false, 0])
    await say(working())
    await world.clock.advance(2_600)
    expect(dialogue.isInputEnded()).toBe(false)
    await world.clock.advance(600)
    expect(dialogue.isInputEnded()).toBe(true)
  })

  it('waits ten seconds for a prompt to be taken that was given after the turn', async () => {
    begin()
    await say(result())
    deliver('one', 1)
    await world.clock.advance(200)
    await say(result())
    await world.clock.advance(9_800)
    expect(dialogue.isInputEnded()).toBe(false)
    await world.clock.advance(600)
    expect(dialogue.isInputEnded()).toBe(true)
  })

  it('of an agent that cannot be talked to comes by itself, or by its lingering', async () => {
    begin({}, { isDeaf: true })
    expect(dialogue.conversation.interrupt()).toBe(false)
    await say(result())
    await world.clock.advance(61_000)
    expect(dialogue.ended()).toBe(1)
  })

  it('is asked for by an interruption as long as the agent listens', async () => {
    begin()
    expect(dialogue.conversation.interrupt()).toBe(true)
    await world.settle()
    expect(dialogue.written.at(-1)).toMatchObject({ request: { subtype: 'interrupt' } })
    await say(result())
    await world.clock.advance(400)
    const count = dialogue.written.length
    expect(dialogue.conversation.interrupt()).toBe(false)
    await world.settle()
    expect(dialogue.written).toHaveLength(count)
  })

  it('over its budget an agent is ended once, and the words say what it had cost', async () => {
    begin({ maxCostUsd: 0.5 })
    const costs = (total_cost_usd: number) =>
      result({ total_cost_usd, modelUsage: { m: { inputTokens: 1, outputTokens: 1 } } })
    await say(costs(0.5))
    expect(dialogue.ended()).toBe(0)
    await say({ type: 'assistant', message: { content: [{ type: 'text', text: 'so far' }] } })
    await say(costs(0.75), costs(0.8))
    expect(dialogue.ended()).toBe(1)
    dialogue.conversation.finish({ exitCode: null, signal: 'SIGTERM' })
    expect(facts().verdict).toMatchObject({ outcome: 'budget', failure: 'budget' })
    expect(facts().verdict?.summary).toMatch(/^it had cost \$0\.80 when it was ended\. It said: (so far|done)$/)
  })

  it('names the conversation, the one that was resumed where the agent names none', async () => {
    begin({ resumeRef: 'c0' })
    expect(dialogue.conversation.finish({ exitCode: 1, signal: null })).toBe('c0')
    begin()
    await say({ type: 'system', subtype: 'init', session_id: 'c1', model: 'large', claude_code_version: '2' })
    expect(facts()).toMatchObject({ resumeRef: 'c1', model: 'large', verdict: null })
    expect(dialogue.conversation.finish(good)).toBe('c1')
    const { outcome, failure } = facts().verdict ?? {}
    expect([outcome, failure]).not.toEqual(['success', null])
  })
})

describe('what is written down', () => {
  it('is soon there without a reason, and never has a secret in it', async () => {
    begin({}, { secrets: { KEY: 'secret-value' } })
    await say({ type: 'assistant', message: { model: 'm', content: [{ type: 'text', text: 'hi' }] } })
    expect(readFacts(folder)).toBeNull()
    await world.clock.advance(499)
    expect(readFacts(folder)).toBeNull()
    await world.clock.advance(1)
    expect(facts().verdict).toBeNull()
    await say(result({ result: 'the key is secret-value.' }))
    dialogue.conversation.finish(good)
    expect(readFileSync(path.join(folder, 'facts.json'), 'utf8')).not.toContain('secret-value')
    expect(facts().verdict?.summary).toMatch(/^the key is .*\.$/)
  })

  it('stays as the end left it', async () => {
    begin()
    await say(result())
    dialogue.conversation.finish(good)
    const last = readFileSync(path.join(folder, 'facts.json'), 'utf8')
    await world.clock.advance(5_000)
    expect(readFileSync(path.join(folder, 'facts.json'), 'utf8')).toBe(last)
  })

  it('a line that is no JSON says nothing', async () => {
    begin()
    dialogue.conversation.receive('no JSON at all')
    await world.clock.advance(500)
    expect(facts()).toMatchObject({ resumeRef: null, usage: null, accepted: [] })
  })
})
