/**
 * The Agent Client Protocol, version 1: JSON-RPC, one message a line, as the agent sends them. Run against opencode
 * 1.18.33. A turn ends with the answer to `session/prompt`; its cost counts from the beginning of the conversation.
 * Some agents end a turn well whose model was never reached, and say so in words or in `_meta` alone.
 */
import { limitOf } from './claude.ts'
import type { AgentEvent, Failure, Json, Outcome, Reader } from './event.ts'
import { failureNamed, failureSaid, isRefusal, type Named } from './failure-words.ts'
import { contentText, countAt, isObject, numberAt, objectAt, textAt, toolDetail } from './fields.ts'

export const acp: Reader = line => {
  if (line.jsonrpc !== '2.0') return null
  const method = textAt(line, 'method')
  if (method === 'session/update') return updateEvents(objectAt(line, 'params', 'update'))
  if (method === 'session/request_permission') return permission(line)
  if (method !== null) return []
  if (!isObject(line.error)) return answerEvents(objectAt(line, 'result'))
  const failure = failed(line.error)
  // An error without the id of a request answers none (JSON-RPC 2.0, 5.1): its turn goes on.
  return (line.id ?? null) === null ? [{ kind: 'problem', ...failure }] : [terminal(failure, failure.text)]
}

function answerEvents(result: Json): AgentEvent[] {
  const version = textAt(result, 'agentInfo', 'version')
  if (version !== null) return [{ kind: 'session', resumeRef: null, version, model: null }]
  const resumeRef = textAt(result, 'sessionId')
  if (resumeRef !== null) return [{ kind: 'session', resumeRef, version: null, model: null }]
  const reason = textAt(result, 'stopReason')
  if (reason === null) return []
  const usage = usageOf(result)
  const hidden = reason === 'end_turn' ? errorIn(result._meta) : null
  if (hidden !== null) return [...usage, terminal(failureNamed(hidden), hidden)]
  return [...usage, terminal(REASONS[reason] ?? { outcome: 'error', failure: 'other' }, '')]
}

const terminal = (named: { outcome: Outcome; failure: Failure | null }, summary: string): AgentEvent => ({
  kind: 'terminal',
  outcome: named.outcome,
  failure: named.failure,
  summary,
})

const REASONS: Record<string, { outcome: Outcome; failure: Failure | null }> = {
  end_turn: { outcome: 'success', failure: null },
  max_tokens: { outcome: 'error', failure: 'turns' },
  max_turn_requests: { outcome: 'error', failure: 'turns' },
  refusal: { outcome: 'error', failure: 'refusal' },
  cancelled: { outcome: 'error', failure: 'interrupted' },
}

const META_DEPTH_MAX = 3

/** The text of an error in a message's `_meta`, whatever its agent calls the field; null when there is none. */
function errorIn(meta: unknown, depth = 0): string | null {
  if (!isObject(meta) || depth >= META_DEPTH_MAX) return null
  for (const [name, value] of Object.entries(meta)) {
    if (/error(?:message|text|kind|code)?$/i.test(name)) {
      if (typeof value === 'string' && value.trim() !== '') return value
      if (isObject(value) && Object.keys(value).length > 0) return textAt(value, 'message') ?? JSON.stringify(value)
      if (value === true) return name
    }
    const inner = errorIn(value, depth + 1)
    if (inner !== null) return inner
  }
  return null
}

/** By its code, then by what `data` says of its kind and status, then by its words. */
function failed(error: Json): Named & { text: string } {
  const code = numberAt(error, 'code') ?? 0
  const data = objectAt(error, 'data')
  const kind = ['errorKind', 'kind', 'type', 'code', 'errorName'].map(name => textAt(data, name) ?? '').join(' ')
  const status = ['status', 'statusCode', 'httpStatus', 'code'].map(name => numberAt(data, name)).find(isStatus) ?? code
  const details = textAt(data, 'details') ?? textAt(data, 'message') ?? textAt(error, 'data') ?? ''
  const message = textAt(error, 'message') ?? 'the agent gave an error'
  const text = details && !message.includes(details) ? `${message}: ${details}` : message
  if (status === 429 || LIMIT_KIND.test(kind) || /\b429\b/.test(text)) {
    return { outcome: 'usage_limit', failure: 'usage_limit', text }
  }
  // -32000 is the protocol's own code for a login that is missing.
  if (code === -32000 || status === 401 || status === 403 || /auth/i.test(kind)) {
    return { outcome: 'error', failure: 'auth', text }
  }
  if (status >= 500 && status < 600) return { outcome: 'error', failure: 'overloaded', text }
  return { ...failureNamed(text), text }
}

