/** Which conversation comes along to the next attempt, and where it stays. */
import { describe, expect, it } from 'vitest'
import { resumeFrom } from '../../../../../daemon/engine/rules/transition.ts'
import { conversationOn } from '../../../../../src/core/facts.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'

const salvage = { commit: 'c', baseCommit: 'b', salvaged: false } as NonNullable<Task['facts']['salvage']>
const session = { status: 'exited', exitCode: 0, signal: null, resumeRef: 'c1' } as const
const from = { ref: 'r', commit: 'c', baseCommit: 'b', salvaged: false, resumeRef: 'c0' }

function resumed(type: 'acp' | 'claude' | 'command', change: Partial<Task>) {
  const spec = aSpec()
  return resumeFrom(aTask({ nodeName: 'n1', ...change, spec: { ...spec, agent: { ...spec.agent, type } } }), salvage)
}

describe('a conversation', () => {
  it('of an agent whose files are known comes along to any node', () => {
    const { resumeRef, onlyOn } = resumed('claude', { facts: { session } })
    expect([resumeRef, onlyOn]).toEqual(['c1', undefined])
    expect(resumed('claude', { facts: { resume: from } }).resumeRef).toBe('c0')
  })

  it('of another agent stays on its node, also when an attempt between had none', () => {
    expect(resumed('acp', { facts: { session } })).toMatchObject({ resumeRef: 'c1', onlyOn: 'n1' })
    expect(resumed('acp', { facts: { session }, nodeName: null }).onlyOn).toBeUndefined()
    const between = resumed('acp', { nodeName: 'n2', facts: { resume: { ...from, onlyOn: 'n1' } } })
    expect([conversationOn(between, 'n1'), conversationOn(between, 'n2')]).toEqual(['c0', null])
    expect(resumed('command', { facts: {} }).resumeRef).toBeNull()
  })
})
