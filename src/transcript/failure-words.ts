/**
 * What words alone say of a failure: some agents end a turn as if it were done and only say that it went wrong, and some
 * protocols have no code for why. Words are the last thing that is asked; a status, a code or a kind comes first. Pure.
 */
import type { Failure, Outcome } from './event.ts'

export interface Named {
  outcome: Outcome
  failure: Failure
}

/** A limit that time lifts. A quota may be one that money lifts, so its name alone is no limit. */
const LIMIT =
  /\b(?:usage|rate|session|weekly|daily|hourly|\d+[ -]hour)[ _-]?limit(?:s|ed)?\b|\bhit your\b.{0,40}\blimit\b|\btoo many requests\b/i
const AUTH =
  /\b40[13]\b|\bunauthori[sz]ed\b|\bunauthenticated\b|\bauthenticat(?:e|ed|ion)\b|\bapi[ -]?key\b|\bnot logged in\b|\bplease log in\b|\/login\b|\binvalid credentials\b|\bforbidden\b/i
const OVERLOADED = /\b5\d\d\b|\boverloaded\b|\bservice unavailable\b|\binternal server error\b/i
const NETWORK =
  /\bE(?:CONN\w+|NOTFOUND|TIMEDOUT|AI_AGAIN|PIPE)\b|\bfetch failed\b|\bsocket hang up\b|\b(?:network|connection) (?:error|failure|failed|refused|reset|lost|timed out)\b|\brequest timed out\b/i
/** Causes that are named without being one of those above. */
const OTHER_CAUSE =
  /\b4\d\d\b|\bquota\b|\bcredit balance\b|\bai model\b|\bmodel\b.{0,60}\b(?:not found|does not exist)\b/i

/** Of text that is known to be about a failure. */
export function failureNamed(text: string): Named {
  if (LIMIT.test(text)) return { outcome: 'usage_limit', failure: 'usage_limit' }
  if (AUTH.test(text)) return { outcome: 'error', failure: 'auth' }
  if (OVERLOADED.test(text)) return { outcome: 'error', failure: 'overloaded' }
  if (NETWORK.test(text)) return { outcome: 'error', failure: 'network' }
  return { outcome: 'error', failure: 'other' }
}

/**
 * How a text begins that is an error and not a report on one: `[API Error: 401 …`, `Execution failed: …`, `401 …`. After
 * such words comes a stop or a cause; "Error handling was added" and "Invalid API keys are refused now" are work.
 */
const LEADS: readonly RegExp[] = [
  /^\W*(?:(?:api|internal|server|network|provider|model|request|connection|http|authentication|fatal|unexpected|execution|stream|client|gateway|upstream|llm)\s){0,3}[\w.-]*(?:error|exception)\s*(?:\(?\d{3}\)?\s*)?:/i,
  /^\W*(?:the\s)?(?:(?:api|model|llm|agent)\s)?(?:execution|request|authentication|login|connection)\s(?:has\s)?failed(?=\s*[:.,(·]|\swith\b|\s*$)/i,
  /^\W*(?:HTTP\s*)?(?:40[13]|429|5\d\d)\b(?:\s|:|$)/i,
  /^\W*failed to (?:authenticate|log ?in|connect|get (?:a )?response)(?=\s*[:.,;(·]|\s(?:with|to|from)\b|\s*$)/i,
  /^\W*(?:not logged in|please (?:log ?in|run \/login)|(?:invalid|incorrect) (?:x-)?api[ -]?key(?: provided)?|unauthori[sz]ed)(?=\s*[:.,;(·!]|\s*$)/i,
  /^\W*you(?:['’]ve| have)? (?:hit|reached|exceeded) your\b.{0,60}\blimit\b/i,
  /^\W*(?:claude (?:ai )?)?(?:usage|rate|session|weekly) limit (?:has been )?(?:reached|exceeded|hit)(?=\s*[:.,;(·|!]|\s(?:until|resets?|for|please|try)\b|\s*$)/i,
]
const LENGTH_MAX = 4_000

/** Of an agent's own words, which are mostly about its work: the failure that they are, or null. */
export function failureSaid(text: string): Named | null {
  const words = text.trim()
  if (words === '' || words.length > LENGTH_MAX || !LEADS.some(lead => lead.test(words))) return null
  const named = failureNamed(words)
  return named.failure !== 'other' || OTHER_CAUSE.test(words) ? named : null
}

/** What a tool's output says when its use was refused, by a person, a policy or the agent's own rules. */
const REFUSED =
  /\brejected permission\b|\b(?:user|policy) (?:has )?(?:rejected|refused|denied|declined|cancell?ed)\b|\b(?:rejected|refused|denied|declined|cancell?ed) by (?:the )?(?:user|policy)\b|\bpermission to use \S+ (?:has been |was )?denied\b|\brequested permissions? to\b.{0,200}\bhaven't granted\b/i

export function isRefusal(output: string): boolean {
  return REFUSED.test(output.slice(0, LENGTH_MAX))
}

/** What an agent says of a conversation that it cannot go on with. */
const CONVERSATION =
  /\b(?:prompt|input|conversation|context)\b.{0,40}\b(?:too long|too large|exceed(?:s|ed)?)\b|\bcontext[_ ](?:window|length)\b|\b(?:conversation|session|thread|rollout)s?\b.{0,120}\bnot found\b|\bno (?:conversation|session|thread|rollout) found\b/i

export function isAboutConversation(text: string): boolean {
  return CONVERSATION.test(text.slice(0, LENGTH_MAX))
}
