/** Streams that real agents wrote (versions in them), and what each run was worth. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  type Account,
  NOTHING_SAID,
  resumedVerdict,
  take,
  type Verdict,
  verdictOf,
} from '../../../../src/transcript/account.ts'
import type { AgentEvent } from '../../../../src/transcript/event.ts'
import { readLine } from '../../../../src/transcript/read.ts'

const FOLDER = new URL('../../../fixtures/agent-streams/', import.meta.url)
const LIMIT_LIFTED = '2031-02-03T04:05:00.000Z'
const ended = { exitCode: 0, signal: null }
const failed = { exitCode: 1, signal: null }

/** By stream: how its process ended, and what follows. */
const STREAMS: Record<
  string,
  { exit: { exitCode: number | null; signal: string | null }; is: Record<string, unknown> }
> = {
  'claude-success': { exit: ended, is: { outcome: 'success', failure: null, summary: 'Done: wrote out.txt' } },
  'claude-nothing-done': { exit: ended, is: { outcome: 'success', summary: 'There is nothing to do.' } },
  // Its last event says `subtype: "success"`.
  'claude-500': { exit: failed, is: { outcome: 'error', failure: 'overloaded' } },
  'claude-401': { exit: failed, is: { outcome: 'error', failure: 'auth' } },
  'claude-429': { exit: failed, is: { outcome: 'usage_limit', failure: 'usage_limit', resetAt: null } },
  'claude-limit-reset': { exit: failed, is: { outcome: 'usage_limit', resetAt: LIMIT_LIFTED } },
  // Exit code 0 after a signal; older versions did not even say that they were interrupted.
  'claude-sigint': { exit: ended, is: { outcome: 'error', failure: 'interrupted' } },
  // Exit code 0 and `is_error: false`, and what it wanted to do was not allowed.
  'claude-denied': { exit: ended, is: { outcome: 'permission_denied', failure: 'denied' } },
  'codex-commit': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  'codex-limit': { exit: ended, is: { outcome: 'usage_limit', resetAt: LIMIT_LIFTED } },
  'codex-unauthorized': { exit: ended, is: { outcome: 'error', failure: 'auth' } },
  'codex-broken': { exit: ended, is: { outcome: 'error', failure: 'overloaded' } },
  'codex-declined': { exit: ended, is: { outcome: 'permission_denied', failure: 'denied' } },
  'codex-exec-success': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  'codex-exec-resume': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  // It says "Reconnecting" for ever; it was ended by the idle limit.
  'codex-no-network': { exit: { exitCode: null, signal: 'SIGTERM' }, is: { outcome: 'error', failure: 'network' } },
  'opencode-success': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  'opencode-resume': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  'opencode-permission-rejected': { exit: ended, is: { outcome: 'permission_denied', failure: 'denied' } },
  'acp-opencode-success': { exit: ended, is: { outcome: 'success', summary: 'Done: wrote out.txt' } },
  'acp-opencode-401': { exit: ended, is: { outcome: 'error', summary: 'Internal error: invalid x-api-key' } },
}

describe('what a recorded run was worth', () => {
  it.each(Object.entries(STREAMS))('%s', (name, { exit, is }) => {
    const account = accountOf(name)
    expect({ ...verdictOf(account, exit), resetAt: account.resetAt }).toMatchObject(is)
  })

  it('knows every stream that is recorded', () => {
    const recorded = readdirSync(FOLDER).map(file => file.replace('.jsonl', ''))
    expect(recorded.sort()).toEqual(Object.keys(STREAMS).sort())
  })

  it('is never success without exit code 0', () => {
    const account = accountOf('claude-success')
    expect(verdictOf(account, { exitCode: null, signal: 'SIGKILL' })).toMatchObject({ outcome: 'error' })
    expect(verdictOf(account, failed)).toMatchObject({ outcome: 'error' })
  })

  it('is never success before its last event, wherever the stream is cut', () => {
    for (const name of Object.keys(STREAMS)) {
      const cut = linesOf(name)
      const last = cut.findLastIndex(line => readLine(line).some(({ kind }) => kind === 'terminal'))
      for (let length = 0; length < (last < 0 ? cut.length : last); length++) {
        const verdict = verdictOf(fold(cut.slice(0, length)), ended)
        expect(verdict.outcome, `${name} after ${length} lines`).not.toBe('success')
      }
    }
  })
})

describe('what a recorded run has used', () => {
  it.each([
    ['claude-success', { inputTokens: 300, outputTokens: 32, costUsd: 0.00185 }],
    ['codex-exec-success', { inputTokens: 240, outputTokens: 30, costUsd: null, cumulative: true }],
    ['codex-exec-resume', { inputTokens: 360, outputTokens: 45, costUsd: null, cumulative: true }],
    ['codex-commit', { inputTokens: 300, outputTokens: 32, costUsd: null, cumulative: true }],
    ['opencode-success', { inputTokens: 210, outputTokens: 29, costUsd: 0.000268 }],
    ['acp-opencode-success', { inputTokens: 150, outputTokens: 16, costUsd: 0.000264 }],
  ])('%s', (name, usage) => {
    const found = accountOf(name).usage
    expect(found).toEqual({ ...usage, costUsd: usage.costUsd === null ? null : expect.closeTo(usage.costUsd, 9) })
  })
})

