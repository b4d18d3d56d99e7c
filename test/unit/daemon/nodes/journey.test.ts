/** The handlers of a node's journey, each by itself: what is asked of the outside, and what is said of it. */
import { beforeEach, describe, expect, it } from 'vitest'
import { nodeJourney } from '../../../../daemon/nodes/journey.ts'
import { newStaticNode } from '../../../../daemon/nodes/new-node.ts'
import type { NodeContext } from '../../../../daemon/nodes/node-context.ts'
import { lastPaidMoment } from '../../../../daemon/nodes/rules/serving.ts'
import { type ErrorCode, TdfError } from '../../../../src/core/errors.ts'
import type { NodeStatus } from '../../../../src/core/node.ts'
import { aConfig } from '../../../support/builders.ts'

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

describe('a machine that is to come', () => {
  const provider = { ensure: async (_node: object, _signal: object, mayVary: object) => ({ state: 'up', mayVary }) }
  const mayVary = () => ({ size: true, location: false })
  const creating = async (change: object, parts: object) => {
    const ordered = { ...newStaticNode('hetzner', about, 0), autoProvisioned: true, ...change }
    return nodeJourney.creating({ reservations: 1, provider, mayVary, signal, ...parts } as never, ordered)
  }
  const asked = { kind: 'machine', machine: { state: 'up', mayVary: mayVary() } }

  it('is asked for as the tasks that wait for it allow, and not without one before it was ever there', async () => {
    expect(await creating({}, {})).toEqual(asked)
    expect(await creating({}, { reservations: 0 })).toEqual({ kind: 'nothing' })
    expect(await creating({ deadlineAt: 1 }, { reservations: 0 })).toEqual(asked)
    expect(await creating({ autoProvisioned: false }, { reservations: 0 })).toEqual(asked)
  })

  it('waits for its provider to be enabled', async () => {
    expect(await creating({}, { provider: undefined })).toEqual({
      kind: 'wait',
      why: expect.stringContaining('hetzner'),
    })
  })
})

describe('a node that serves', () => {
  const config = aConfig()
  const now = 10 * config.nodes.heartbeatInterval
  const heard = { at: now, cpuPercent: null, memoryPercent: null, diskPercent: null }
  let hungUp: number
  const outdated = { find: async () => ({ state: 'up' }), isOutdated: () => true, hangUp: () => void hungUp++ }
  const pull = async () => 7
  const quiet = { now, config, epochAt: 0, heartbeat: null, pull }
  const rejecting = (error: Error) => () => Promise.reject(error)
  beforeEach(() => {
    hungUp = 0
  })

  it('is read when it is quiet, and else nothing is asked of it', async () => {
    const pulled = { kind: 'pulled', at: now, cursor: 7, needsHandshake: false }
    expect(await run('ready', quiet)).toEqual([pulled, []])
    expect(await run('ready', { ...quiet, heartbeat: heard })).toEqual([{ kind: 'nothing' }, []])
    expect(await run('draining', quiet)).toEqual([pulled, []])
  })

  it('gets the new agent between two tasks', async () => {
    expect(await run('ready', { ...quiet, provider: outdated })).toEqual([handshaken, ['forget', 'handshake']])
    expect(hungUp).toBe(1)
    for (const busy of [{ workspaces: 1 }, { reservations: 1 }]) {
      expect((await run('ready', { ...quiet, ...busy, provider: outdated }))[0]).toMatchObject({ kind: 'pulled' })
    }
    expect((await run('ready', { ...quiet, provider: { ...outdated, isOutdated: () => false } }))[0]).toMatchObject({
      kind: 'pulled',
    })
    expect((await run('ready', { ...quiet, provider: { find: outdated.find } }))[0]).toMatchObject({ kind: 'pulled' })
    expect(hungUp).toBe(1)
  })

  it.each(['NODE_UNREACHABLE', 'NODE_REPLACED'] as const)('is given the handshake anew after %s', async code => {
    const failing = { ...quiet, pull: rejecting(new TdfError(code, 'x')), provider: found('up') }
    expect(await run('ready', failing)).toEqual([handshaken, ['forget', 'handshake']])
  })

  it('is not for what else went wrong', async () => {
    const failing = { ...quiet, pull: rejecting(new TdfError('AGENT_PROTOCOL', 'x')), provider: found('up') }
    expect(await run('ready', failing)).toEqual(['AGENT_PROTOCOL', []])
  })

  it('is out of reach for the reason that says most about it', async () => {
    const said = async (again: Error) =>
      (await run('ready', { ...quiet, pull: fails('NODE_REPLACED').of, provider: { find: rejecting(again) } }))[0]
    expect(await said(new TdfError('NODE_UNREACHABLE', 'x'))).toBe('NODE_UNREACHABLE')
    expect(await said(new TdfError('PROVIDER_AUTH', 'x'))).toBe('NODE_REPLACED')
    expect(await said(new Error('x'))).toBeUndefined()
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
