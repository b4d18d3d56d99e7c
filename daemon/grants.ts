/** The tokens that nodes call us with. */

import type { Install } from '../src/install.ts'
import type { Task } from '../src/task.ts'
import { makeToken } from '../src/tokens.ts'

export function callbackToken(install: Install, task: Task): string {
  const { attempt, placement } = task
  return makeToken(install.key, { scope: 'workspace', subject: task.workspaceId ?? '', attempt, placement })
}

export function nodeToken(install: Install, name: string): string {
  return makeToken(install.key, { scope: 'node', subject: name, attempt: 0, placement: 0 })
}