const LIMIT_KIND = /rate_?limit|usage_?limit|too_?many_?requests/i
const isStatus = (code: number | null): code is number => code !== null && code >= 400 && code < 600

/** Of a turn: in the protocol's own field, or in `_meta` (Gemini CLI 0.61). */
function usageOf(result: Json): AgentEvent[] {
  const used = objectAt(result, 'usage')
  if ('inputTokens' in used) {
    const inputTokens =
      countAt(used, 'inputTokens') + countAt(used, 'cachedReadTokens') + countAt(used, 'cachedWriteTokens')
    return [tokens(inputTokens, countAt(used, 'outputTokens'))]
  }
  const counted = objectAt(result, '_meta', 'quota', 'token_count')
  return 'input_tokens' in counted ? [tokens(countAt(counted, 'input_tokens'), countAt(counted, 'output_tokens'))] : []
}

/** Of one answer of the model, reported with a piece of it (Qwen Code 0.15); its input holds what was cached. */
function usageBeside(update: Json): AgentEvent[] {
  const used = objectAt(update, '_meta', 'usage')
  return 'inputTokens' in used ? [tokens(countAt(used, 'inputTokens'), countAt(used, 'outputTokens'))] : []
}

const tokens = (inputTokens: number, outputTokens: number): AgentEvent => ({
  kind: 'usage',
  inputTokens,
  outputTokens,
  costUsd: null,
  counts: 'step',
})

function updateEvents(update: Json): AgentEvent[] {
  const said = contentText(update.content)
  switch (textAt(update, 'sessionUpdate')) {
    case 'agent_message_chunk':
      return [
        { kind: 'message', from: 'agent', text: said, isPart: true },
        ...problemSaid(said),
        ...usageBeside(update),
      ]
    case 'user_message_chunk':
      return [{ kind: 'message', from: 'user', text: said, isPart: true }]
    case 'agent_thought_chunk':
      return [{ kind: 'thought', text: said, isPart: true }]
    case 'tool_call':
    case 'tool_call_update':
      return toolEvents(update, said)
    case 'usage_update': {
      const costUsd = textAt(update, 'cost', 'currency') === 'USD' ? numberAt(update, 'cost', 'amount') : null
      // The bridge of Claude passes on what its service says of limits.
      const limit = limitOf(objectAt(update, '_meta', '_claude/rateLimit'))
      if (costUsd === null) return limit
      return [{ kind: 'usage', inputTokens: 0, outputTokens: 0, costUsd, counts: 'cost' }, ...limit]
    }
    default:
      return []
  }
}

function toolEvents(update: Json, output: string): AgentEvent[] {
  const status = textAt(update, 'status')
  const state = status === 'completed' ? 'done' : status === 'failed' ? 'failed' : 'started'
  const name = textAt(update, 'kind') ?? ''
  const detail = toolDetail(objectAt(update, 'rawInput')) || (textAt(update, 'title') ?? '')
  const tool: AgentEvent = { kind: 'tool', id: textAt(update, 'toolCallId') ?? '', name, detail, state, output }
  return state === 'failed' && isRefused(update, output) ? [tool, { kind: 'denied', tool: name || 'a tool' }] : [tool]
}

/** A piece of an answer that is an error of the agent's own comes whole, in one message. */
function problemSaid(text: string): AgentEvent[] {
  const named = failureSaid(text)
  return named === null ? [] : [{ kind: 'problem', ...named, text }]
}

/** GitHub Copilot gives a code; the others say it in words. */
function isRefused({ rawOutput }: Json, output: string): boolean {
  if (['rejected', 'denied', 'cancelled'].includes(textAt(rawOutput, 'code') ?? '')) return true
  return isRefusal(`${output} ${typeof rawOutput === 'string' ? rawOutput : JSON.stringify(rawOutput ?? '')}`)
}

function permission(line: Json): AgentEvent[] {
  const call = objectAt(line, 'params', 'toolCall')
  const detail = toolDetail(objectAt(call, 'rawInput')) || (textAt(call, 'title') ?? '')
  return [
    { kind: 'permission', request: JSON.stringify(line.id ?? null), tool: textAt(call, 'kind') ?? 'tool', detail },
  ]
}
