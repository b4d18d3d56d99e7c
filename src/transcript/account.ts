/** What a run has said so far, added up; and what it was worth, once it is over. Pure. */
import type { AgentSession } from '../protocol/agent-api.ts'
import type { AgentEvent, Failure, Outcome } from './event.ts'

export interface Account {
  resumeRef: string | null
  agentVersion: string | null
  model: string | null
  usage: NonNullable<AgentSession['usage']> | null
  resetAt: string | null
  retrying: { attempt: number; reason: string; since: string } | null
  /** The last thing that the agent said, which is its summary when it says no other. */
  said: string
  /** Tools that were not allowed. */
  denied: string[]
  /** Null while a turn is under way. */
  terminal: { outcome: Outcome; failure: Failure | null; summary: string } | null
}

const SUMMARY_LENGTH_MAX = 4_000
const DENIED_MAX = 20

export const NOTHING_SAID: Account = {
  ...{ resumeRef: null, agentVersion: null, model: null, usage: null, resetAt: null, retrying: null },
  ...{ said: '', denied: [], terminal: null },
}

export function take(account: Account, event: AgentEvent, at: string): Account {
  switch (event.kind) {
    case 'session':
      return {
        ...account,
        resumeRef: event.resumeRef ?? account.resumeRef,
        agentVersion: event.version ?? account.agentVersion,
        model: event.model ?? account.model,
      }
    case 'message': {
      if (event.from === 'user') return begun(account)
      const said = event.isPart ? account.said + event.text : event.text
      return { ...begun(account), said: said.slice(-SUMMARY_LENGTH_MAX) }
    }
    case 'tool':
      // What it says after its last tool is its summary.
      return { ...begun(account), said: event.state === 'started' ? '' : account.said }
    case 'thought':
    case 'turn':
    case 'accepted':
    case 'permission':
      return begun(account)
    case 'denied':
      return { ...account, denied: [...account.denied, event.tool].slice(0, DENIED_MAX) }
    case 'usage':
      return { ...account, usage: addUsage(account.usage, event) }
    case 'limit':
      return { ...account, resetAt: event.resetAt }
    case 'retrying': {
      const since = account.retrying?.since ?? at
      return { ...begun(account), retrying: { attempt: event.attempt, reason: event.reason.slice(0, 500), since } }
    }
    case 'terminal': {
      const { outcome, failure } = event
      const summary = (event.summary || account.said).slice(0, SUMMARY_LENGTH_MAX)
      return { ...account, retrying: null, terminal: { outcome, failure, summary } }
    }
    case 'rejected':
    case 'raw':
      return account
  }
}

function begun(account: Account): Account {
  return { ...account, terminal: null, retrying: null }
}

function addUsage(before: Account['usage'], event: Extract<AgentEvent, { kind: 'usage' }>): Account['usage'] {
  const { inputTokens, outputTokens, costUsd, counts } = event
  const known = before ?? { inputTokens: 0, outputTokens: 0, costUsd: null }
  if (counts === 'cost') return { ...known, costUsd }
  if (counts !== 'step')
    return { inputTokens, outputTokens, costUsd, ...(counts === 'conversation' ? { cumulative: true } : {}) }
  return {
    inputTokens: known.inputTokens + inputTokens,
    outputTokens: known.outputTokens + outputTokens,
    costUsd: costUsd === null ? known.costUsd : (known.costUsd ?? 0) + costUsd,
  }
}

export interface Verdict {
  outcome: Outcome
  failure: Failure | null
  summary: string | null
}

/**
 * Success is a terminal event and an exit code, never one alone: agents end with 0 after a signal, say "success" about
 * an error, and pass over what was denied to them.
 */
export function verdictOf(account: Account, exit: { exitCode: number | null; signal: string | null }): Verdict {
  const { terminal, denied, said } = account
  const summary = terminal?.summary || said || null
  if (terminal === null) {
    // An agent that was denied what it needed may just stop.
    return denied.length > 0 ? deniedVerdict(denied, summary) : unfinished(account, exit, summary)
  }
  if (terminal.outcome !== 'success') return { outcome: terminal.outcome, failure: terminal.failure, summary }
  if (exit.exitCode !== 0) return { outcome: 'error', failure: exit.signal === null ? 'other' : 'interrupted', summary }
  return denied.length > 0 ? deniedVerdict(denied, summary) : { outcome: 'success', failure: null, summary }
}

function unfinished(
  { resetAt, retrying }: Account,
  exit: { exitCode: number | null; signal: string | null },
  summary: string | null,
): Verdict {
  if (resetAt !== null) return { outcome: 'usage_limit', failure: 'usage_limit', summary }
  if (retrying !== null) return { outcome: 'error', failure: 'network', summary: summary ?? retrying.reason }
  return { outcome: 'error', failure: exit.exitCode === null ? 'interrupted' : 'unfinished', summary }
}

function deniedVerdict(denied: readonly string[], summary: string | null): Verdict {
  const tools = [...new Set(denied)].join(', ')
  return {
    outcome: 'permission_denied',
    failure: 'denied',
    summary: `it was not allowed to use ${tools}${summary ? `. It said: ${summary}` : ''}`,
  }
}
