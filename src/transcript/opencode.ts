/**
 * `opencode run --format json` (1.18.33, run): for users who start it as a command. There is no last event: a
 * run is over when a step has ended for the reason "stop". A tool that was not allowed is a tool that failed.
 */
import type { AgentEvent, Json, Reader } from './event.ts'
import { countAt, numberAt, objectAt, textAt, toolDetail } from './fields.ts'

export const opencode: Reader = line => {
  if (textAt(line, 'sessionID') === null) return null
  return LINES[textAt(line, 'type') ?? '']?.(objectAt(line, 'part'), line) ?? []
}

const LINES: Record<string, (part: Json, line: Json) => AgentEvent[]> = {
  step_start: (_, line) => [
    { kind: 'session', resumeRef: textAt(line, 'sessionID'), version: null, model: null },
    { kind: 'turn' },
  ],
  text: part => [{ kind: 'message', from: 'agent', text: textAt(part, 'text') ?? '', isPart: false }],
  reasoning: part => [{ kind: 'thought', text: textAt(part, 'text') ?? '', isPart: false }],
  tool_use: part => {
    const name = textAt(part, 'tool') ?? 'a tool'
    const error = textAt(part, 'state', 'error')
    const detail = toolDetail(objectAt(part, 'state', 'input'))
    const tool = { id: textAt(part, 'callID') ?? '', name, detail, state: error === null ? 'done' : 'failed' } as const
    const output = error ?? textAt(part, 'state', 'output') ?? ''
    // Only this text distinguishes a refusal from another failure.
    const isDenied = error?.includes('rejected permission') === true
    return [{ kind: 'tool', ...tool, output }, ...(isDenied ? [{ kind: 'denied', tool: name } as const] : [])]
  },
  step_finish: part => {
    const tokens = objectAt(part, 'tokens')
    const inputTokens = countAt(tokens, 'input') + countAt(tokens, 'cache', 'read') + countAt(tokens, 'cache', 'write')
    const outputTokens = countAt(tokens, 'output') + countAt(tokens, 'reasoning')
    const costUsd = numberAt(part, 'cost')
    const isOver = textAt(part, 'reason') === 'stop'
    return [
      { kind: 'usage', inputTokens, outputTokens, costUsd, counts: 'step' },
      ...(isOver ? [{ kind: 'terminal', outcome: 'success', failure: null, summary: '' } as const] : []),
    ]
  },
  error: (_, line) => {
    const status = numberAt(line, 'error', 'data', 'statusCode')
    const summary = textAt(line, 'error', 'data', 'message') ?? textAt(line, 'error', 'name') ?? ''
    if (status === 429) return [{ kind: 'terminal', outcome: 'usage_limit', failure: 'usage_limit', summary }]
    const failure =
      status === 401 || status === 403 ? 'auth' : status !== null && status >= 500 ? 'overloaded' : 'other'
    return [{ kind: 'terminal', outcome: 'error', failure, summary }]
  },
}
