/** What a waiting command writes in a pipe while nothing has happened yet: each wait once a task, in the words of people. */
import { describe, expect, it } from 'vitest'
import type { Cli } from '../../../../../commands/cli/cli.ts'
import { reporterOf } from '../../../../../commands/cli/progress/waiting.ts'
import type { TaskJson } from '../../../../../src/protocol/control.ts'
import { taskWaits } from '../../../../../src/text/waiting.ts'

const url = 'https://example.org/site.git'

/** What is written of tasks that are seen one after the other, each as its id, its step and what it waits for. */
function written(...seen: readonly (readonly [string, TaskJson['step'], string | null])[]): string {
  const lines: string[] = []
  const stderr = { isTTY: false, write: (text: string) => lines.push(text) }
  const ids = [...new Set(seen.map(([id]) => id))]
  const options = { format: 'table', progress: 'stderr', log: null } as const
  const { onTask } = reporterOf({ stderr, env: {} } as unknown as Cli, ids, options)
  for (const [id, step, waitingFor] of seen) {
    const place = { node: { name: 'local' }, workspace: { id: `${id}-1-1` }, repo: { url } }
    onTask?.({ id, attempt: 1, status: 'delegated', step, waitingFor, ...place } as TaskJson)
  }
  return lines.join('')
}

const COPYING = ['7kq2', 'workspace_ready', taskWaits.workspaceReady('7kq2-1-1', 'local')] as const

describe('what a task waits for', () => {
  it('is what it is doing where only the engine would name it otherwise, and told once', () => {
    expect(written(COPYING, COPYING)).toBe('· copying the repository\n')
    expect(written(['7kq2', 'node_selection', taskWaits.source(url)])).toBe('· fetching the repository\n')
  })

  it.each([
    ['a slot', 'node_selection', taskWaits.slot()],
    ['an agent that does not answer', 'workspace_ready', taskWaits.anotherTry('it does not answer')],
    ['a fetch that failed before', 'node_selection', taskWaits.sourceAgain(url, 3, 0)],
  ] as const)('is told as it is: %s', (_, step, waitingFor) => {
    expect(written(['7kq2', step, waitingFor])).toBe(`· waits for ${waitingFor}\n`)
  })

  it('is told once a task, however often another one is seen in between', () => {
    const slot = ['9fx4', 'node_selection', taskWaits.slot()] as const
    expect(written(COPYING, slot, COPYING, slot)).toBe(
      '7kq2  · copying the repository\n9fx4  · waits for a slot on a node\n',
    )
  })
})
