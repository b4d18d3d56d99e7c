/** Small pieces that the wire shapes are made of, and the one way in which a bad body is refused. */
import { z } from 'zod'
import { TdfError } from '../errors.ts'

/** Ids become paths, refs and urls; anything else is refused before it is looked up. */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
export const id = z.string().regex(idPattern, 'must be letters, digits, ".", "_" or "-", 1 to 128 of them')
export const counter = z.int().min(0)
export const percent = z.number().min(0).max(100)
export const text = (max: number) => z.string().max(max)
export const nullable = <T extends z.ZodType>(inner: T) => inner.nullish().transform(value => value ?? null)

/** Parses `value`, or throws BAD_REQUEST naming the first wrong field. */
export function parseBody<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') || 'body'
  throw new TdfError('BAD_REQUEST', `${field}: ${issue?.message ?? 'malformed'}`, { field })
}
