/** Which account an agent uses, and what it is given of secrets. */
import { describe, expect, it } from 'vitest'
import type { AgentSpec } from '../../../../src/core/agent.ts'
import { credentialOf, missingSecrets, secretNames, valuesFor } from '../../../../src/core/agent.ts'

const agent = (change: Partial<AgentSpec> = {}): AgentSpec => ({
  name: 'claude',
  type: 'claude',
  command: ['claude'],
  env: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
  ...change,
})
const credential = (change?: Partial<AgentSpec>) => credentialOf({ agent: agent(change) })

const KEPT: Record<string, string> = { A_KEY: 'a', WORK_TOKEN: 'w' }
const secrets = (names: readonly string[]) =>
  Object.fromEntries(names.flatMap(name => (KEPT[name] === undefined ? [] : [[name, KEPT[name]]])))

describe('the account of an agent', () => {
  it('is the same for agents of one type that are given the same secrets, whatever they are called', () => {
    expect(credential()).toBe('claude ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN')
    expect(credential({ name: 'fast', model: 'small', args: ['-x'] })).toBe(credential())
    expect(credential({ env: ['CLAUDE_CODE_OAUTH_TOKEN', 'ANTHROPIC_API_KEY'] })).toBe(credential())
    expect(credential({ env: { A: 'KEY', B: 'KEY' } })).toBe('claude KEY')
  })

  it('is another with another secret in the same variable, another program or another type', () => {
    const work = credential({ env: { CLAUDE_CODE_OAUTH_TOKEN: 'WORK_TOKEN' } })
    expect(work).toBe('claude WORK_TOKEN')
    expect(credential({ command: ['/opt/claude-at-work'] })).not.toBe(credential())
    expect(credential({ type: 'codex', command: ['codex'] })).not.toBe(credential())
    const acp = (...command: string[]) => credential({ type: 'acp', command, env: [] })
    expect(acp('gemini', '--acp')).not.toBe(acp('opencode', 'acp'))
    expect(acp('npx', 'gemini')).not.toBe(acp('npx', 'opencode'))
    expect(acp('opencode', 'acp', '-x')).toBe(acp('opencode', 'acp'))
  })

  it('is none for a plain command', () => {
    expect(credential({ type: 'command', command: ['make'] })).toBeNull()
  })
})

describe('what an agent is given', () => {
  it('is each secret of a list under its own name, as far as there is one', () => {
    expect(valuesFor(['A_KEY', 'NO_KEY'], secrets)).toEqual({ A_KEY: 'a' })
    expect(missingSecrets(['NO_KEY'], secrets)).toEqual([])
  })

  it('is each secret of a table under the name of its variable, and one that is missing is known', () => {
    const env = { CLAUDE_CODE_OAUTH_TOKEN: 'WORK_TOKEN', OTHER: 'NO_KEY' }
    expect(valuesFor(env, secrets)).toEqual({ CLAUDE_CODE_OAUTH_TOKEN: 'w' })
    expect(secretNames(env)).toEqual(['WORK_TOKEN', 'NO_KEY'])
    expect(missingSecrets(env, secrets)).toEqual(['NO_KEY'])
  })
})
