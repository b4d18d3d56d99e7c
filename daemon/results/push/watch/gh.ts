/**
 * Calls of a forge's API by `gh api`, which has the login of the daemon's user. What was read before and has not changed is
 * answered with 304 and counts for nothing (docs.github.com, "Best practices for using the REST API").
 */
import process from 'node:process'
import type { Config } from '../../../../src/config/schema/config.ts'
import { run } from '../../../../src/platform/run.ts'
import { isOnPath } from '../../../host/programs.ts'
import { forgeEnv, type Place, parsedJson, unavailable } from './view.ts'

const CALL_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024
const SAID_CHARACTERS_MAX = 500
/** Where the forge says nothing of when to come back, and the most that is believed of what it says. */
const [LATER_MS, REST_MS_MAX] = [60_000, 24 * 3_600_000]
/** Requests of an hour to one forge, of those that count: GitHub gives 5 000 to a user. */
const COUNTED_MAX = 3_600
const HOUR_MS = 3_600_000

/** What all watches of a forge may ask for together. Kept in memory: the forge's own count outlives us. */
export interface Allowance {
  /** How long nothing may be asked, in ms; 0: it may be. */
  restMs(host: string, now: number): number
  count(host: string, now: number): void
  rest(host: string, until: number): void
}

export function createAllowance(): Allowance {
  const hosts = new Map<string, { since: number; counted: number; until: number }>()
  const of = (host: string, now: number) => {
    const known = hosts.get(host)
    if (known && now - known.since < HOUR_MS) return known
    const fresh = { since: now, counted: 0, until: known?.until ?? 0 }
    hosts.set(host, fresh)
    return fresh
  }
  return {
    restMs(host, now) {
      const { since, counted, until } = of(host, now)
      const full = counted >= COUNTED_MAX ? since + HOUR_MS : 0
      return Math.max(until, full, now) - now
    },
    count(host, now) {
      of(host, now).counted += 1
    },
    rest(host, until) {
      const entry = of(host, 0)
      entry.until = Math.max(entry.until, until)
    },
  }
}

export interface Address {
  host: string
  /** `owner/name`. */
  repository: string
  number: number
}

