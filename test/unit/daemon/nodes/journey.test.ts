/** The handlers of a node's journey, each by itself: what is asked of the outside, and what is said of it. */
import { describe, expect, it } from 'vitest'
import { nodeJourney } from '../../../../daemon/nodes/journey.ts'
import { newStaticNode } from '../../../../daemon/nodes/new-node.ts'
import type { NodeContext } from '../../../../daemon/nodes/node-context.ts'
import { lastPaidMoment } from '../../../../daemon/nodes/rules/serving.ts'
import { type ErrorCode, TdfError } from '../../../../src/core/errors.ts'
import type { NodeStatus } from '../../../../src/core/node.ts'

const about = { name: 'n1', size: null, location: null, address: 'a', maxWorkspaces: 3 }
const { signal } = new AbortController()
const handshaken = { kind: 'handshaken', stateId: 's', cursor: 0, facts: {} }

/** Runs the handler of `status`; answers what it said and whom it asked. */
async function run(status: NodeStatus, parts: object) {
  const asked: string[] = []
  const node = { ...newStaticNode('static', about, 0), status, stateId: 's' }
  const agents = {
    of: async () => void asked.push('agent'),
    forget: () => void asked.push('forget'),
    needsHandshake: () => false,
  }
  const handshake = async () => {
    asked.push('handshake')
    return handshaken
  }
  const ctx = { now: 0, unsaved: 0, workspaces: 0, reservations: 0, signal, agents, handshake, ...parts }
  const said = await nodeJourney[status](ctx as unknown as NodeContext, node).catch((error: TdfError) => error.code)
  return [said, asked]
}
const fails = (code: ErrorCode) => ({
  of: () => Promise.reject(new TdfError(code, 'x')),
  forget() {},
  needsHandshake: () => false,
})
const found = (state: string) => ({ find: async () => ({ state }), destroy: async () => false })

describe('a node', () => {
  it.each(['ordered', 'failed', 'destroyed'] as const)('that is %s asks nobody', async status => {
    expect(await run(status, {})).toEqual([{ kind: 'nothing' }, []])
  })

  it('that boots is given the handshake', async () => {
    expect(await run('booting', {})).toEqual([handshaken, ['handshake']])
  })

  it('that is held is asked while work is on it, and given the handshake when its state is gone', async () => {
    expect(await run('held', {})).toEqual([{ kind: 'nothing' }, []])
    expect(await run('held', { unsaved: 1 })).toEqual([{ kind: 'nothing' }, ['agent']])
    expect((await run('held', { unsaved: 1, agents: fails('NODE_REPLACED') }))[0]).toEqual(handshaken)
    expect((await run('held', { unsaved: 1, agents: fails('NODE_UNREACHABLE') }))[0]).toEqual({ kind: 'nothing' })
  })

  it('that is lost is gone when its provider says so, and else is given the handshake', async () => {
    expect(await run('lost', { provider: found('gone') })).toEqual([{ kind: 'gone' }, []])
    expect(await run('lost', { provider: found('up') })).toEqual([handshaken, ['handshake']])
    expect(await run('lost', {})).toEqual([handshaken, ['handshake']])
  })

  it('that goes is not removed while work on it is not saved', async () => {
    expect(await run('destroying', { unsaved: 1, provider: found('up') })).toEqual([{ kind: 'nothing' }, []])
    expect(await run('destroying', { provider: found('up') })).toEqual([{ kind: 'removed', isGone: false }, ['forget']])
    expect(await run('destroying', {})).toEqual([{ kind: 'removed', isGone: true }, ['forget']])
  })

  it('that has to be greeted is looked for first', async () => {
    const greets = { of: async () => {}, forget() {}, needsHandshake: () => true }
    expect((await run('ready', { agents: greets, provider: found('gone') }))[0]).toEqual({ kind: 'gone' })
    expect((await run('ready', { agents: greets, provider: found('up') }))[0]).toEqual(handshaken)
    expect((await run('ready', { agents: greets, provider: found('coming') }))[0]).toBe('NODE_UNREACHABLE')
    expect((await run('warm', { agents: greets }))[0]).toBe('NODE_UNREACHABLE')
  })
})

const MIN = 60_000
const born = Date.UTC(2026, 0, 1, 9, 17)

it.each([
  ['in the first hour', 20, 55],
  ['at the very beginning of an hour', 61, 115],
  ['when only the margin is left, as planned', 57, 57],
  ['exactly at the end of an hour, as planned', 60, 60],
  ['in the third hour', 130, 175],
])('a machine that would go %s stays to the end of what is paid', (_, minutes, until) => {
  expect((lastPaidMoment(born, born + minutes * MIN) - born) / MIN).toBe(until)
})
