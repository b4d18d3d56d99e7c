/**
 * `codex exec --json` (0.169, run): what people have who start it as a command. Only `turn.failed` is an end in
 * failure.
 */
import type { AgentEvent, Json, Reader } from './event.ts'
import { countAt, objectAt, textAt } from './fields.ts'

export const codexExec: Reader = line => LINES[textAt(line, 'type') ?? '']?.(line) ?? null

const LINES: Record<string, (line: Json) => AgentEvent[]> = {
  'thread.started': line => [{ kind: 'session', resumeRef: textAt(line, 'thread_id'), version: null, model: null }],
  'turn.started': () => [{ kind: 'turn' }],
  'item.started': line => itemEvents(objectAt(line, 'item')),
  'item.updated': () => [],
  'item.completed': line => itemEvents(objectAt(line, 'item')),
  error: line => [{ kind: 'retrying', attempt: 0, reason: textAt(line, 'message') ?? '' }],
  'turn.failed': line => [
    { kind: 'terminal', outcome: 'error', failure: 'other', summary: textAt(line, 'error', 'message') ?? '' },
  ],
  'turn.completed': line => {
    const used = objectAt(line, 'usage')
    const tokens = { inputTokens: countAt(used, 'input_tokens'), outputTokens: countAt(used, 'output_tokens') }
    return [
      { kind: 'usage', ...tokens, costUsd: null, counts: 'conversation' },
      { kind: 'terminal', outcome: 'success', failure: null, summary: '' },
    ]
  },
}

function itemEvents(item: Json): AgentEvent[] {
  const id = textAt(item, 'id') ?? ''
  switch (textAt(item, 'type')) {
    case 'agent_message':
      return [{ kind: 'message', from: 'agent', text: textAt(item, 'text') ?? '', isPart: false }]
    case 'reasoning':
      return [{ kind: 'thought', text: textAt(item, 'text') ?? '', isPart: false }]
    case 'command_execution': {
      const status = textAt(item, 'status')
      const state = status === 'in_progress' ? 'started' : status === 'completed' ? 'done' : 'failed'
      const output = textAt(item, 'aggregated_output') ?? ''
      return [{ kind: 'tool', id, name: 'command', detail: textAt(item, 'command') ?? '', state, output }]
    }
    default:
      return []
  }
}
