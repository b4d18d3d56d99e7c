/**
 * The Agent Client Protocol, version 1: JSON-RPC, one message a line, as the agent sends them. Run against opencode
 * 1.18.33. A turn ends with the answer to `session/prompt`; its cost counts from the beginning of the conversation.
 */
import type { AgentEvent, Failure, Json, Outcome, Reader } from './event.ts'
import { contentText, countAt, isObject, numberAt, objectAt, textAt, toolDetail } from './fields.ts'

export const acp: Reader = line => {
  if (line.jsonrpc !== '2.0') return null
  const method = textAt(line, 'method')
  if (method === 'session/update') return updateEvents(objectAt(line, 'params', 'update'))
  if (method === 'session/request_permission') return permission(line)
  if (method !== null) return []
  return isObject(line.error) ? failed(line.error) : answerEvents(objectAt(line, 'result'))
}

function answerEvents(result: Json): AgentEvent[] {
  const version = textAt(result, 'agentInfo', 'version')
  if (version !== null) return [{ kind: 'session', resumeRef: null, version, model: null }]
  const resumeRef = textAt(result, 'sessionId')
  if (resumeRef !== null) return [{ kind: 'session', resumeRef, version: null, model: null }]
  const reason = textAt(result, 'stopReason')
  return reason === null ? [] : [...usageOf(result), { kind: 'terminal', ...verdictOf(reason), summary: '' }]
}

const REASONS: Record<string, { outcome: Outcome; failure: Failure | null }> = {
  end_turn: { outcome: 'success', failure: null },
  max_tokens: { outcome: 'error', failure: 'turns' },
  max_turn_requests: { outcome: 'error', failure: 'turns' },
  refusal: { outcome: 'error', failure: 'refusal' },
  cancelled: { outcome: 'error', failure: 'interrupted' },
}

function verdictOf(reason: string): { outcome: Outcome; failure: Failure | null } {
  return REASONS[reason] ?? { outcome: 'error', failure: 'other' }
}

/** -32000 is the protocol's own code for a login that is missing. */
function failed(error: Json): AgentEvent[] {
  const failure = numberAt(error, 'code') === -32000 ? 'auth' : 'other'
  return [
    { kind: 'terminal', outcome: 'error', failure, summary: textAt(error, 'message') ?? 'the agent gave an error' },
  ]
}

function usageOf(result: Json): AgentEvent[] {
  const used = objectAt(result, 'usage')
  if (!('inputTokens' in used)) return []
  const inputTokens =
    countAt(used, 'inputTokens') + countAt(used, 'cachedReadTokens') + countAt(used, 'cachedWriteTokens')
  return [{ kind: 'usage', inputTokens, outputTokens: countAt(used, 'outputTokens'), costUsd: null, counts: 'step' }]
}

function updateEvents(update: Json): AgentEvent[] {
  const said = contentText(update.content)
  switch (textAt(update, 'sessionUpdate')) {
    case 'agent_message_chunk':
      return [{ kind: 'message', from: 'agent', text: said, isPart: true }]
    case 'user_message_chunk':
      return [{ kind: 'message', from: 'user', text: said, isPart: true }]
    case 'agent_thought_chunk':
      return [{ kind: 'thought', text: said, isPart: true }]
    case 'tool_call':
    case 'tool_call_update':
      return toolEvents(update, said)
    case 'usage_update': {
      const costUsd = textAt(update, 'cost', 'currency') === 'USD' ? numberAt(update, 'cost', 'amount') : null
      return costUsd === null ? [] : [{ kind: 'usage', inputTokens: 0, outputTokens: 0, costUsd, counts: 'cost' }]
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
  return [{ kind: 'tool', id: textAt(update, 'toolCallId') ?? '', name, detail, state, output }]
}

function permission(line: Json): AgentEvent[] {
  const call = objectAt(line, 'params', 'toolCall')
  const detail = toolDetail(objectAt(call, 'rawInput')) || (textAt(call, 'title') ?? '')
  return [
    { kind: 'permission', request: JSON.stringify(line.id ?? null), tool: textAt(call, 'kind') ?? 'tool', detail },
  ]
}
