/** What the daemon relies on in a provider. The real ones and the models of them all pass this. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentClient } from '../../src/clients/agent.ts'
import type { Node } from '../../src/core/node.ts'
import type { Provider } from '../../src/machines/provider.ts'
import type { World } from '../../src/platform/world.ts'

export interface ProviderRig {
  provider: Provider
  world: World
  /** One of its standing nodes, or one that nobody has ordered yet. */
  node: Node
  /** How many machines there are. */
  machines(): number
  /** Lets so much time pass, in ms. */
  pass(ms: number): Promise<void>
  stop?(): Promise<void> | void
}

const LOOK_MS = 5_000
const LOOKS_MAX = 40
const { signal } = new AbortController()
const anything = { size: true, location: true }

/** `orders` says whether its machines are made for us; else they are simply there. */
export function providerConformance(kind: string, orders: boolean, start: () => Promise<ProviderRig>): void {
  describe(`${kind}: what the daemon relies on`, () => {
    let rig: ProviderRig
    let node: Node
    beforeAll(async () => {
      rig = await start()
      node = rig.node
    })
    afterAll(() => rig.stop?.())

    /** Takes over what was learnt, as the node's journey does. */
    async function ensure(): Promise<string> {
      const machine = await rig.provider.ensure(node, signal, anything)
      node = { ...node, facts: { ...node.facts, ...machine.facts } }
      if (machine.state === 'up') node = { ...node, address: machine.address }
      return machine.state
    }

    async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
      for (let look = 0; look < LOOKS_MAX; look++) {
        if (await holds()) return
        await rig.pass(LOOK_MS)
      }
      throw new Error(`never: ${what}`)
    }

    it('has nodes that are there, or a catalogue of what can be ordered', () => {
      const catalogue = rig.provider.catalogue()
      const names = rig.provider.staticNodes().map(({ name }) => name)
      if (!orders) return expect([catalogue, names]).toEqual([null, [node.name]])
      expect(names).toEqual([])
      expect(catalogue?.sizes.length).toBeGreaterThan(0)
      expect(catalogue?.locations.length).toBeGreaterThan(0)
    })

    it('makes nothing by looking', async () => {
      const { state } = await rig.provider.find(node, signal)
      expect(orders ? ['gone', 'coming'] : ['up', 'coming']).toContain(state)
      expect(rig.machines()).toBe(orders ? 0 : 1)
    })

    it('makes one machine, however often it is asked, and finds it when what it said was lost', async () => {
      await ensure()
      const forgetful = { ...rig.node }
      await rig.provider.ensure(forgetful, signal, anything)
      await until('it is up', async () => (await ensure()) === 'up')
      expect(rig.machines()).toBe(1)
      expect(node.address).toMatch(/\S/)
      expect(await rig.provider.find(node, signal)).toMatchObject({ state: 'up', address: node.address })
    })

    it('leads to the agent of that very node', async () => {
      const { transport, token } = await rig.provider.connect(node)
      const client = agentClient({ world: rig.world, nodeName: node.name, transport, token })
      expect(await client.health()).toMatchObject({ nodeName: node.name })
    })

    it('says what runs a command there, or that nothing does', () => {
      const shell = rig.provider.shell(node)
      expect(shell === null || shell.every(word => word !== '')).toBe(true)
    })

    it('can be asked to destroy it any number of times, and is done only when it is gone', async () => {
      await until('it is gone', () => rig.provider.destroy(node, signal))
      expect(await rig.provider.destroy(node, signal)).toBe(true)
      expect(rig.machines()).toBe(orders ? 0 : 1)
      const { state } = await rig.provider.find(node, signal)
      expect(state).toBe(orders ? 'gone' : 'up')
    })
  })
}
