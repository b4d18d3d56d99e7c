/**
 * Codex: the notifications and requests of `codex app-server`, JSON-RPC without its version field (0.169, run). Its
 * errors have a kind (`codexErrorInfo`), its usage counts from the beginning of the thread, and it knows no prices.
 */
import type { AgentEvent, Failure, Json, Outcome, Reader } from './event.ts'
import { countAt, isObject, isoFromSeconds, listAt, numberAt, objectAt, textAt } from './fields.ts'

export const codex: Reader = line => {
  const method = textAt(line, 'method')
  if (method !== null) return METHODS[method]?.(objectAt(line, 'params'), line) ?? (isCodex(method) ? [] : null)
  const steered = /^steer:(.+)$/.exec(textAt(line, 'id') ?? '')?.[1]
  if (steered !== undefined) return [{ kind: isObject(line.error) ? 'rejected' : 'accepted', prompt: steered }]
  // An error without the id of a request answers none: its turn goes on.
  if (isObject(line.error) && line.id !== 'stop' && (line.id ?? null) !== null) {
    const summary = textAt(line.error, 'message') ?? 'codex gave an error'
    return [{ kind: 'terminal', outcome: 'error', failure: 'other', summary }]
  }
  const begun = /^turn:(.+)$/.exec(textAt(line, 'id') ?? '')?.[1]
  if (begun !== undefined) return [{ kind: 'accepted', prompt: begun }]
  const result = objectAt(line, 'result')
  if (isObject(result.thread)) {
    const resumeRef = textAt(result, 'thread', 'id')
    return [
      { kind: 'session', resumeRef, version: textAt(result, 'thread', 'cliVersion'), model: textAt(result, 'model') },
    ]
  }
  return 'userAgent' in result || isObject(result.turn) ? [] : null
}

const isCodex = (method: string) =>
  /^(thread|turn|item|account|remoteControl|mcpServer|configWarning|warning|error)\b/.test(method)

const METHODS: Record<string, (params: Json, line: Json) => AgentEvent[]> = {
  'item/started': ({ item }) => itemEvents(item, 'started'),
  'item/completed': ({ item }) => itemEvents(item, 'completed'),
  'item/commandExecution/requestApproval': (params, line) =>
    permission(line, 'command', textAt(params, 'command') ?? ''),
  'item/fileChange/requestApproval': (params, line) => permission(line, 'change', textAt(params, 'reason') ?? ''),
  'thread/tokenUsage/updated': params => {
    const total = objectAt(params, 'tokenUsage', 'total')
    const tokens = { inputTokens: countAt(total, 'inputTokens'), outputTokens: countAt(total, 'outputTokens') }
    return [{ kind: 'usage', ...tokens, costUsd: null, counts: 'conversation' }]
  },
  'account/rateLimits/updated': params => {
    const limits = objectAt(params, 'rateLimits')
    const windows = ['primary', 'secondary'].map(name => objectAt(limits, name))
    const known = windows.filter(window => numberAt(window, 'usedPercent') !== null)
    if (known.length === 0) return []
    const full = known.filter(window => (numberAt(window, 'usedPercent') ?? 0) >= 100)
    const credits = objectAt(limits, 'credits')
    // Beyond a full window the account may have credits to go on with.
    const isReached = full.length > 0 && credits.hasCredits !== true && credits.unlimited !== true
    const resets = full.flatMap(window => numberAt(window, 'resetsAt') ?? [])
    const resetAt = isReached && resets.length > 0 ? isoFromSeconds(Math.max(...resets)) : null
    return [{ kind: 'limit', isReached, resetAt }]
  },
  error: params => {
    if (params.willRetry !== true) return []
    return [{ kind: 'retrying', attempt: 0, reason: textAt(params, 'error', 'message') ?? '' }]
  },
  'turn/completed': params => {
    const turn = objectAt(params, 'turn')
    return [{ kind: 'terminal', ...verdictOf(turn), summary: textAt(turn, 'error', 'message') ?? lastMessage(turn) }]
  },
}

function permission(line: Json, tool: string, detail: string): AgentEvent[] {
  return [{ kind: 'permission', request: JSON.stringify(line.id ?? null), tool, detail }]
}

