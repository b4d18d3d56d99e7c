/** Whom we speak with: an agent proves who it is before it is believed, and again after a while. */
import { beforeEach, describe, expect, it } from 'vitest'
import { freshNode, leaseMs, newStaticNode } from '../../../../daemon/nodes/new-node.ts'
import { createAgents } from '../../../../daemon/nodes/reach/agents.ts'
import { type ErrorCode, TdfError } from '../../../../src/core/errors.ts'
import type { Node } from '../../../../src/core/node.ts'
import type { CreateWorkspace } from '../../../../src/protocol/agent-api.ts'
import { type FakeAgent, fakeAgent } from '../../../fakes/agent.ts'
import { appTransport } from '../../../fakes/provider.ts'
import { type SimWorld, simWorld, timeline } from '../../../fakes/world.ts'
import { aConfig } from '../../../support/builders.ts'

const { signal } = new AbortController()
let world: SimWorld
let agent: FakeAgent
let dialled: number
let callbackUrl: string | undefined
let node: Node
beforeEach(() => {
  world = simWorld(timeline())
  agent = fakeAgent({ clock: world.clock, name: 'n1', deliver: async () => 200, isHome: () => true })
  dialled = 0
  callbackUrl = undefined
  const about = { name: 'n1', size: null, location: null, address: 'model', maxWorkspaces: 3 }
  node = newStaticNode('static', about, world.clock.now())
})

const agents = (connect?: () => Promise<never>) => {
  const provider = {
    connect: async () => {
      dialled += 1
      return { transport: appTransport(agent), token: 'agent-token', ...(callbackUrl ? { callbackUrl } : {}) }
    },
    ...(connect ? { connect } : {}),
  }
  return createAgents({ providers: { static: provider }, world, store: undefined } as never)
}
const proofs = () => agent.requests.filter(request => request === 'GET /health').length

describe('an agent', () => {
  it('is dialled once, and asked who it is once a second at most', async () => {
    const all = agents()
    await all.of(node, signal)
    await all.of(node, signal)
    expect([dialled, proofs()]).toEqual([1, 1])
    await world.clock.advance(999)
    await all.of(node, signal)
    expect(proofs()).toBe(1)
    await world.clock.advance(1)
    await all.of(node, signal)
    expect([dialled, proofs()]).toEqual([1, 2])
  })

  it('is dialled and asked anew when it was forgotten', async () => {
    const all = agents()
    await all.of(node, signal)
    all.forget('n1')
    await all.of(node, signal)
    expect([dialled, proofs()]).toEqual([2, 2])
  })

  it('is not asked for the first words', async () => {
    await agents().unverified(node, signal)
    expect([dialled, proofs()]).toEqual([1, 0])
  })

  it('that is another node is not spoken with, and dialled anew the next time', async () => {
    agent.name = 'n2'
    const all = agents()
    const message = 'node n1: its address answers as node n2'
    const refused = expect.objectContaining({ code: 'NODE_UNREACHABLE', message, retryAfterMs: 5_000 })
    await expect(all.of(node, signal)).rejects.toThrow(refused)
    await expect(all.of(node, signal)).rejects.toThrow(refused)
    expect(dialled).toBe(2)
  })

  it('that has lost its state is known by it', async () => {
    const all = agents()
    await all.of({ ...node, stateId: agent.stateId }, signal)
    all.forget('n1')
    const message = `n1 came back with another state (${agent.stateId})`
    const other = { ...node, stateId: 'another' }
    const replaced = expect.objectContaining({ code: 'NODE_REPLACED', message })
    await expect(all.of(other, signal)).rejects.toThrow(replaced)
    await expect(all.of(other, signal)).rejects.toThrow(replaced)
    expect(dialled).toBe(3)
  })

  it('that loses its state after its proof makes nothing of what was meant for the one before', async () => {
    const client = await agents().of({ ...node, stateId: agent.stateId }, signal)
    agent.wipe()
    const body = { workspaceId: 'w1', taskId: 't1', attempt: 1 } as CreateWorkspace
    await expect(client.createWorkspace(body)).rejects.toThrow(expect.objectContaining({ code: 'NODE_REPLACED' }))
    expect(agent.workspaces.size).toBe(0)
    expect(await client.health()).toMatchObject({ stateId: agent.stateId })
  })

  it('of a provider that is not enabled is out of reach', async () => {
    const message = 'node n1: provider hetzner is not enabled'
    await expect(agents().of({ ...node, provider: 'hetzner' }, signal)).rejects.toThrow(message)
  })

  it('with another key is put on record, for that is for people to mend', async () => {
    const failures: unknown[] = []
    const store = {
      commit: async (write: () => void) => write(),
      sql: { run: (...row: unknown[]) => failures.push(row) },
    }
    const provider = (code: ErrorCode) => ({ static: { connect: () => Promise.reject(new TdfError(code, 'a key')) } })
    const of = (code: ErrorCode) => createAgents({ providers: provider(code), world, store } as never).of(node, signal)
    await expect(of('NODE_UNREACHABLE')).rejects.toThrow('a key')
    expect(failures).toEqual([])
    await expect(of('NODE_KEY_MISMATCH')).rejects.toThrow('a key')
    expect(failures).toEqual([expect.arrayContaining([expect.stringContaining('NODE_KEY_MISMATCH')])])
  })

  it('is not remembered as connected when the connection could not be made', async () => {
    const all = agents(async () => {
      dialled += 1
      throw new TdfError('NODE_UNREACHABLE', 'no way')
    })
    await expect(all.of(node, signal)).rejects.toThrow('no way')
    await expect(all.of(node, signal)).rejects.toThrow('no way')
    expect(dialled).toBe(2)
  })
})

