/**
 * Claude Code's `--output-format stream-json`, one object a line. Facts: 2.1.197 and 2.1.331, run against a scripted
 * model. A `result` of subtype `success` may be an error all the same (`is_error`), or hide what was denied; and one of
 * `is_error: false` may follow an `assistant` line whose `error` says what went wrong.
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
  const events = type === null ? null : (LINES[type]?.(line) ?? null)
  // Lines of subagents name the call that began them.
  if (events === null || textAt(line, 'parent_tool_use_id') === null) return events
  return events.map((event): AgentEvent => ({ kind: 'nested', event }))
}

const LINES: Record<string, (line: Json) => AgentEvent[]> = {
  system: line => SYSTEM[textAt(line, 'subtype') ?? '']?.(line) ?? [],
  assistant: line => [...listAt(line, 'message', 'content').flatMap(part => assistantPart(part)), ...problemOf(line)],
  user: line => (line.isReplay === true ? replayed(line) : toolResults(line)),
  command_lifecycle: line => {
    const prompt = textAt(line, 'command_uuid')
    return textAt(line, 'state') === 'started' && prompt !== null ? [{ kind: 'accepted', prompt }] : []
  },
  rate_limit_event: line => limitOf(objectAt(line, 'rate_limit_info')),
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
  // Tasks that are only watchers are no activity, as the type of this message says.
  background_tasks_changed: line => {
    const open = listAt(line, 'tasks').filter(task => !isObject(task) || (task.ambient !== true && isOpen(task)))
    return [{ kind: 'background', open: open.map(task => textAt(task, 'description') ?? 'a task') }]
  },
  task_notification: line => {
    if (!['stopped', 'killed'].includes(textAt(line, 'status') ?? '')) return []
    const text = `work in the background was stopped: ${textAt(line, 'summary') ?? ''}`
    return [{ kind: 'problem', outcome: 'error', failure: 'unfinished', text }]
  },
}

const ENDED = ['completed', 'failed', 'stopped', 'killed']
const isOpen = (task: Json) => !ENDED.includes(textAt(task, 'status') ?? '')

/**
 * `rate_limit_info`, which the ACP bridge of Claude passes on as it is. Beyond a limit the account may pay for more.
 */
export function limitOf(info: Json): AgentEvent[] {
  const status = textAt(info, 'status')
  if (status === null) return []
  const isPaid = info.isUsingOverage === true || (textAt(info, 'overageStatus') ?? 'rejected') !== 'rejected'
  const isReached = status === 'rejected' && !isPaid
  return [{ kind: 'limit', isReached, resetAt: isReached ? isoFromSeconds(numberAt(info, 'resetsAt')) : null }]
}

/** By the types of the agent's SDK, 0.3.185. */
const PROBLEMS: Record<string, { outcome: Outcome; failure: Failure }> = {
  authentication_failed: { outcome: 'error', failure: 'auth' },
  oauth_org_not_allowed: { outcome: 'error', failure: 'auth' },
  rate_limit: { outcome: 'usage_limit', failure: 'usage_limit' },
  server_error: { outcome: 'error', failure: 'overloaded' },
  overloaded: { outcome: 'error', failure: 'overloaded' },
  max_output_tokens: { outcome: 'error', failure: 'turns' },
}

function problemOf(line: Json): AgentEvent[] {
  const error = textAt(line, 'error')
  if (error === null) return []
  const text = contentText(objectAt(line, 'message').content) || error
  return [{ kind: 'problem', ...(PROBLEMS[error] ?? { outcome: 'error', failure: 'other' }), text }]
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
