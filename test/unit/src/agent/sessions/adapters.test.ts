/** What each adapter says to its agent, message by message: how it begins, what it answers, and how it asks for an end. */
import { describe, expect, it } from 'vitest'
import type { Adapter, Opening, Protocol } from '../../../../../src/agent/sessions/adapters/adapter.ts'
import { adapterOf } from '../../../../../src/agent/sessions/adapters/index.ts'
import type { StartSession } from '../../../../../src/protocol/agent-api.ts'
import type { Json } from '../../../../../src/transcript/event.ts'

const PROMPT = { id: 'p1', text: 'do it' }
const NEXT = { id: 'p2', text: 'and that' }

function adapter(type: string): Adapter {
  const found = adapterOf(type)
  if (!found) throw new Error(`no adapter for ${type}`)
  return found
}

function open(type: string, change: Partial<Opening> = {}): Protocol {
  const opening = { workTree: '/work', prompt: PROMPT, resumeRef: null, model: null, permissions: 'allow' as const }
  const protocol = adapter(type).openProtocol?.({ ...opening, ...change })
  if (!protocol) throw new Error(`${type} has no protocol`)
  return protocol
}

const launch = (type: string, change: Partial<StartSession> = {}, agent: object = {}) =>
  adapter(type).prepare(
    {
      ...{ sessionId: 's1', prompt: 'do it', resumeRef: null, timeoutMs: null, ...change },
      agent: { type, command: ['prog'], env: { KEY: 'value' }, ...agent } as StartSession['agent'],
    },
    'uuid-1',
  )

