/**
 * Seven steps that do nothing, of which the fifth waits for its callback: what the engine itself costs. They carry the
 * names of a real task on a warm node, so that every rule and every write between them is the real one.
 */

import { type JourneyRow, journey } from '../../../../daemon/engine/rules/journey.ts'
import { advance, wait } from '../../../../daemon/engine/rules/outcome.ts'
import { type Handler, handlers } from '../../../../daemon/steps/handlers.ts'
import type { InlineHandler, StepHandler } from '../../../../daemon/steps/step.ts'
import type { Step } from '../../../../src/core/task.ts'
import type { Probe } from './probe.ts'

export const WAITING_STEP: Step = 'running'
export const WAITING_FOR = 'its callback'
const DAY_MS = 86_400_000

/** Puts the seven bodies into the table that the engine runs; `waiting` has the tasks whose fifth found no callback. */
export function replaceBodies(probe: Probe, waiting: Set<string>): void {
  const body = (number: number, handler: StepHandler<Step>): StepHandler<Step> => {
    const tag = `s${number}` as const
    return (ctx, task) => {
      probe(task.id, tag)
      return handler(ctx, task)
    }
  }
  const called: InlineHandler<'salvage'> = (ctx, task) => {
    const callback = ctx.signals.find(({ kind }) => kind === 'followup')
    if (!callback) return undefined
    waiting.delete(task.id)
    return advance('salvage', { uses: [callback.id], verdict: 'unverified' })
  }
  const bodies: Partial<Record<Step, StepHandler<Step>>> = {
    node_selection: body(1, async () => advance('workspace_creation')),
    workspace_creation: body(2, async () => advance('workspace_ready')),
    workspace_ready: body(3, async () => advance('agent_session')),
    agent_session: body(4, async () => advance('running')),
    running: async (ctx, task) => {
      const answer = called(ctx, task)
      if (answer) return answer
      waiting.add(task.id)
      return wait(DAY_MS, WAITING_FOR)
    },
    salvage: body(6, async () => advance('cleanup')),
    cleanup: body(7, async () => ({ kind: 'finish', cleanup: 'done' })),
  }
  for (const [step, run] of Object.entries(bodies)) {
    // The tables are read-only for the engine; here their rows are exchanged before anything runs.
    const rows = journey as Record<Step, JourneyRow>
    rows[step as Step] = { ...rows[step as Step], deadlineMs: () => null }
    const inline = step === WAITING_STEP ? { inline: called } : {}
    const bodies: Record<Step, Handler> = handlers
    bodies[step as Step] = { run, ...inline }
  }
}
