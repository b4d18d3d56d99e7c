/**
 * Claude Code's `--output-format stream-json`, one object a line. Facts: 2.1.197 and 2.1.331, run against a scripted
 * model. A `result` of subtype `success` may be an error all the same (`is_error`), or hide what was denied.
 */
import type { AgentEvent, Failure, Json, Outcome, Reader } from './event.ts'
import {
  contentText,
  countAt,
  isObject,
  isoFromSeconds,
  listAt,
  numberAt,
  objectAt,
  textAt,
  toolDetail,
} from './fields.ts'

export const claude: Reader = line => {
  const type = textAt(line, 'type')
  return type === null ? null : (LINES[type]?.(line) ?? null)
}

const LINES: Record<string, (line: Json) => AgentEvent[]> = {
  system: line => SYSTEM[textAt(line, 'subtype') ?? '']?.(line) ?? [],
  assistant: line => listAt(line, 'message', 'content').flatMap(part => assistantPart(part)),
  user: line => (line.isReplay === true ? replayed(line) : toolResults(line)),
  command_lifecycle: line => {
    const prompt = textAt(line, 'command_uuid')
    return textAt(line, 'state') === 'started' && prompt !== null ? [{ kind: 'accepted', prompt }] : []
  },
  rate_limit_event: line => {
    if (textAt(line, 'rate_limit_info', 'status') !== 'rejected') return []
    return [{ kind: 'limit', resetAt: isoFromSeconds(numberAt(line, 'rate_limit_info', 'resetsAt')) }]
  },
  control_request: line => {
    const request = textAt(line, 'request_id')
    if (textAt(line, 'request', 'subtype') !== 'can_use_tool' || request === null) return []
    const tool = textAt(line, 'request', 'tool_name') ?? 'a tool'
    return [{ kind: 'permission', request, tool, detail: toolDetail(objectAt(line, 'request', 'input')) }]
  },
  control_response: () => [],
  stream_event: () => [],
  result,
}

const SYSTEM: Record<string, (line: Json) => AgentEvent[]> = {
  init: line => [
    {
      kind: 'session',
      resumeRef: textAt(line, 'session_id'),
      version: textAt(line, 'claude_code_version'),
      model: textAt(line, 'model'),
    },
  ],
  api_retry: line => {
    const status = numberAt(line, 'error_status')
    const reason = [status, textAt(line, 'error')].filter(part => part !== null).join(' ')
    return [{ kind: 'retrying', attempt: countAt(line, 'attempt'), reason }]
  },
}

function assistantPart(part: unknown): AgentEvent[] {
  switch (textAt(part, 'type')) {
    case 'text':
      return [{ kind: 'message', from: 'agent', text: textAt(part, 'text') ?? '', isPart: false }]
    case 'thinking':
      return [{ kind: 'thought', text: textAt(part, 'thinking') ?? '', isPart: false }]
    case 'tool_use': {
      const [id, name] = [textAt(part, 'id') ?? '', textAt(part, 'name') ?? 'a tool']
      return [{ kind: 'tool', id, name, detail: toolDetail(objectAt(part, 'input')), state: 'started', output: '' }]
    }
    default:
      return []
  }
}

/** What was written to its stdin comes back when it is taken in. */
function replayed(line: Json): AgentEvent[] {
  const prompt = textAt(line, 'uuid')
  const text = contentText(objectAt(line, 'message').content)
  const said: AgentEvent = { kind: 'message', from: 'user', text, isPart: false }
  return prompt === null ? [said] : [said, { kind: 'accepted', prompt }]
}

function toolResults(line: Json): AgentEvent[] {
  return listAt(line, 'message', 'content').flatMap((part): AgentEvent[] => {
    if (textAt(part, 'type') !== 'tool_result' || !isObject(part)) return []
    const state = part.is_error === true ? 'failed' : 'done'
    const output = contentText(part.content)
    return [{ kind: 'tool', id: textAt(part, 'tool_use_id') ?? '', name: '', detail: '', state, output }]
  })
}

function result(line: Json): AgentEvent[] {
  const denied = listAt(line, 'permission_denials').map((denial): AgentEvent => {
    return { kind: 'denied', tool: textAt(denial, 'tool_name') ?? 'a tool' }
  })
  const { outcome, failure } = verdictOf(line)
  const said = textAt(line, 'result') ?? contentText(listAt(line, 'errors'))
  return [usageOf(line), ...denied, { kind: 'terminal', outcome, failure, summary: said }]
}

const SUBTYPES: Record<string, { outcome: Outcome; failure: Failure }> = {
  error_max_budget_usd: { outcome: 'budget', failure: 'budget' },
  error_max_turns: { outcome: 'error', failure: 'turns' },
  error_during_execution: { outcome: 'error', failure: 'interrupted' },
}

function verdictOf(line: Json): { outcome: Outcome; failure: Failure | null } {
  const subtype = textAt(line, 'subtype') ?? ''
  if (subtype !== 'success') return SUBTYPES[subtype] ?? { outcome: 'error', failure: 'other' }
  if (line.is_error === true) return failureOf(numberAt(line, 'api_error_status'))
  if (textAt(line, 'stop_reason') === 'refusal') return { outcome: 'error', failure: 'refusal' }
  return { outcome: 'success', failure: null }
}

function failureOf(status: number | null): { outcome: Outcome; failure: Failure } {
  if (status === 429) return { outcome: 'usage_limit', failure: 'usage_limit' }
  if (status === 401 || status === 403) return { outcome: 'error', failure: 'auth' }
  if (status !== null && status >= 500) return { outcome: 'error', failure: 'overloaded' }
  return { outcome: 'error', failure: 'other' }
}

/** `modelUsage` covers the whole process, all models of it; `usage` only the turn. */
function usageOf(line: Json): AgentEvent {
  const models = Object.values(objectAt(line, 'modelUsage'))
  const sum = (...fields: string[]) =>
    models.reduce<number>((total, model) => total + fields.reduce((all, name) => all + countAt(model, name), 0), 0)
  return {
    kind: 'usage',
    inputTokens: sum('inputTokens', 'cacheReadInputTokens', 'cacheCreationInputTokens'),
    outputTokens: sum('outputTokens'),
    costUsd: numberAt(line, 'total_cost_usd'),
    counts: 'process',
  }
}
