/** Git as the user runs it: their repository, their settings; only never a question, and never a hook of ours. */
import { type RunResult, run } from '../src/process.ts'
import type { Cli } from './cli.ts'

export type Git = (args: readonly string[], env?: Record<string, string>) => Promise<RunResult>

const TIMEOUT_MS = 600_000

export function userGit(cli: Cli, cwd: string): Git {
  const inherited = plainEnv(cli)
  return (args, env = {}) =>
    run('git', args, {
      cwd,
      env: { ...inherited, GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C.UTF-8', ...env },
      timeoutMs: TIMEOUT_MS,
    })
}

export function plainEnv(cli: Cli): Record<string, string> {
  return Object.fromEntries(
    Object.entries(cli.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}