function itemEvents(item: unknown, at: 'started' | 'completed'): AgentEvent[] {
  const id = textAt(item, 'id') ?? ''
  const isDone = at === 'completed'
  switch (textAt(item, 'type')) {
    case 'agentMessage':
      return isDone ? [{ kind: 'message', from: 'agent', text: textAt(item, 'text') ?? '', isPart: false }] : []
    case 'userMessage': {
      if (!isDone) return []
      const text = listAt(item, 'content')
        .map(part => textAt(part, 'text') ?? '')
        .join('\n')
      return [{ kind: 'message', from: 'user', text, isPart: false }]
    }
    case 'reasoning':
      return isDone ? [{ kind: 'thought', text: listAt(item, 'summary').join('\n'), isPart: false }] : []
    case 'commandExecution': {
      const state = toolState(textAt(item, 'status'))
      const tool = { id, name: 'command', detail: textAt(item, 'command') ?? '', state } as const
      return [{ kind: 'tool', ...tool, output: textAt(item, 'aggregatedOutput') ?? '' }, ...declined(item, 'command')]
    }
    case 'fileChange': {
      const state = toolState(textAt(item, 'status'))
      const paths = listAt(item, 'changes').flatMap(change => textAt(change, 'path') ?? [])
      const tool = { id, name: 'change', detail: paths.join(', '), state } as const
      return [{ kind: 'tool', ...tool, output: '' }, ...declined(item, 'change')]
    }
    case 'mcpToolCall': {
      const state = toolState(textAt(item, 'status'))
      return [{ kind: 'tool', id, name: textAt(item, 'tool') ?? 'mcp', detail: '', state, output: '' }]
    }
    case 'webSearch': {
      const state = isDone ? 'done' : 'started'
      return [{ kind: 'tool', id, name: 'search', detail: textAt(item, 'query') ?? '', state, output: '' }]
    }
    default:
      return []
  }
}

function declined(item: unknown, tool: string): AgentEvent[] {
  return textAt(item, 'status') === 'declined' ? [{ kind: 'denied', tool }] : []
}

function toolState(status: string | null): 'started' | 'done' | 'failed' {
  if (status === 'inProgress') return 'started'
  return status === 'completed' ? 'done' : 'failed'
}

const KINDS: Record<string, { outcome: Outcome; failure: Failure }> = {
  usageLimitExceeded: { outcome: 'usage_limit', failure: 'usage_limit' },
  rateLimitExceeded: { outcome: 'usage_limit', failure: 'usage_limit' },
  sessionBudgetExceeded: { outcome: 'budget', failure: 'budget' },
  serverOverloaded: { outcome: 'error', failure: 'overloaded' },
  internalServerError: { outcome: 'error', failure: 'overloaded' },
  unauthorized: { outcome: 'error', failure: 'auth' },
}
/** These kinds are objects that carry the HTTP status: connection failed, stream disconnected, too many attempts. */
const NETWORK = [
  'httpConnectionFailed',
  'responseStreamConnectionFailed',
  'responseStreamDisconnected',
  'responseTooManyFailedAttempts',
]

function verdictOf(turn: Json): { outcome: Outcome; failure: Failure | null } {
  const status = textAt(turn, 'status')
  if (status === 'completed' && !isObject(turn.error)) return { outcome: 'success', failure: null }
  if (status === 'interrupted') return { outcome: 'error', failure: 'interrupted' }
  const info = objectAt(turn, 'error').codexErrorInfo
  const known = typeof info === 'string' ? KINDS[info] : undefined
  if (known) return known
  const carrier = NETWORK.find(name => isObject(info) && name in info)
  if (carrier === undefined) return { outcome: 'error', failure: 'other' }
  const http = numberAt(info, carrier, 'httpStatusCode')
  if (http === 401 || http === 403) return { outcome: 'error', failure: 'auth' }
  if (http === 429) return { outcome: 'usage_limit', failure: 'usage_limit' }
  return { outcome: 'error', failure: http === null ? 'network' : 'overloaded' }
}

function lastMessage(turn: Json): string {
  const said = listAt(turn, 'items').flatMap(item =>
    textAt(item, 'type') === 'agentMessage' ? (textAt(item, 'text') ?? []) : [],
  )
  return said.at(-1) ?? ''
}
