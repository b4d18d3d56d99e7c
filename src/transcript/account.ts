/** What a run has reported so far, added up; and what it was worth, once it is over. Pure. */
import type { AgentSession } from '../protocol/agent-api.ts'
import type { AgentEvent, Failure, Outcome } from './event.ts'
import { failureNamed, failureSaid, isAboutConversation, type Named } from './failure-words.ts'

export interface Account {
  resumeRef: string | null
  agentVersion: string | null
  model: string | null
  usage: NonNullable<AgentSession['usage']> | null
  /** When the limit that was last reported is lifted. */
  resetAt: string | null
  /** The last statement was that a limit is reached, and nothing was done since. */
  isLimited: boolean
  retrying: { attempt: number; reason: string; since: string } | null
  /** The agent's last message, which is its summary when it reports no other. */
  said: string
  /** Tools that were not allowed. */
  denied: string[]
  /** The last failure that was reported, until the agent goes on. */
  problem: (Named & { text: string }) | null
  /** It has opened its conversation, or taken a prompt, since it was started. */
  hasOpened: boolean
  /** It has thought, used a tool or written something since then. */
  hasActed: boolean
  /** Calls of tools that have begun and not ended, by id. */
  openTools: readonly string[]
  /** Work beside the turns that is not over. */
  background: readonly string[]
  /** Null while a turn is under way. */
  terminal: Ending | null
}

export interface Ending {
  outcome: Outcome
  failure: Failure | null
  summary: string
}

const SUMMARY_LENGTH_MAX = 4_000
const DENIED_MAX = 20
const TOOLS_MAX = 64

export const NOTHING_SAID: Account = {
  resumeRef: null,
  agentVersion: null,
  model: null,
  usage: null,
  resetAt: null,
  isLimited: false,
  retrying: null,
  said: '',
  denied: [],
  problem: null,
  hasOpened: false,
  hasActed: false,
  openTools: [],
  background: [],
  terminal: null,
}

export function take(account: Account, event: AgentEvent, at: string): Account {
  switch (event.kind) {
    case 'session':
      return {
        ...account,
        resumeRef: event.resumeRef ?? account.resumeRef,
        hasOpened: account.hasOpened || event.resumeRef !== null,
        agentVersion: event.version ?? account.agentVersion,
        model: event.model ?? account.model,
      }
    case 'message': {
      if (event.from === 'user') return goneOn(account)
      const said = event.isPart ? account.said + event.text : event.text
      const after = event.text.trim() === '' ? begun(account) : goneOn(account)
      return { ...after, said: said.slice(-SUMMARY_LENGTH_MAX) }
    }
    case 'tool':
      // The message after its last tool is its summary.
      return {
        ...goneOn(account),
        hasActed: true,
        said: event.state === 'started' ? '' : account.said,
        openTools: toolsAfter(account.openTools, event),
      }
    case 'thought':
      return { ...goneOn(account), hasActed: true }
    case 'turn':
      return goneOn(account)
    case 'accepted':
    case 'permission':
      return { ...begun(account), hasOpened: true }
    case 'denied':
      return { ...account, denied: [...account.denied, event.tool].slice(0, DENIED_MAX) }
    case 'usage':
      return { ...account, usage: addUsage(account.usage, event), hasActed: account.hasActed || isOfThisRun(event) }
    case 'limit':
      return { ...account, isLimited: event.isReached, resetAt: event.resetAt }
    case 'problem': {
      const { outcome, failure, text } = event
      return { ...account, problem: { outcome, failure, text: text.slice(0, SUMMARY_LENGTH_MAX) } }
    }
    case 'background':
      return { ...account, background: event.open }
    case 'retrying': {
      const since = account.retrying?.since ?? at
      return { ...begun(account), retrying: { attempt: event.attempt, reason: event.reason.slice(0, 500), since } }
    }
    case 'terminal': {
      const { outcome, failure } = event
      const summary = (event.summary || account.said).slice(0, SUMMARY_LENGTH_MAX)
      return { ...account, retrying: null, openTools: [], terminal: { outcome, failure, summary } }
    }
    case 'nested':
    case 'rejected':
    case 'raw':
      return account
  }
}

