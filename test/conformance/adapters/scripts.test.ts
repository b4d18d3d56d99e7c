/** Runs that went wrong, or that guard what holds: what each one means for its task. */
import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { exitOf } from '../../../daemon/steps/session.ts'
import { endOf } from '../../../daemon/steps/verdict.ts'
import { aPlacedTask, aSpec } from '../../support/builders.ts'
import { openStage, type Stage } from './stage.ts'

const FOLDER = new URL('../../fixtures/agent-scripts/', import.meta.url).pathname

/** The verdict, or `well`, or how long the limit lasts in minutes; null: it is not said. */
const ENDS: Record<string, string | { limit: number | null }> = {
  'acp-ask.json': 'well',
  'acp-ask-id-0.json': 'well',
  'acp-tool-rejected.json': 'permission_denied',
  'acp-limit-error.json': { limit: null },
  'acp-meta-error.json': 'agent_error',
  'acp-error-without-id.json': 'well',
  'claude-auth-failed-not-error.txt': 'agent_error',
  'claude-background-stopped.txt': 'agent_error',
  'claude-limit-one-hour.txt': { limit: 60 },
  'claude-limit-past.txt': { limit: -60 },
  'claude-limit-without-status.txt': { limit: null },
  'claude-limit-then-success.txt': 'well',
  'claude-limit-then-allowed-then-crash.txt': 'agent_error',
  'claude-result-with-bom.txt': 'well',
  'claude-max-turns.txt': 'agent_error',
  'claude-error-during-execution.txt': 'agent_error',
  'codex-limit.txt': { limit: 5 * 24 * 60 },
  'codex-limit-told-late.txt': { limit: 60 },
  'codex-retry-then-done.txt': 'well',
}

describe('the run of', () => {
  const stages = new Map<string, Stage>()
  beforeAll(async () => {
    for (const type of ['acp', 'claude', 'codex']) stages.set(type, await openStage(type))
  })
  const task = aPlacedTask({ spec: aSpec({ agent: { ...aSpec({}).agent, type: 'claude' } }) })

  it.each(Object.entries(ENDS))('%s', async (file, wanted) => {
    const session = await stages.get(file.split('-')[0] ?? '')?.run(`${FOLDER}${file}`)
    if (!session) throw new Error(`${file} has no adapter`)
    const end = endOf(task, exitOf(session))
    if (typeof wanted === 'string') return expect(end.kind === 'ill' ? end.verdict : end.kind).toBe(wanted)
    const minutes = end.kind === 'limit' && end.resetAt !== null ? (end.resetAt - Date.now()) / 60_000 : null
    expect([end.kind, minutes && Math.round(minutes)]).toEqual(['limit', wanted.limit])
  })

  it('every script is one of them', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(ENDS).sort())
  })
})
