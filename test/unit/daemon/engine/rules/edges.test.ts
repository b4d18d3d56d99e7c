/** Every allowed change of status, step and node works, and every other is refused: by property, against the tables. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide } from '../../../../../daemon/engine/rules/decide.ts'
import { isEdge } from '../../../../../daemon/engine/rules/journey.ts'
import type { Outcome } from '../../../../../daemon/engine/rules/outcome.ts'
import { eventsBetween } from '../../../../../daemon/engine/rules/transition.ts'
import { saveNode } from '../../../../../daemon/engine/save-node.ts'
import { NODE_EDGES, type NodeStatus } from '../../../../../src/core/node.ts'
import { isTerminal, STATUS_EDGES, STATUSES, STEPS, type Status, type Step } from '../../../../../src/core/task.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { aConfig, aTask } from '../../../../support/builders.ts'
import { live, outside } from '../../../../support/daemon/sim-daemon.ts'

const input = { now: 1_000_000, config: aConfig(), jitter: 0.5, epochAt: 0 }
const steps = fc.constantFrom(...STEPS)
const statuses = fc.constantFrom(...STATUSES)
const statusAt = (step: Step): Status =>
  step === 'cleanup'
    ? 'completed'
    : ['node_selection', 'node_provisioning', 'node_agent_ready'].includes(step)
      ? 'queued'
      : step === 'running' || step === 'awaiting_followup' || step === 'salvage'
        ? 'in_progress'
        : 'delegated'

const placed = { nodeName: 'n1', workspaceId: 't1-1-1', sessionId: 't1-1-1-s1', startedAt: 1 }
const at = (step: Step) => aTask({ step, status: statusAt(step), verdict: 'unverified', ...placed })

describe('a step', () => {
  it('advances along the edges of the table and no other', () => {
    fc.assert(
      fc.property(steps, steps, (from, to) => {
        const known = isEdge(from, to)
        const advance = () => decide(at(from), { kind: 'advance', to } as Outcome<Step>, input)
        if (!known) {
          expect(advance).toThrow(/no edge/)
          return
        }
        const { task } = advance()
        // An edge that goes back may be used up; then the attempt ends instead.
        expect([to, 'cleanup', 'salvage', null]).toContain(task.step)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a status', () => {
  it('changes along the edges of the table and no other', () => {
    fc.assert(
      fc.property(statuses, statuses, (from, to) => {
        const isEdge = from === to || (STATUS_EDGES[from] as readonly Status[]).includes(to)
        const change = () => eventsBetween(aTask({ status: from }), aTask({ status: to }), input)
        if (isEdge) expect(change).not.toThrow()
        else expect(change).toThrow(/no edge/)
      }),
      { numRuns: 300 },
    )
  })

  it('that is terminal stays, whatever a step answers', () => {
    const outcomes: fc.Arbitrary<Outcome<Step>> = fc.oneof(
      fc.constant({ kind: 'finish', cleanup: 'done' } as Outcome<Step>),
      fc.integer({ min: 0, max: 1e6 }).map(ms => ({ kind: 'wait', ms, why: 'x', looked: false }) as Outcome<Step>),
    )
    fc.assert(
      fc.property(fc.constantFrom('completed', 'failed', 'cancelled'), outcomes, (status, outcome) => {
        const task = aTask({ ...placed, step: 'cleanup', status: status as Status, verdict: 'unverified' })
        const { task: next } = decide(task, outcome, input)
        expect([next.status, isTerminal(next.status), next.verdict]).toEqual([status, true, 'unverified'])
      }),
    )
  })
})

describe('a node', () => {
  it('changes along the edges of the table and no other', async () => {
    const out = outside()
    const life = await live(out)
    await life.world.run(() => false, 1_000)
    const { engine } = life
    const all = Object.keys(NODE_EDGES) as NodeStatus[]
    const node = readNode(engine.store.sql, 'n1')
    if (!node) throw new Error('no node')
    for (const from of all) {
      for (const to of all) {
        const isEdge = from === to || (NODE_EDGES[from] as readonly NodeStatus[]).includes(to)
        const saved = engine.store.commit(() => {
          // Only looked at: the transaction is undone.
          saveNode(engine, { ...node, status: from }, { status: to })
          throw new Error('undone')
        })
        await expect(saved, `${from} → ${to}`).rejects.toThrow(isEdge ? 'undone' : /no edge|→/)
      }
    }
    life.kill()
    out.remove()
  })
})
