/**
 * Claude Code in its bidirectional mode: prompts, permissions and interrupts go in as lines, so nothing of the prompt
 * is ever an argument, and a prompt that comes during a turn joins it. The process ends when its stdin does.
 */
import { claude as reader } from '../../../transcript/claude.ts'
import type { Json } from '../../../transcript/event.ts'
import { objectAt, textAt } from '../../../transcript/fields.ts'
import type { Adapter, Opening, Protocol } from './adapter.ts'

const STREAM = [
  ...['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
  // Each prompt comes back when it is taken in, which is how we know that it arrived.
  ...['--replay-user-messages', '--permission-prompt-tool', 'stdio', '--disallowedTools', 'AskUserQuestion'],
]

export const claude: Adapter = {
  reader,
  confirmsPrompts: true,
  openProtocol,
  prepare({ agent, resumeRef, model, maxCostUsd, permissions = 'allow', maySpawn }, conversation) {
    const mode = permissions === 'allow' ? 'bypassPermissions' : 'acceptEdits'
    const args = [
      ...STREAM,
      ...['--permission-mode', mode],
      ...(resumeRef === null ? ['--session-id', conversation] : ['--resume', resumeRef]),
      ...(model === undefined ? [] : ['--model', model]),
      ...(maySpawn ? ['--mcp-config', RELAY] : []),
      ...(maxCostUsd === undefined ? [] : ['--max-budget-usd', String(maxCostUsd)]),
    ]
    return {
      command: [...agent.command, ...args, ...(agent.args ?? [])],
      stdin: 'dialogue',
      env: { ...SETTINGS, ...agent.env },
    }
  },
}

/** Claude Code puts the variable in: the token stands in no argument. */
const RELAY = JSON.stringify({ mcpServers: { tdf: { type: 'http', url: `\${TDF_MCP_URL}` } } })

const SETTINGS = {
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  // As root it refuses this permission mode unless it believes that it is confined.
  IS_SANDBOX: '1',
}

function openProtocol({ prompt }: Opening): Protocol {
  /** What was asked for, by request id: an answer that allows has to give it back. */
  const asked = new Map<string, Json>()
  const said = (id: string, text: string): Json => ({
    type: 'user',
    uuid: id,
    message: { role: 'user', content: text },
  })
  return {
    begin: () => [
      { type: 'control_request', request_id: 'hello', request: { subtype: 'initialize', hooks: null } },
      said(prompt.id, prompt.text),
    ],
    receive: message => {
      const id = textAt(message, 'request_id')
      if (textAt(message, 'type') !== 'control_request' || id === null) return []
      if (textAt(message, 'request', 'subtype') === 'can_use_tool') {
        asked.set(id, objectAt(message, 'request', 'input'))
        return []
      }
      // Whatever else it wants is not here; unanswered, it would wait.
      return [{ type: 'control_response', response: { subtype: 'error', request_id: id, error: 'not supported' } }]
    },
    prompt: ({ id, text }) => [said(id, text)],
    answer: (request, decision, message) => {
      const response =
        decision === 'allow'
          ? { behavior: 'allow', updatedInput: asked.get(request) ?? {} }
          : { behavior: 'deny', message: message || 'this is not allowed here' }
      asked.delete(request)
      const answer = { type: 'control_response', response: { subtype: 'success', request_id: request, response } }
      return { messages: [answer], isAllowed: decision === 'allow' }
    },
    interrupt: () => [{ type: 'control_request', request_id: 'stop', request: { subtype: 'interrupt' } }],
  }
}
