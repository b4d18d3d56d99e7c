import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../../src/core/errors.ts'
import type { Step } from '../../../../src/core/task.ts'
import { type Failing, failureCard, failureOf } from '../../../../src/text/failure.ts'

const golden = path.join(import.meta.dirname, '../../../golden/text/failure-cards.txt')

function aFailure(code: ErrorCode, message: string, change: Partial<Failing> & { step?: Step; hint?: string } = {}) {
  const { step = 'running', hint = 'tdf logs 7kq2 --failed', ...rest } = change
  const error = { code, message, hint, step, class: 'permanent' }
  return { id: '7kq2', verdict: 'agent_error' as const, error, push: null, ...rest }
}

const CHECK = aFailure('CHECK_FAILED', 'the check "npm test" ended with exit code 1', {
  step: 'salvage',
  verdict: 'check_failed',
})
const SETUP = aFailure(
  'WORKSPACE_FAILED',
  'the setup command failed with exit code 1:\nnpm error missing script: "prepare"\nnpm error see the log',
  { step: 'workspace_ready', verdict: 'infrastructure' },
)
const FETCH = aFailure('SOURCE_DENIED', 'https://example.org/site.git: authentication failed', {
  step: 'node_selection',
  verdict: 'infrastructure',
  hint: 'tdf secret set GITHUB_TOKEN',
})
const PUSH: Failing = {
  id: '7kq2',
  verdict: 'verified',
  error: null,
  push: {
    state: 'failed',
    remote: 'origin',
    branch: 'tdf/7kq2',
    commit: 'a'.repeat(40),
    pushedCommit: null,
    wantsPr: false,
    prUrl: null,
    tries: 1,
    nextTryAt: null,
    error: 'remote: permission denied to push\nfatal: the remote end hung up',
    updatedAt: '2026-11-24T18:04:05.000Z',
  },
}

const CASES: [string, Failing, string | null][] = [
  ['a check', CHECK, Array.from({ length: 30 }, (_, line) => `test ${line + 1} failed`).join('\n')],
  ['a check that printed nothing', CHECK, ''],
  ['a set-up, with its log', SETUP, 'fetching\nnpm error missing script: "prepare"\n'],
  ['a set-up without a log', SETUP, null],
  [
    'an agent',
    aFailure('AGENT_FAILED', 'the agent of 7kq2 ended with exit code 3: no API key'),
    'read a.ts\n\nhello\n',
  ],
  [
    'an agent that is at its limit',
    aFailure('USAGE_LIMIT', 'it reached its limit', { hint: 'tdf retry 7kq2 --resume' }),
    '',
  ],
  ['a fetch', FETCH, null],
  ['a push', PUSH, null],
  [
    'a machine',
    aFailure('NODE_LOST', 'node n1 is lost', { hint: 'tdf node show n1', verdict: 'infrastructure' }),
    null,
  ],
  ['a save', aFailure('SALVAGE_FAILED', 'the work is still on n1', { step: 'salvage', hint: 'tdf show 7kq2' }), null],
]

describe('the failure card', () => {
  it('has the last lines of what failed, why, and one next command', async () => {
    const cards = CASES.map(([name, task, tail]) => {
      const lines = failureCard(task, tail).map(({ text }) => text)
      return `# ${name}\n${lines.join('\n')}\n`
    })
    await expect(cards.join('\n')).toMatchFileSnapshot(golden)
  })

  it('names the part that failed and the session that has its output', () => {
    const found = CASES.map(([, task]) => failureOf(task)).map(failure => [
      failure?.part,
      failure?.session,
      failure?.stage,
    ])
    expect(found).toEqual([
      ['check', 'check', 'check'],
      ['check', 'check', 'check'],
      ['setup', 'setup', 'workspace_ready'],
      ['setup', 'setup', 'workspace_ready'],
      ['agent', undefined, 'running'],
      ['agent', undefined, 'running'],
      ['fetch', null, 'fetch'],
      ['push', null, null],
      ['machine', null, 'running'],
      ['save', null, 'salvage'],
    ])
  })

  it('is empty for a task that did not fail, and for one that its user cancelled', () => {
    const well: Failing = { id: '7kq2', verdict: 'verified', error: null, push: null }
    const cancelled = aFailure('CANCELLED', 'task 7kq2 was cancelled', { verdict: 'cancelled' })
    expect([failureCard(well, 'x'), failureCard(cancelled, 'x')]).toEqual([[], []])
  })

  it('holds nothing that a terminal obeys, and no line without an end', () => {
    const tail = `\x1b]52;c;eA==\x07red \x1b[31mtext\x1b[0m\n${'x'.repeat(100_000)}`
    const text = failureCard(CHECK, tail).map(line => line.text)
    expect(text.join('\n')).not.toContain('\x1b')
    expect(text[1]).toBe('│ red text')
    expect(text[2]).toHaveLength(403)
  })
})
