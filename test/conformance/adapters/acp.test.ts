import { beforeAll, describe, expect, it } from 'vitest'
import { adapterConformance } from './adapter.suite.ts'
import { ACP_REFUSALS, acp } from './dialects.ts'
import { openStage, type Stage } from './stage.ts'

adapterConformance('acp', acp)

const END = { jsonrpc: '2.0', id: '@PROMPT', result: { stopReason: 'end_turn' } }

describe('the adapter of acp', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage('acp')
  })

  it.each(Object.entries(ACP_REFUSALS))('knows a refusal of %s', async (_, line) => {
    expect(await stage.run([line, ...acp.done('Done')])).toMatchObject({ outcome: 'permission_denied' })
  })

  it('does not judge a resumed run by what was said before it', async () => {
    const end = await stage.run(['@write again.txt', JSON.stringify(END)], { resumeRef: 'c1' })
    expect(end).toMatchObject({ outcome: 'success', resumeRef: 'c1' })
  })

  it('leaves a conversation with which its agent cannot go on, without a turn', async () => {
    const end = await stage.run(['@write never.txt', JSON.stringify(END)], { resumeRef: 'c1', env: { FORGETS: '1' } })
    expect(end).toMatchObject({ outcome: 'error', failure: 'conversation' })
    expect(() => stage.read('never.txt')).toThrow('ENOENT')
  })

  it('counts a refusal by its own rules where a person may be asked', async () => {
    const [line = ''] = Object.values(ACP_REFUSALS)
    expect(await stage.run([line, ...acp.done('Done')], { permissions: 'ask' })).toMatchObject({
      outcome: 'permission_denied',
    })
  })

  it('takes no answer for the end that answers none of its requests', async () => {
    const stray = (id: unknown) => JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'what?' } })
    const result = JSON.stringify({ jsonrpc: '2.0', id: 41, result: { stopReason: 'end_turn' } })
    const end = await stage.run([
      stray(null),
      stray(7),
      stray('x'),
      result,
      '@sleep 700',
      '@write late.txt',
      ...acp.done('Done'),
    ])
    expect(end).toMatchObject({ outcome: 'success', summary: 'Done' })
    expect(stage.read('late.txt')).toBe('x\n')
  })
})
