/** The system's own small programs, with an environment that says nothing but where they are. */
import process from 'node:process'
import { type RunOptions, type RunResult, run, runSmall } from '../../platform/run.ts'
import { asSlot, type Slot } from './slot.ts'

/** As a slot's user it does no more than that user may. */
export function systemTool(
  file: 'rm' | 'chmod' | 'chown' | 'find',
  args: readonly string[],
  options: Omit<RunOptions, 'env'>,
  slot: Slot | null = null,
): Promise<RunResult> {
  const [program = file, ...words] = slot === null ? [file, ...args] : asSlot(slot, [file, ...args])
  return run(program, words, { ...options, env: plainEnv() })
}

export function makeFifo(path: string, options: Pick<RunOptions, 'cwd' | 'timeoutMs'>): Promise<RunResult> {
  return runSmall('mkfifo', ['-m', '600', '--', path], { ...options, env: plainEnv() })
}

function plainEnv(): Record<string, string> {
  const { PATH = '/usr/bin:/bin' } = process.env
  return { PATH, LC_ALL: 'C' }
}