/** Tokens that were written now; those of a conversation may be older. */
const isOfThisRun = ({ outputTokens, counts }: Extract<AgentEvent, { kind: 'usage' }>) =>
  outputTokens > 0 && counts !== 'conversation'

function begun(account: Account): Account {
  return { ...account, terminal: null, retrying: null }
}

/** The model has answered, so no limit and no failure that was reported before was the end. */
function goneOn(account: Account): Account {
  return { ...begun(account), problem: null, isLimited: false }
}

/** What an agent does not tell the end of is forgotten with the turn, or by what comes after it. */
function toolsAfter(open: readonly string[], { id, state }: Extract<AgentEvent, { kind: 'tool' }>): readonly string[] {
  const others = open.filter(one => one !== id)
  return state === 'started' ? [...others, id].slice(-TOOLS_MAX) : others
}

/**
 * How the last turn ended, by everything that was reported; null while one is under way. An end that is called good is not
 * when the last thing before or after it was a failure, in the agent's own terms or, where it has none, in words.
 */
export function endingOf({ terminal, problem }: Account): Ending | null {
  if (terminal === null) return null
  const { outcome, failure, summary } = terminal
  if (outcome === 'success') {
    const named = problem ?? failureSaid(summary)
    return named === null ? terminal : { ...named, summary: summary || (problem?.text ?? '') }
  }
  if (failure !== 'other') return terminal
  return { ...(problem ?? failureNamed(summary)), summary: summary || (problem?.text ?? '') }
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

export interface Verdict extends Omit<Ending, 'summary'> {
  summary: string | null
}

/**
 * Success is a terminal event and an exit code, never one alone: agents end with 0 after a signal, say "success" about
 * an error, and pass over what was denied to them.
 */
export function verdictOf(account: Account, exit: { exitCode: number | null; signal: string | null }): Verdict {
  const { denied, said, background } = account
  const ending = endingOf(account)
  const summary = ending?.summary || said || null
  if (ending === null) {
    // An agent that was denied what it needed may just stop.
    return denied.length > 0 ? deniedVerdict(denied, summary) : unfinished(account, exit, summary)
  }
  if (ending.outcome !== 'success') return { outcome: ending.outcome, failure: ending.failure, summary }
  if (exit.exitCode !== 0) return { outcome: 'error', failure: exit.signal === null ? 'other' : 'interrupted', summary }
  if (background.length > 0) return cutOff(background, summary)
  return denied.length > 0 ? deniedVerdict(denied, summary) : { outcome: 'success', failure: null, summary }
}

const UNEXPLAINED: readonly (Failure | null)[] = ['other', 'unfinished']

/**
 * Of a run that went on with a conversation: one that fails before it has opened it, or whose words say that the conversation is
 * not there or too long, before it has done anything.
 */
export function resumedVerdict({ hasOpened, hasActed }: Account, verdict: Verdict): Verdict {
  const { outcome, failure, summary } = verdict
  if (hasActed || outcome !== 'error' || !UNEXPLAINED.includes(failure)) return verdict
  return hasOpened && !isAboutConversation(summary ?? '') ? verdict : { ...verdict, failure: 'conversation' }
}

function unfinished(
  { isLimited, retrying, problem }: Account,
  exit: { exitCode: number | null; signal: string | null },
  summary: string | null,
): Verdict {
  if (isLimited) return { outcome: 'usage_limit', failure: 'usage_limit', summary }
  if (retrying !== null) return { outcome: 'error', failure: 'network', summary: summary ?? retrying.reason }
  if (problem !== null) return { outcome: problem.outcome, failure: problem.failure, summary: summary ?? problem.text }
  return { outcome: 'error', failure: exit.exitCode === null ? 'interrupted' : 'unfinished', summary }
}

function cutOff(background: readonly string[], summary: string | null): Verdict {
  const open = background.join(', ').slice(0, 500)
  const said = summary ? `. It said: ${summary}` : ''
  return {
    outcome: 'error',
    failure: 'unfinished',
    summary: `it ended while this went on in the background: ${open}${said}`,
  }
}

function deniedVerdict(denied: readonly string[], summary: string | null): Verdict {
  const tools = [...new Set(denied)].join(', ')
  return {
    outcome: 'permission_denied',
    failure: 'denied',
    summary: `it was not allowed to use ${tools}${summary ? `. It said: ${summary}` : ''}`,
  }
}