describe('a tool that a recorded run uses', () => {
  it.each(['claude-success', 'codex-commit', 'acp-opencode-success'])('is open from its begin to its end: %s', name => {
    const lines = linesOf(name)
    const last = lines.findLastIndex(line => readLine(line).some(({ kind }) => kind === 'terminal'))
    const open = lines.slice(0, last).map((_, index) => fold(lines.slice(0, index + 1)).openTools.length)
    expect([open[0], Math.max(...open), open.at(-1)]).toEqual([0, 1, 0])
  })
})

describe('who ran', () => {
  it.each([
    ['claude-success', { agentVersion: '2.1.197', resumeRef: '6ccc1738-941c-4e06-8414-62d0fcb15b26' }],
    ['codex-commit', { agentVersion: '0.169.0', model: 'gpt-5-codex', resumeRef: expect.stringMatching(/^01a2/) }],
    ['codex-exec-success', { resumeRef: '01a206e4-745b-7443-8c26-b2c15ff40fc9' }],
    ['acp-opencode-success', { agentVersion: '1.18.33', resumeRef: expect.stringMatching(/^ses_/) }],
  ])('%s', (name, who) => {
    expect(accountOf(name)).toMatchObject(who)
  })
})

it('keeps what it does not know as it is', () => {
  for (const line of ['plain words', '{"type":"from the future"}', '{broken', '[1]', '{}']) {
    expect(readLine(line)).toEqual([{ kind: 'raw', text: line }])
  }
})

const linesOf = (name: string) =>
  readFileSync(new URL(`${name}.jsonl`, FOLDER), 'utf8')
    .trimEnd()
    .split('\n')
const accountOf = (name: string) => fold(linesOf(name))

function fold(lines: readonly string[]): Account {
  const at = '2026-01-01T00:00:00.000Z'
  return lines.flatMap(line => readLine(line)).reduce((account, event) => take(account, event, at), NOTHING_SAID)
}

describe('a run that was to go on with a conversation', () => {
  const error = (summary: string | null = null, failure: Verdict['failure'] = 'other'): Verdict => ({
    ...{ outcome: 'error', failure, summary },
  })
  const opened = { ...NOTHING_SAID, hasOpened: true }

  it.each<[string, Account, Verdict]>([
    ['ended before it had opened it', NOTHING_SAID, error()],
    ['ended without a word', NOTHING_SAID, error(null, 'unfinished')],
    ['says that it is too long', opened, error('Prompt is too long')],
    ['says that it is larger than what its model takes', opened, error('ran out of room in the context window')],
    ['says that it is not there', opened, error('No conversation found with session ID: c1')],
  ])('could not when it %s', (_, account, verdict) => {
    expect(resumedVerdict(account, verdict)).toEqual({ ...verdict, failure: 'conversation' })
  })

  it.each<[string, Account, Verdict]>([
    ['has done something', { ...opened, hasActed: true }, error('Prompt is too long')],
    ['opened it and failed by something else', opened, error('your credit balance is too low')],
    ['could not log in', NOTHING_SAID, error('401', 'auth')],
    ['was denied something', opened, { outcome: 'permission_denied', failure: 'denied', summary: null }],
    ['is done', opened, { outcome: 'success', failure: null, summary: 'the session token was not found' }],
  ])('has failed or not for itself when it %s', (_, account, verdict) => {
    expect(resumedVerdict(account, verdict)).toEqual(verdict)
  })

  it('has opened it and has done something by what it reports', () => {
    const told = (...events: AgentEvent[]) => events.reduce((account, event) => take(account, event, ''), NOTHING_SAID)
    const usage = (counts: 'process' | 'conversation', outputTokens: number): AgentEvent => ({
      ...{ kind: 'usage', inputTokens: 1, outputTokens, costUsd: null, counts },
    })
    const session: AgentEvent = { kind: 'session', resumeRef: 'c1', version: null, model: null }
    expect(told({ ...session, resumeRef: null })).toMatchObject({ hasOpened: false, hasActed: false })
    expect(told(session)).toMatchObject({ hasOpened: true, hasActed: false })
    expect(told({ kind: 'accepted', prompt: 'p' })).toMatchObject({ hasOpened: true, hasActed: false })
    expect(told({ kind: 'thought', text: 'hm', isPart: false })).toMatchObject({ hasActed: true })
    expect(told(usage('process', 0), usage('conversation', 9)).hasActed).toBe(false)
    expect(told(usage('process', 3)).hasActed).toBe(true)
  })
})
