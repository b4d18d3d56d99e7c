import { describe, expect, it } from 'vitest'
import { STEPS } from '../../../../src/core/task.ts'
import type { EventJson } from '../../../../src/protocol/control.ts'
import { stageDone, stageName, stageNow, stageOf, stageTimes } from '../../../../src/text/steps.ts'
import { taskWaits } from '../../../../src/text/waiting.ts'

const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 18, 0, second)).toISOString()

function event(seq: number, type: string, data: Record<string, unknown>, attempt = 1): EventJson {
  return { seq, at: at(seq), type, taskId: '7kq2', nodeName: 'local', step: null, attempt, data }
}

const left = (seq: number, from: string | null, to: string, attempt = 1) =>
  event(seq, 'task.step', { from, to, ms: 1_000 }, attempt)

describe('where a task is', () => {
  it('no word that only the engine knows is told to people', () => {
    const engine = STEPS.filter(step => step.includes('_') || step === 'salvage')
    const told = STEPS.flatMap(step => [stageName(step), stageNow(step, 'local'), stageDone(step, 'local')])
    expect(told.filter(text => engine.some(word => text.includes(word)))).toEqual([])
    expect(new Set(STEPS.map(stageName)).size).toBe(STEPS.length)
  })

  it('a step that this version does not know keeps its name', () => {
    expect([stageName('teleport'), stageNow('teleport'), stageDone('teleport')]).toEqual(Array(3).fill('teleport'))
  })

  it('says the node, or that there is one', () => {
    expect([stageDone('node_selection', 'local'), stageNow('node_provisioning')]).toEqual([
      'placed on local',
      'starting its machine',
    ])
  })

  it('the check is apart from the saving before it, and the fetch from the queue', () => {
    const repo = { url: 'https://example.org/site.git', ref: null, baseCommit: null }
    const waitingFor = taskWaits.source(repo.url)
    expect(stageOf({ step: 'node_selection', waitingFor: `${waitingFor} (40 %)`, repo })).toBe('fetch')
    expect(stageOf({ step: 'node_selection', waitingFor: taskWaits.slot(), repo })).toBe('node_selection')
    expect(stageOf({ step: 'salvage', waitingFor: taskWaits.checkExit(), repo })).toBe('check')
    expect(stageOf({ step: 'salvage', waitingFor: taskWaits.packing(), repo })).toBe('salvage')
    expect(stageOf({ step: null, waitingFor: null, repo })).toBeNull()
  })

  it('the times of the newest attempt have the check apart', () => {
    const events = [
      left(1, null, 'node_selection'),
      left(2, 'node_selection', 'running'),
      left(3, 'node_selection', 'running', 2),
      left(4, 'running', 'salvage', 2),
      event(6, 'task.saved', { checking: true, ms: 2_000 }, 2),
      left(16, 'salvage', 'cleanup', 2),
      left(17, 'cleanup', 'null', 2),
    ]
    expect(stageTimes(events).map(({ stage, ms }) => `${stage} ${ms}`)).toEqual([
      'node_selection 1000',
      'running 1000',
      'salvage 2000',
      'check 10000',
      'cleanup 1000',
    ])
  })
})
