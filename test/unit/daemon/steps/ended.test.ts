/** What each end of an agent means, as a table. */
import { describe, expect, it } from 'vitest'
import { endOf } from '../../../../daemon/steps/verdict.ts'
import type { AgentType } from '../../../../src/core/agent.ts'
import type { ExitFacts } from '../../../../src/core/task.ts'
import { LOST_UNDER_RUN } from '../../../../src/protocol/shapes.ts'
import { aPlacedTask, aSpec } from '../../../support/builders.ts'

const of = (type: AgentType) =>
  aPlacedTask({ spec: aSpec({ agent: { name: 'fake', type, command: ['fake'], env: [] } }) })
const exit = (change: Partial<ExitFacts> = {}): ExitFacts => ({
  ...{ exitCode: 0, signal: null, errorMessage: null, outcome: 'success', summary: null, failure: null, resetAt: null },
  ...change,
})
const killed = { exitCode: null, signal: 'SIGTERM' }

const CASES: { name: string; type?: AgentType; exit: Partial<ExitFacts>; is: object }[] = [
  { name: 'an agent that says so, with exit code 0', exit: {}, is: { kind: 'well' } },
  {
    name: 'an agent that says so and then fails',
    exit: { exitCode: 1 },
    is: { kind: 'ill', verdict: 'agent_error' },
  },
  {
    name: 'an agent that ends with 0 and says nothing',
    exit: { outcome: 'none', failure: 'unfinished' },
    is: { kind: 'ill', verdict: 'agent_error', error: { message: expect.stringContaining('without a word') } },
  },
  {
    name: 'an agent of which nothing is known but its exit code 0',
    exit: { outcome: null },
    is: { kind: 'ill', verdict: 'agent_error' },
  },
  { name: 'a command with exit code 0', type: 'command', exit: { outcome: 'none' }, is: { kind: 'well' } },
  {
    name: 'a command with another exit code',
    type: 'command',
    exit: { outcome: 'none', exitCode: 3 },
    is: { kind: 'ill', verdict: 'agent_error', error: { message: expect.stringContaining('exit code 3') } },
  },
  {
    name: 'an agent that calls an error a success',
    exit: { outcome: 'error', exitCode: 0, summary: 'API Error: 500' },
    is: { kind: 'ill', verdict: 'agent_error', error: { message: expect.stringContaining('API Error: 500') } },
  },
  {
    name: 'a permission that was denied',
    exit: { outcome: 'permission_denied', failure: 'denied' },
    is: { kind: 'ill', verdict: 'permission_denied' },
  },
  {
    name: 'no login',
    exit: { outcome: 'error', exitCode: 1, failure: 'auth' },
    is: { kind: 'ill', verdict: 'agent_error', error: { code: 'AGENT_AUTH' } },
  },
  {
    name: 'a usage limit with its reset',
    exit: { outcome: 'usage_limit', exitCode: 1, resetAt: 123 },
    is: { kind: 'limit', resetAt: 123, error: { code: 'USAGE_LIMIT' } },
  },
  {
    name: 'a usage limit without one',
    exit: { outcome: 'error', failure: 'usage_limit', exitCode: 1 },
    is: { kind: 'limit', resetAt: null },
  },
  {
    name: 'what it may cost',
    exit: { outcome: 'budget', ...killed },
    is: { kind: 'ill', verdict: 'budget', error: { code: 'BUDGET' } },
  },
  {
    name: 'its time limit',
    exit: { outcome: 'error', errorMessage: 'timeout', failure: 'interrupted', ...killed },
    is: { kind: 'ill', verdict: 'timeout', error: { code: 'EXECUTION_TIMEOUT' } },
  },
  {
    name: 'idleness',
    exit: { outcome: 'error', errorMessage: 'idle', ...killed },
    is: { kind: 'ill', verdict: 'timeout', error: { code: 'IDLE_TIMEOUT' } },
  },
  {
    name: 'a machine that was restarted under it',
    exit: { outcome: 'error', failure: 'interrupted', errorMessage: LOST_UNDER_RUN.machine, ...killed },
    is: { kind: 'interrupted', verdict: 'infrastructure', error: { message: expect.stringContaining('restarted') } },
  },
  {
    name: 'a command whose machine was restarted under it',
    type: 'command',
    exit: { outcome: 'none', errorMessage: LOST_UNDER_RUN.machine, ...killed },
    is: { kind: 'ill', verdict: 'infrastructure' },
  },
  {
    name: 'a command whose supervisor died',
    type: 'command',
    exit: { outcome: 'none', errorMessage: LOST_UNDER_RUN.runner, ...killed },
    is: { kind: 'ill', verdict: 'infrastructure' },
  },
  {
    name: 'a signal of somebody else',
    exit: { outcome: 'error', failure: 'interrupted', exitCode: null, signal: 'SIGKILL' },
    is: { kind: 'interrupted', verdict: 'agent_error', error: { message: expect.stringContaining('SIGKILL') } },
  },
]

describe('the end of a session', () => {
  it.each(CASES)('by $name', ({ type = 'claude', exit: change, is }) => {
    expect(endOf(of(type), exit(change))).toMatchObject(is)
  })
})