/** Null for what is no pull request's address. */
export function addressOf(url: string): Address | null {
  const [, host, repository, number] =
    /^https:\/\/([A-Za-z0-9.:-]+)\/([A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+)\/pull\/([1-9]\d{0,9})\/?$/.exec(url) ?? []
  if (host === undefined || repository === undefined) return null
  return { host: host.toLowerCase(), repository, number: Number(number) }
}

/** What a pull request is looked at with. */
export interface Looking {
  place: Place
  allowance: Allowance
  signal: AbortSignal
}

export interface Look extends Looking {
  known: Cache
  config: Pick<Config['pr'], 'ignoreAuthors' | 'allowAuthors'>
  now(): number
}

export interface Call {
  host: string
  path: string
  token: string | null
  /** Of what is known already. */
  etag?: string
  /** A body, which makes it a POST. */
  input?: string
  /** Where it is neither of the two that follow from that. */
  method?: 'DELETE' | 'PUT'
  signal: AbortSignal
}

/** *same*: what is known still holds. *no*: the forge has it not, or not for us. */
export type Answer = { kind: 'same' } | { kind: 'new'; body: string; etag: string | null } | { kind: 'no'; why: string }

/** Throws FORGE_UNAVAILABLE, with the time before which nothing may be asked. */
export async function callForge(
  { host, path, token, etag, input, method, signal }: Call,
  allowance: Allowance,
  now: () => number,
): Promise<Answer> {
  if (!isOnPath('gh', process.env.PATH ?? '')) {
    throw unavailable('gh is not on the PATH of the daemon; install it, or set [pr] command')
  }
  const restMs = allowance.restMs(host, now())
  if (restMs > 0) throw unavailable(`${host} takes no more requests for now`, restMs)
  const known = etag === undefined ? [] : ['--header', `If-None-Match: ${etag}`]
  const body = [...(input === undefined ? [] : ['--input', '-']), ...(method ? ['--method', method] : [])]
  const quiet = { GH_PROMPT_DISABLED: '1', GH_NO_UPDATE_NOTIFIER: '1', NO_COLOR: '1', GH_PAGER: 'cat' }
  const ran = await run('gh', ['api', '--include', '--hostname', host, ...known, ...body, path], {
    cwd: '/',
    env: { ...forgeEnv(token), ...quiet },
    timeoutMs: CALL_TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
    signal,
    ownGroup: true,
    ...(input === undefined ? {} : { input }),
  })
  const reply = replyIn(ran.stdout)
  if (reply === null) {
    const said = ran.stderr.trim().slice(-SAID_CHARACTERS_MAX) || `gh ended with ${ran.exitCode}`
    throw unavailable(ran.timedOut ? `${host} did not answer within ${CALL_TIMEOUT_MS / 1000} s` : said)
  }
  // A body that breaks off comes with the status of a whole one, and gh fails.
  return answerOf(reply, { host, path, said: ran.stderr.trim(), isWhole: ran.exitCode === 0 }, allowance, now)
}

/** What a forge's answer comes to; it is counted. Throws FORGE_UNAVAILABLE. */
export function answerOf(
  reply: Reply,
  { host, path, said, isWhole }: Pick<Call, 'host' | 'path'> & { said: string; isWhole: boolean },
  allowance: Allowance,
  now: () => number,
): Answer {
  const { status, headers, body } = reply
  if (status === 304) return { kind: 'same' }
  allowance.count(host, now())
  const until = restUntil(reply, now())
  if (until !== null) allowance.rest(host, until)
  if (status >= 200 && status < 300 && isWhole) return { kind: 'new', body, etag: headers.get('etag') ?? null }
  const why = `${host} answered ${status} to ${path}: ${(said || body).slice(0, SAID_CHARACTERS_MAX)}`
  if (until === null && [403, 404, 410].includes(status)) return { kind: 'no', why }
  throw unavailable(why, until === null ? undefined : until - now())
}

export interface Reply {
  status: number
  headers: Map<string, string>
  body: string
}

/** `gh api --include` prints the status line and the headers before the body. */
function replyIn(output: string): Reply | null {
  const [, status, head = '', body = ''] =
    /^HTTP\/[\d.]+ (\d{3})[^\n]*\n([\s\S]*?)\r?\n\r?\n([\s\S]*)$/.exec(output) ?? []
  if (status === undefined) return null
  const pairs = head.split('\n').map(line => /^([^:]+):\s*(.*?)\r?$/.exec(line))
  const headers = new Map(pairs.flatMap(pair => (pair ? [[(pair[1] ?? '').toLowerCase(), pair[2] ?? '']] : [])))
  return { status: Number(status), headers, body }
}

/** When it may be asked again, Unix ms; null: at any time. */
function restUntil({ status, headers, body }: Reply, now: number): number | null {
  const after = Number(headers.get('retry-after') ?? Number.NaN)
  if (Number.isFinite(after) && after >= 0) return now + Math.min(after * 1_000, REST_MS_MAX)
  const isLimited = headers.get('x-ratelimit-remaining') === '0' || status === 429 || /rate limit/i.test(body)
  if (!isLimited || (status < 400 && headers.get('x-ratelimit-remaining') !== '0')) return null
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1_000
  // A reset that is long past or a day away is of another clock.
  return reset > now && reset - now < REST_MS_MAX ? reset : now + LATER_MS
}

export type Cache = Record<string, { etag: string; value: unknown }>

/** Reads what is wanted of the answers, or takes it from what is known. Each throws FORGE_UNAVAILABLE. */
export interface Reader {
  read<T>(path: string, value: (json: unknown) => T): Promise<T>
  /** Null where the forge says no, which is asked once. */
  may<T>(path: string, value: (json: unknown) => T): Promise<T | null>
  /** What was asked otherwise and found worth keeping, as long as nothing that is read here has changed. */
  unless<T>(key: string, ask: () => Promise<T>, mayKeep: (value: T) => boolean): Promise<T>
  /** What was read, with ETags, for the next look. */
  fresh: Cache
}

const CACHE_BYTES_MAX = 512 * 1024
/** Stands for the ETag of a no. */
const NONE = 'none'
/** Of what has none. */
const KEPT = 'kept'

export function createReader(
  about: Pick<Call, 'host' | 'token' | 'signal'>,
  known: Cache,
  allowance: Allowance,
  now: () => number,
  call: typeof callForge = callForge,
): Reader {
  const fresh: Cache = {}
  let bytes = 0
  let isNew = false
  const keep = (path: string, etag: string, value: unknown) => {
    bytes += JSON.stringify(value).length
    if (bytes < CACHE_BYTES_MAX) fresh[path] = { etag, value }
  }
  async function may<T>(path: string, value: (json: unknown) => T): Promise<T | string> {
    const before = Object.hasOwn(known, path) ? known[path] : undefined
    if (before?.etag === NONE) {
      fresh[path] = before
      return String(before.value)
    }
    const answer = await call({ ...about, path, ...(before ? { etag: before.etag } : {}) }, allowance, now)
    isNew ||= answer.kind !== 'same'
    if (answer.kind === 'no') {
      keep(path, NONE, answer.why)
      return answer.why
    }
    if (answer.kind === 'same') {
      if (!before) throw unavailable(`${about.host} says that ${path} has not changed, and it was never read`)
      keep(path, before.etag, before.value)
      // What is kept was read by the same function.
      return before.value as T
    }
    const read = value(parsedJson(answer.body, about.host))
    if (answer.etag !== null) keep(path, answer.etag, read)
    return read
  }
  return {
    fresh,
    async read<T>(path: string, value: (json: unknown) => T): Promise<T> {
      const read = await may(path, json => ({ value: value(json) }))
      if (typeof read !== 'string') return read.value
      // What has to be there is asked for again.
      delete fresh[path]
      throw unavailable(read)
    },
    async may<T>(path: string, value: (json: unknown) => T): Promise<T | null> {
      const read = await may(path, json => ({ value: value(json) }))
      return typeof read === 'string' ? null : read.value
    },
    async unless<T>(key: string, ask: () => Promise<T>, mayKeep: (value: T) => boolean): Promise<T> {
      const before = Object.hasOwn(known, key) && !isNew ? known[key] : undefined
      // As above.
      const value = before === undefined ? await ask() : (before.value as T)
      if (mayKeep(value)) keep(key, KEPT, value)
      return value
    },
  }
}