describe('the handshake', () => {
  it('is due over the first connection of a daemon, for the one before it may have had another address', async () => {
    const all = agents()
    expect(all.needsHandshake('n1')).toBe(false)
    await all.of(node, signal)
    expect(all.needsHandshake('n1')).toBe(true)
    all.handshakeDone('n1')
    expect(all.needsHandshake('n1')).toBe(false)
  })

  it('is due when the way to the node was lost, until it was done', async () => {
    const all = agents()
    await all.of(node, signal)
    all.handshakeDone('n1')
    expect(all.needsHandshake('n1')).toBe(false)
    all.disconnected('n1')
    expect(all.needsHandshake('n1')).toBe(true)
    all.handshakeDone('n1')
    expect(all.needsHandshake('n1')).toBe(false)
    await all.of(node, signal)
    expect(dialled).toBe(2)
  })

  it('is due when the node has to call another address than it was told', async () => {
    callbackUrl = 'http://127.0.0.1:1'
    const all = agents()
    expect(all.callbackUrl('n1')).toBeUndefined()
    await all.of(node, signal)
    expect([all.callbackUrl('n1'), all.needsHandshake('n1')]).toEqual(['http://127.0.0.1:1', true])
    all.handshakeDone('n1')
    expect(all.needsHandshake('n1')).toBe(false)
    callbackUrl = 'http://127.0.0.1:2'
    all.forget('n1')
    expect(all.needsHandshake('n1')).toBe(false)
    await all.of(node, signal)
    expect(all.needsHandshake('n1')).toBe(true)
  })
})

describe('a new node', () => {
  it('has a name of our installation that was never used, and nothing asked of it yet', () => {
    const engine = { install: { id: 'inst00012345', key: Buffer.alloc(0) }, world, config: aConfig() }
    const wish = { provider: 'hetzner', size: 'small', location: 'fsn1' } as const
    const one = freshNode(engine, wish, 7)
    expect(one.name).toMatch(/^tdf-inst0001-[0-9a-f]{12}$/)
    expect(freshNode(engine, wish, 7).name).not.toBe(one.name)
    const { maxWorkspaces } = engine.config.nodes
    expect(one).toMatchObject({ ...wish, status: 'ordered', autoProvisioned: true, address: null, maxWorkspaces })
    expect(one).toMatchObject({ rev: 0, wakeAt: 7, createdAt: 7, updatedAt: 7, deadlineAt: null, stateId: null })
  })

  it('that is yours is not ours', () => {
    const about = { name: 'box', size: null, location: 'here', address: 'a', maxWorkspaces: 2, forget: () => {} }
    const box = newStaticNode('static', about, 9)
    expect(box).toMatchObject({ name: 'box', provider: 'static', location: 'here', autoProvisioned: false })
    expect(box).not.toHaveProperty('forget')
  })

  it('is leased for a twelfth longer than it may be held', () => {
    expect(leaseMs(12)).toBe(13)
    expect(leaseMs(13)).toBe(15)
  })
})
