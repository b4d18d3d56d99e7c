/** One JSON line an event. stdout has only what a starter waits for; everything else goes to stderr. */
import process from 'node:process'

export type Facts = Record<string, string | number | boolean | null>
export type Log = (level: 'info' | 'warn' | 'error', msg: string, facts?: Facts) => void

export const logToStderr: Log = (level, msg, facts = {}) => {
  process.stderr.write(`${JSON.stringify({ level, msg, ...facts })}\n`)
}

export function announce(msg: string, facts: Facts): void {
  process.stdout.write(`${JSON.stringify({ level: 'info', msg, ...facts })}\n`)
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The error code of Node or of the system, such as ENOENT; null when there is none. */
export function codeOf(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null
}
