/** Numbers in query strings. */
import type { Context } from 'hono'
import { malformed } from '../refusal.ts'
import type { Env } from './context.ts'

/** A whole number from 0, or the fallback when it is not given. */
export function countFrom(c: Context<Env>, name: string, fallback: number): number {
  const text = c.req.query(name)
  if (text === undefined) return fallback
  if (!/^\d{1,15}$/.test(text)) throw malformed(name, 'must be a whole number from 0')
  return Number(text)
}
