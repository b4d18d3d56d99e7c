/**
 * Any agent that speaks the Agent Client Protocol, version 1, over stdio. The protocol has no prompt during a turn: a
 * further one is the next turn of the same conversation.
 */
import { acp as reader } from '../../../transcript/acp.ts'
import type { Json } from '../../../transcript/event.ts'
import { isObject, listAt, objectAt, textAt } from '../../../transcript/fields.ts'
import type { Adapter, Opening, Prompt, Protocol } from './adapter.ts'

export const acp: Adapter = {
  reader,
  confirmsPrompts: false,
  openProtocol,
  prepare: ({ agent }) => ({
    command: [...agent.command, ...(agent.args ?? [])],
    stdin: 'dialogue',
    env: { OPENCODE_DISABLE_AUTOUPDATE: '1', ...agent.env },
  }),
}

const OPTIONS = {
  allow: ['allow_always', 'allow_once'],
  deny: ['reject_once', 'reject_always'],
}

function openProtocol({ workTree, prompt, resumeRef, model }: Opening): Protocol {
  let session = resumeRef
  let isOpen = false
  /** The options of each question that waits. */
  const asked = new Map<string, unknown[]>()
  const request = (id: string, method: string, params: Json): Json => ({ jsonrpc: '2.0', id, method, params })
  const turn = ({ id, text }: Prompt) =>
    request(`prompt:${id}`, 'session/prompt', { sessionId: session, prompt: [{ type: 'text', text }] })

  const open = (capabilities: Json): Json => {
    const params = { cwd: workTree, mcpServers: [] }
    if (session === null) return request('open', 'session/new', params)
    const canResume = isObject(objectAt(capabilities, 'sessionCapabilities').resume)
    return request('open', canResume ? 'session/resume' : 'session/load', { sessionId: session, ...params })
  }

  const opened = (result: Json): Json[] => {
    session = textAt(result, 'sessionId') ?? session
    isOpen = true
    const option = listAt(result, 'configOptions').find(option => textAt(option, 'category') === 'model')
    const chosen =
      model === null || option === undefined
        ? []
        : [
            request('model', 'session/set_config_option', {
              sessionId: session,
              configId: textAt(option, 'id'),
              value: model,
            }),
          ]
    return [...chosen, turn(prompt)]
  }

  return {
    begin: () => [
      request('hello', 'initialize', {
        protocolVersion: 1,
        clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
        clientInfo: { name: 'tdf', version: '0' },
      }),
    ],
    receive: message => {
      if (message.id === 'hello' && 'result' in message) return [open(objectAt(message, 'result', 'agentCapabilities'))]
      if (message.id === 'open' && 'result' in message) return opened(objectAt(message, 'result'))
      if (textAt(message, 'method') === null || message.id === undefined) return []
      if (message.method === 'session/request_permission') {
        asked.set(JSON.stringify(message.id), listAt(message, 'params', 'options'))
        return []
      }
      return [{ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'not supported' } }]
    },
    prompt: (given, isIdle) => (isOpen && isIdle ? [turn(given)] : null),
    answer: (id, decision) => {
      const options = asked.get(id) ?? []
      asked.delete(id)
      const kinds = OPTIONS[decision]
      const option = kinds.flatMap(kind => options.find(option => textAt(option, 'kind') === kind) ?? [])[0]
      const optionId = option === undefined ? null : textAt(option, 'optionId')
      const outcome = optionId === null ? { outcome: 'cancelled' } : { outcome: 'selected', optionId }
      return [{ jsonrpc: '2.0', id: JSON.parse(id), result: { outcome } }]
    },
    interrupt: () => [
      ...[...asked.keys()].map(id => ({
        jsonrpc: '2.0',
        id: JSON.parse(id),
        result: { outcome: { outcome: 'cancelled' } },
      })),
      ...(isOpen ? [{ jsonrpc: '2.0', method: 'session/cancel', params: { sessionId: session } }] : []),
    ],
  }
}