describe('acp', () => {
  const HELLO = { jsonrpc: '2.0', id: 'hello', method: 'initialize' }
  const request = (id: string, method: string, params: Json) => ({ jsonrpc: '2.0', id, method, params })
  const turn = (sessionId: string, { id, text }: typeof PROMPT) =>
    request(`prompt:${id}`, 'session/prompt', { sessionId, prompt: [{ type: 'text', text }] })
  const started = (change: Partial<Opening> = {}) => {
    const protocol = open('acp', change)
    protocol.begin()
    protocol.receive({ id: 'hello', result: {} })
    protocol.receive({ id: 'open', result: { sessionId: 'c1' } })
    return protocol
  }

  it('starts its program as it is given, without updates', () => {
    expect(launch('acp', {}, { args: ['--acp'] })).toEqual({
      ...{ command: ['prog', '--acp'], stdin: 'dialogue' },
      env: { OPENCODE_DISABLE_AUTOUPDATE: '1', KEY: 'value' },
    })
    expect(launch('acp').command).toEqual(['prog'])
    expect([adapter('acp').confirmsPrompts, adapterOf('none')]).toEqual([false, undefined])
  })

  it('opens a new conversation and gives it the prompt', () => {
    const protocol = open('acp')
    const capabilities = { fs: { readTextFile: false, writeTextFile: false }, terminal: false }
    expect(protocol.begin()).toEqual([
      {
        ...HELLO,
        params: { protocolVersion: 1, clientCapabilities: capabilities, clientInfo: { name: 'tdf', version: '0' } },
      },
    ])
    expect(protocol.prompt(NEXT, true)).toBeNull()
    expect(protocol.receive({ id: 'hello', result: {} })).toEqual([
      request('open', 'session/new', { cwd: '/work', mcpServers: [] }),
    ])
    expect(protocol.receive({ id: 'open', result: { sessionId: 'c1' } })).toEqual([turn('c1', PROMPT)])
    expect(protocol.prompt(NEXT, false)).toBeNull()
    expect(protocol.prompt(NEXT, true)).toEqual([turn('c1', NEXT)])
  })

  it('goes on with a conversation, by what the agent can do, and what is repeated of it is no part of the run', () => {
    const resumed = { sessionId: 'c0', cwd: '/work', mcpServers: [] }
    for (const [capabilities, method] of [
      [{ sessionCapabilities: { resume: {} } }, 'session/resume'],
      [{ sessionCapabilities: { resume: true }, loadSession: true }, 'session/load'],
      [{ loadSession: true }, 'session/load'],
    ] as const) {
      const protocol = open('acp', { resumeRef: 'c0' })
      const opened = protocol.receive({ id: 'hello', result: { agentCapabilities: capabilities } })
      expect(opened).toEqual([request('open', method, resumed)])
      expect(protocol.isHistory?.({ method: 'session/update' })).toBe(true)
      expect(protocol.isHistory?.({ method: 'session/other' })).toBe(false)
      expect(protocol.receive({ id: 'open', result: {} })).toEqual([turn('c0', PROMPT)])
      expect(protocol.isHistory?.({ method: 'session/update' })).toBe(false)
    }
  })

  it('opens none where the agent cannot go on with one, and says so', () => {
    const protocol = open('acp', { resumeRef: 'c0' })
    const hello = (capabilities: Json) => ({ id: 'hello', result: { agentCapabilities: capabilities } })
    expect(protocol.receive(hello({ loadSession: false }))).toEqual([])
    expect(protocol.cannotGoOn?.(hello({ loadSession: false }))).toBe(true)
    expect(protocol.cannotGoOn?.(hello({ loadSession: true }))).toBe(false)
    expect(protocol.cannotGoOn?.({ id: 'open', result: {} })).toBe(false)
  })

  it('chooses the model before the first turn, where one can be chosen', () => {
    const configOptions = [
      { category: 'mode', id: 'm0' },
      { category: 'model', id: 'm1' },
    ]
    const protocol = open('acp', { model: 'large' })
    const params = { sessionId: 'c1', configId: 'm1', value: 'large' }
    expect(protocol.receive({ id: 'open', result: { sessionId: 'c1', configOptions } })).toEqual([
      request('model', 'session/set_config_option', params),
    ])
    expect(protocol.receive({ id: 'model', result: {} })).toEqual([turn('c1', PROMPT)])
    const none = open('acp', { model: 'large' })
    expect(none.receive({ id: 'open', result: { sessionId: 'c1' } })).toEqual([turn('c1', PROMPT)])
    const unasked = open('acp')
    expect(unasked.receive({ id: 'open', result: { sessionId: 'c1', configOptions } })).toEqual([turn('c1', PROMPT)])
  })

  const option = (kind: string) => ({ kind, optionId: `the ${kind}` })
  const respond = (id: unknown, outcome: Json) => ({ jsonrpc: '2.0', id, result: { outcome } })
  const ask = (protocol: Protocol, id: unknown, ...kinds: string[]) =>
    protocol.receive({ id, method: 'session/request_permission', params: { options: kinds.map(option) } })

  it.each([
    ['allow', ['allow_always', 'allow_once', 'reject_once'], 'allow_once', true],
    ['allow', ['allow_always', 'reject_once'], 'allow_always', true],
    ['allow', ['reject_once'], null, false],
    ['deny', ['allow_once', 'reject_always', 'reject_once'], 'reject_once', false],
    ['deny', ['reject_always'], 'reject_always', false],
    ['deny', ['allow_once'], null, false],
  ] as const)('answers a question with %s from %j by %s', (decision, kinds, chosen, isAllowed) => {
    const protocol = started()
    expect(ask(protocol, 5, ...kinds)).toEqual([])
    const outcome = chosen ? { outcome: 'selected', optionId: `the ${chosen}` } : { outcome: 'cancelled' }
    expect(protocol.answer('5', decision, '')).toEqual({ messages: [respond(5, outcome)], isAllowed })
    // It is answered: asked for an end, only the turn is cancelled.
    const cancel = { jsonrpc: '2.0', method: 'session/cancel', params: { sessionId: 'c1' } }
    expect(protocol.interrupt()).toEqual([cancel])
  })

  it('reads an answer only where the request was ours, and every message that asks or tells', () => {
    const read = (line: Json) =>
      adapter('acp')
        .reader?.({ jsonrpc: '2.0', ...line })
        ?.map(({ kind }) => kind)
    const result = { stopReason: 'end_turn' }
    for (const id of [7, 'x', 'prompt:', 'opened', 'reopen']) expect(read({ id, result })).toEqual([])
    expect([read({ id: 'prompt:p1', result }), read({ id: 'open', result })]).toEqual([['terminal'], ['terminal']])
    expect(read({ id: null, error: { message: 'no' } })).toEqual(['problem'])
    expect(read({ id: 7, method: 'session/request_permission', params: {} })).toEqual(['permission'])
  })

  it('asked for an end, questions that wait are cancelled, and the turn where one can be under way', () => {
    const protocol = started()
    ask(protocol, 'q1', 'allow_once')
    const cancel = { jsonrpc: '2.0', method: 'session/cancel', params: { sessionId: 'c1' } }
    expect(protocol.interrupt()).toEqual([respond('q1', { outcome: 'cancelled' }), cancel])
    expect(protocol.interrupt()).toEqual([cancel])
    expect(open('acp').interrupt()).toEqual([])
  })

  it('refuses what it does not offer, and says nothing to what asks nothing', () => {
    const protocol = started()
    expect(protocol.receive({ id: 9, method: 'fs/read_text_file' })).toEqual([
      { jsonrpc: '2.0', id: 9, error: { code: -32601, message: 'not supported' } },
    ])
    for (const message of [{ method: 'session/update' }, { id: 3 }, { id: 'hello', error: {} }, {}]) {
      expect(protocol.receive(message)).toEqual([])
    }
  })
})

