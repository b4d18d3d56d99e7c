/** Every recorded stream of an agent, from its lines to what the run is for its task: the verdict that its name says. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { endOf } from '../../../../daemon/steps/verdict.ts'
import { NOTHING_SAID, take, verdictOf } from '../../../../src/transcript/account.ts'
import { readLine } from '../../../../src/transcript/read.ts'
import { aPlacedTask, aSpec } from '../../../support/builders.ts'

const FOLDER = new URL('../../../fixtures/agent-streams/', import.meta.url)

/** The first that fits a name counts. */
const BY_NAME: readonly [RegExp, string][] = [
  [/success|commit|nothing-done|resume/, 'well'],
  [/429|limit/, 'limit'],
  [/denied|declined|rejected/, 'permission_denied'],
  [/sigint/, 'interrupted'],
  [/500|broken|401|unauthorized|no-network/, 'agent_error'],
]

/** How the process ended that wrote it; codex and ACP agents end with 0 whatever they said. */
function exitOf(name: string): { exitCode: number | null; signal: string | null } {
  if (name === 'codex-no-network') return { exitCode: null, signal: 'SIGTERM' }
  return { exitCode: /^claude-(?:500|401|429|limit)/.test(name) ? 1 : 0, signal: null }
}

describe('the run that wrote', () => {
  const names = readdirSync(FOLDER).map(file => file.replace('.jsonl', ''))
  it.each(names)('%s', name => {
    const lines = readFileSync(new URL(`${name}.jsonl`, FOLDER), 'utf8')
      .trimEnd()
      .split('\n')
    const at = '2026-01-01T00:00:00.000Z'
    const account = lines.flatMap(readLine).reduce((so, event) => take(so, event, at), NOTHING_SAID)
    const exit = exitOf(name)
    const { outcome, failure, summary } = verdictOf(account, exit)
    const task = aPlacedTask({ spec: aSpec({ agent: { ...aSpec({}).agent, type: 'claude' } }) })
    const end = endOf(task, { ...exit, errorMessage: null, outcome, failure, summary, resetAt: null })
    const wanted = BY_NAME.find(([pattern]) => pattern.test(name))?.[1]
    expect(end.kind === 'ill' ? end.verdict : end.kind).toBe(wanted)
  })
})
