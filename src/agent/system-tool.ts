/** The system's own small programs, with an environment that says nothing but where they are. */
import process from 'node:process'
import { type RunOptions, type RunResult, run } from '../process.ts'

export function systemTool(
  file: 'rm' | 'chmod' | 'chown' | 'find' | 'mkfifo',
  args: readonly string[],
  options: Omit<RunOptions, 'env'>,
): Promise<RunResult> {
  const { PATH = '/usr/bin:/bin' } = process.env
  return run(file, args, { ...options, env: { PATH, LC_ALL: 'C' } })
}