describe('claude', () => {
  const STREAM = [
    ...['prog', '-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
    ...['--replay-user-messages', '--permission-prompt-tool', 'stdio', '--disallowedTools', 'AskUserQuestion'],
  ]
  const said = ({ id, text }: typeof PROMPT) => ({ type: 'user', uuid: id, message: { role: 'user', content: text } })

  it('starts its program with all that the run may do, and nothing of the prompt', () => {
    const env = {
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      IS_SANDBOX: '1',
      KEY: 'value',
    }
    expect(launch('claude')).toEqual({
      ...{ stdin: 'dialogue', env },
      command: [...STREAM, '--permission-mode', 'bypassPermissions', '--session-id', 'uuid-1'],
    })
    const asked = { resumeRef: 'c0', model: 'large', maxCostUsd: 2.5, permissions: 'ask' as const }
    expect(launch('claude', asked, { args: ['--debug'] }).command).toEqual([
      ...[...STREAM, '--permission-mode', 'acceptEdits', '--resume', 'c0', '--model', 'large'],
      ...['--max-budget-usd', '2.5', '--debug'],
    ])
    expect(launch('claude', { permissions: 'deny' }).command).toContain('acceptEdits')
    // The variable is put in by the program: its value stands in no argument.
    const relay = `{"mcpServers":{"tdf":{"type":"http","url":"\${TDF_MCP_URL}"}}}`
    expect(launch('claude', { maySpawn: true }).command.slice(-2)).toEqual(['--mcp-config', relay])
    expect(adapter('claude').confirmsPrompts).toBe(true)
  })

  it('says hello and the prompt; a further one joins the turn', () => {
    const protocol = open('claude')
    const hello = { type: 'control_request', request_id: 'hello', request: { subtype: 'initialize', hooks: null } }
    expect(protocol.begin()).toEqual([hello, said(PROMPT)])
    expect(protocol.prompt(NEXT, false)).toEqual([said(NEXT)])
    expect(protocol.interrupt()).toEqual([
      { type: 'control_request', request_id: 'stop', request: { subtype: 'interrupt' } },
    ])
  })

  it('gives back what was asked for when it is allowed, and says why when it is not', () => {
    const protocol = open('claude')
    const asks = (id: string) =>
      protocol.receive({
        ...{ type: 'control_request', request_id: id },
        request: { subtype: 'can_use_tool', input: { command: 'ls' } },
      })
    const answered = (id: string, response: Json) => ({
      messages: [{ type: 'control_response', response: { subtype: 'success', request_id: id, response } }],
      isAllowed: response.behavior === 'allow',
    })
    expect([asks('r1'), asks('r2'), asks('r3')]).toEqual([[], [], []])
    expect(protocol.answer('r1', 'allow', '')).toEqual(
      answered('r1', { behavior: 'allow', updatedInput: { command: 'ls' } }),
    )
    expect(protocol.answer('r1', 'allow', '')).toEqual(answered('r1', { behavior: 'allow', updatedInput: {} }))
    expect(protocol.answer('r2', 'deny', 'no')).toEqual(answered('r2', { behavior: 'deny', message: 'no' }))
    const unsaid = { behavior: 'deny', message: 'this is not allowed here' }
    expect(protocol.answer('r3', 'deny', '')).toEqual(answered('r3', unsaid))
  })

  it('refuses what it does not offer, and says nothing to what asks nothing', () => {
    const protocol = open('claude')
    const ask = { type: 'control_request', request_id: 'r1', request: { subtype: 'hook' } }
    expect(protocol.receive(ask)).toEqual([
      { type: 'control_response', response: { subtype: 'error', request_id: 'r1', error: 'not supported' } },
    ])
    expect(protocol.receive({ type: 'result', request_id: 'r1' })).toEqual([])
    expect(protocol.receive({ type: 'control_request' })).toEqual([])
  })
})

describe('codex', () => {
  const input = (text: string) => [{ type: 'text', text }]
  const turn = ({ id, text }: typeof PROMPT) => ({
    ...{ id: `turn:${id}`, method: 'turn/start', params: { threadId: 't1', input: input(text) } },
  })
  const started = (change: Partial<Opening> = {}) => {
    const protocol = open('codex', change)
    protocol.receive({ id: 'hello', result: {} })
    protocol.receive({ id: 'open', result: { thread: { id: 't1' } } })
    return protocol
  }

  it('starts the app server of its program', () => {
    expect(launch('codex', {}, { args: ['-c', 'x'] })).toEqual({
      ...{ command: ['prog', 'app-server', '-c', 'x'], stdin: 'dialogue', env: { KEY: 'value' } },
    })
    expect(launch('codex').command).toEqual(['prog', 'app-server'])
    expect(adapter('codex').confirmsPrompts).toBe(true)
  })

  it.each([
    ['allow', 'never', 'danger-full-access'],
    ['deny', 'untrusted', 'workspace-write'],
    ['ask', 'untrusted', 'workspace-write'],
  ] as const)('opens a thread that may %s', (permissions, approvalPolicy, sandbox) => {
    const protocol = open('codex', { permissions })
    const clientInfo = { name: 'tdf', title: 'tdf', version: '0' }
    expect(protocol.begin()).toEqual([{ id: 'hello', method: 'initialize', params: { clientInfo } }])
    expect(protocol.prompt(NEXT, true)).toBeNull()
    const params = { cwd: '/work', approvalPolicy, sandbox }
    expect(protocol.receive({ id: 'hello', result: {} })).toEqual([
      { method: 'initialized' },
      { id: 'open', method: 'thread/start', params },
    ])
    expect(protocol.receive({ id: 'open', result: { thread: { id: 't1' } } })).toEqual([turn(PROMPT)])
  })

  it('goes on with a thread, and with the model that was asked for', () => {
    const [, opened] = open('codex', { resumeRef: 't0', model: 'large' }).receive({ id: 'hello', result: {} })
    expect(opened).toMatchObject({ method: 'thread/resume', params: { threadId: 't0', model: 'large' } })
  })

  it('steers a turn that is under way, and begins one where none is', () => {
    const protocol = started()
    expect([protocol.prompt(NEXT, false), protocol.prompt(NEXT, true), protocol.interrupt()]).toEqual([
      null,
      [turn(NEXT)],
      [],
    ])
    expect(protocol.receive({ method: 'turn/started', params: { turn: { id: 'u1' } } })).toEqual([])
    protocol.receive({ method: 'item/started', params: { turn: { id: 'u2' } } })
    const params = { threadId: 't1', expectedTurnId: 'u1', input: input('and that') }
    expect(protocol.prompt(NEXT, true)).toEqual([{ id: 'steer:p2', method: 'turn/steer', params }])
    expect(protocol.interrupt()).toEqual([
      { id: 'stop', method: 'turn/interrupt', params: { threadId: 't1', turnId: 'u1' } },
    ])
    protocol.receive({ method: 'turn/completed' })
    expect(protocol.prompt(NEXT, true)).toEqual([turn(NEXT)])
  })

  it('answers questions, refuses what it does not offer, and says nothing to the rest', () => {
    const protocol = started()
    for (const method of ['item/commandExecution/requestApproval', 'item/fileChange/requestApproval']) {
      expect(protocol.receive({ id: 7, method })).toEqual([])
    }
    expect(protocol.answer('7', 'allow', '')).toEqual({
      messages: [{ id: 7, result: { decision: 'accept' } }],
      isAllowed: true,
    })
    expect(protocol.answer('"a"', 'deny', '')).toEqual({
      messages: [{ id: 'a', result: { decision: 'decline' } }],
      isAllowed: false,
    })
    expect(protocol.receive({ id: 8, method: 'other' })).toEqual([
      { id: 8, error: { code: -32601, message: 'not supported' } },
    ])
    for (const message of [
      { method: 'item/started' },
      { id: 'hello', error: {} },
      { id: 'open', error: {} },
      { id: 4 },
    ]) {
      expect(protocol.receive(message)).toEqual([])
    }
  })
})

it('a plain command gets the prompt on its stdin, if there is one, and is not talked to', () => {
  const { openProtocol, reader, confirmsPrompts } = adapter('command')
  expect([openProtocol, reader, confirmsPrompts]).toEqual([null, null, false])
  const whole = { command: ['prog', '-x'], stdin: 'prompt', env: { KEY: 'value' } }
  expect(launch('command', {}, { args: ['-x'] })).toEqual(whole)
  expect(launch('command', { prompt: '' })).toEqual({ ...whole, command: ['prog'], stdin: 'nothing' })
})
