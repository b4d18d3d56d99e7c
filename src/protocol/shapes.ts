/** Small pieces that the wire shapes are made of, and the one way in which a bad body is refused. */
import { z } from 'zod'
import { TdfError } from '../core/errors.ts'
import { ARTIFACT_GLOB_CHARS_MAX } from '../core/saved.ts'

/** Ids become paths, refs and urls; anything else is refused before it is looked up. */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
export const id = z.string().regex(idPattern, 'must be letters, digits, ".", "_" or "-", 1 to 128 of them')
export const objectId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'must be a git object id')
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
export const counter = z.int().min(0)
export const percent = z.number().min(0).max(100)
export const text = (max: number) => z.string().max(max)
/** What a task asks to be kept beside its result. */
export const artifactGlobs = z.array(text(ARTIFACT_GLOB_CHARS_MAX).min(1)).max(50)
/** Text for people, kept up to `max` characters. */
export const cutText = (max: number) => z.string().transform(value => value.slice(0, max))
export const nullable = <T extends z.ZodType>(inner: T) => inner.nullish().transform(value => value ?? null)

/** Parses `value`, or throws BAD_REQUEST naming the first wrong field. */
export function parseBody<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') || 'body'
  throw new TdfError('BAD_REQUEST', `${field}: ${issue?.message ?? 'malformed'}`, { field })
}

/** Sizes that both ends of a wire agree on, in bytes, counts or ms. */
export const BODY_BYTES_MAX = 1024 * 1024
export const LOG_CHUNK_BYTES_MAX = 1024 * 1024
/** Rows of a page of events, and its bytes. */
export const EVENTS_PAGE_MAX = 500
export const EVENTS_PAGE_BYTES_MAX = 2 * 1024 * 1024
export const EVENTS_WAIT_S_MAX = 60
export const BUNDLE_BYTES_MAX = 16 * 1024 ** 3
/** Between a workspace's 202 and the last byte of its bundle. */
export const BUNDLE_WAIT_MS = 10 * 60_000
/** From SIGTERM to SIGKILL. */
export const KILL_GRACE_MS = 10_000
/** The end of an output that is too long to keep, which is kept behind a line that says so. */
export const LOG_TAIL_BYTES = 64 * 1024

/** `errorMessage` of a session that was not ended by its agent, its limits or its user, but with what ran it. */
export const LOST_UNDER_RUN = {
  machine: 'the machine was restarted',
  runner: "the session's runner died",
} as const

/** What is told of a conversation to an agent that takes over without it. */
export const TRANSCRIPT_CHARS_MAX = 64 * 1024
