/**
 * Any agent that speaks the Agent Client Protocol, version 1, over stdio. The protocol has no prompt during a turn: a
 * further one is the next turn of the same conversation.
 */
import { acp as reader } from '../../../transcript/acp.ts'
import type { Json } from '../../../transcript/event.ts'
import { isObject, listAt, objectAt, textAt } from '../../../transcript/fields.ts'
import type { Adapter, Answer, Opening, Prompt, Protocol } from './adapter.ts'

export const acp: Adapter = {
  // Answers to requests that were never made are not taken for the end of one that was.
  reader: line => (isForeign(line) ? [] : reader(line)),
  confirmsPrompts: false,
  openProtocol,
  prepare: ({ agent }) => ({
    command: [...agent.command, ...(agent.args ?? [])],
    stdin: 'dialogue',
    env: { OPENCODE_DISABLE_AUTOUPDATE: '1', ...agent.env },
  }),
}

const REQUESTS = /^(?:hello|open|model|prompt:.+)$/
const isForeign = ({ method, id }: Json) =>
  method === undefined && (id ?? null) !== null && !(typeof id === 'string' && REQUESTS.test(id))

/** In the order in which they are chosen: what is allowed for ever is written into the user's settings. */
const OPTIONS = {
  allow: ['allow_once', 'allow_always'],
  deny: ['reject_once', 'reject_always'],
}

const request = (id: string, method: string, params: Json): Json => ({ jsonrpc: '2.0', id, method, params })
const respond = (id: unknown, outcome: Json): Json => ({ jsonrpc: '2.0', id, result: { outcome } })
const CANCELLED = { outcome: 'cancelled' }

const HELLO = request('hello', 'initialize', {
  protocolVersion: 1,
  clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
  clientInfo: { name: 'tdf', version: '0' },
})

function openProtocol({ workTree, prompt, resumeRef, model }: Opening): Protocol {
  let session = resumeRef
  let isOpen = false
  /** The options of each question that waits. */
  const asked = new Map<string, unknown[]>()
  const turn = ({ id, text }: Prompt) =>
    request(`prompt:${id}`, 'session/prompt', { sessionId: session, prompt: [{ type: 'text', text }] })
  const begin = () => {
    isOpen = true
    return [turn(prompt)]
  }

  const open = (capabilities: Json): Json[] => {
    const params = { cwd: workTree, mcpServers: [] }
    if (session === null) return [request('open', 'session/new', params)]
    const method = resumingMethod(capabilities)
    return method === null ? [] : [request('open', method, { sessionId: session, ...params })]
  }

  /** Chooses the model, where one was asked for and can be chosen, before the first turn. */
  const opened = (result: Json): Json[] => {
    session = textAt(result, 'sessionId') ?? session
    const option = listAt(result, 'configOptions').find(option => textAt(option, 'category') === 'model')
    if (model === null || option === undefined) return begin()
    const params = { sessionId: session, configId: textAt(option, 'id'), value: model }
    return [request('model', 'session/set_config_option', params)]
  }

  return {
    begin: () => [HELLO],
    receive: message => {
      const result = 'result' in message ? objectAt(message, 'result') : null
      if (message.id === 'hello' && result) return open(objectAt(result, 'agentCapabilities'))
      if (message.id === 'open' && result) return opened(result)
      if (message.id === 'model' && result) return begin()
      if (textAt(message, 'method') === null || message.id === undefined) return []
      if (message.method === 'session/request_permission') {
        asked.set(JSON.stringify(message.id), listAt(message, 'params', 'options'))
        return []
      }
      return [{ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'not supported' } }]
    },
    cannotGoOn: message =>
      message.id === 'hello' &&
      'result' in message &&
      resumingMethod(objectAt(message, 'result', 'agentCapabilities')) === null,
    // `session/load` repeats the whole conversation before it is answered.
    isHistory: ({ method }) => method === 'session/update' && !isOpen,
    prompt: (given, isIdle) => (isOpen && isIdle ? [turn(given)] : null),
    answer: (id, decision) => {
      const optionId = optionFor(decision, asked.get(id) ?? [])
      asked.delete(id)
      return answerOf(JSON.parse(id), decision, optionId)
    },
    interrupt: () => {
      const answers = [...asked.keys()].map(id => respond(JSON.parse(id), CANCELLED))
      asked.clear()
      return isOpen
        ? [...answers, { jsonrpc: '2.0', method: 'session/cancel', params: { sessionId: session } }]
        : answers
    },
  }
}

/** Called only where the agent says that it has it; null when it has neither. */
function resumingMethod(capabilities: Json): string | null {
  if (isObject(objectAt(capabilities, 'sessionCapabilities').resume)) return 'session/resume'
  return capabilities.loadSession === true ? 'session/load' : null
}

function optionFor(decision: 'allow' | 'deny', options: readonly unknown[]): string | null {
  for (const kind of OPTIONS[decision]) {
    const option = options.find(option => textAt(option, 'kind') === kind)
    if (option !== undefined) return textAt(option, 'optionId')
  }
  return null
}

/** A question that offers no way to allow is cancelled, which is a no. */
function answerOf(id: unknown, decision: 'allow' | 'deny', optionId: string | null): Answer {
  const outcome = optionId === null ? CANCELLED : { outcome: 'selected', optionId }
  return { messages: [respond(id, outcome)], isAllowed: decision === 'allow' && optionId !== null }
}
