/**
 * A provider that makes machines, as a model: they take a while to boot, run the model of an agent, cost money until
 * they are gone, and know what was lost with them. Faults are switched on by name.
 */
import { TdfError } from '../../src/core/errors.ts'
import type { Provider } from '../../src/machines/provider.ts'
import type { Clock } from '../../src/platform/world.ts'
import { type FakeAgent, type FakeAgentOptions, fakeAgent, type IsHome, losesWork } from './agent.ts'
import { appTransport, delayed, type Latency } from './provider.ts'

export interface CloudFaults {
  /** Calls that fail before anything is done. */
  refuse: number
  /** Calls of create that do it and lose the answer. */
  loseAnswer: number
  /** Creates that find no room. */
  full: number
  /** Machines born from now on never boot. */
  neverBoot: boolean
  /** Destroys that are refused. */
  locked: number
}

export interface FakeCloud {
  provider: Provider
  machines: Map<string, { agent: FakeAgent; bornAt: number; boots: boolean }>
  faults: CloudFaults
  /** How many machines were made under each name, since it last vanished. */
  made: Map<string, number>
  /** Work that was in a machine when it was destroyed by us. */
  lostWork: string[]
  /** The machine disappears behind our back. */
  vanish(name: string): void
}

export interface FakeCloudOptions {
  clock: Clock
  deliver: NonNullable<FakeAgentOptions['deliver']>
  bootMs?: number
  latency?: Latency
  /** Whether a commit is safe at home. */
  isHome: IsHome
  meter?: FakeAgentOptions['meter']
  /** Without it nobody knows what a machine costs. */
  pricePerHour?: number
}

export function fakeCloud({
  clock,
  deliver,
  bootMs = 40_000,
  isHome,
  latency = () => {},
  meter,
  pricePerHour,
}: FakeCloudOptions): FakeCloud {
  const faults: CloudFaults = { refuse: 0, loseAnswer: 0, full: 0, neverBoot: false, locked: 0 }
  const machines: FakeCloud['machines'] = new Map()
  const made = new Map<string, number>()
  const lostWork: string[] = []
  const take = (fault: 'refuse' | 'loseAnswer' | 'full' | 'locked') => faults[fault] > 0 && faults[fault]-- > 0

  const isUp = (name: string) => {
    const machine = machines.get(name)
    return machine?.boots === true && clock.now() >= machine.bornAt + bootMs
  }
  const told = ({ name, size, location }: Parameters<Provider['ensure']>[0]) => {
    const about = pricePerHour === undefined ? {} : { about: { size, location, pricePerHour } }
    if (isUp(name)) return { state: 'up' as const, address: name, ...about }
    return { state: 'coming' as const, why: `machine ${name} to boot`, ...about }
  }
  const failing = () => new TdfError('AGENT_BUSY', 'the cloud answered 503')

  const provider: Provider = {
    staticNodes: () => [],
    shell: () => null,
    catalogue: () => ({ sizes: ['small', 'medium', 'large'], locations: ['fsn1', 'nbg1'] }),
    async ensure(node) {
      const { name } = node
      if (take('refuse')) throw failing()
      if (!machines.has(name)) {
        if (take('full')) throw new TdfError('CAPACITY', 'the cloud has no such machine left', { retryAfterMs: 60_000 })
        made.set(name, (made.get(name) ?? 0) + 1)
        const agent = fakeAgent({ clock, name, deliver, isHome, ...(meter ? { meter } : {}) })
        machines.set(name, { agent, bornAt: clock.now(), boots: !faults.neverBoot })
        if (take('loseAnswer')) throw failing()
      }
      return told(node)
    },
    async find(node) {
      const { name } = node
      if (take('refuse')) throw failing()
      if (!machines.has(name)) return { state: 'gone' }
      return told(node)
    },
    connect: async ({ name }) => ({
      token: 'agent-token',
      async transport(exchange) {
        const machine = machines.get(name)
        if (!machine || !isUp(name)) throw new Error('connection refused')
        return delayed(appTransport(machine.agent), latency)(exchange)
      },
    }),
    async destroy({ name }) {
      if (take('refuse') || take('locked')) throw failing()
      const machine = machines.get(name)
      if (!machine) return true
      for (const workspace of machine.agent.workspaces.values()) {
        if (losesWork(workspace, isHome)) lostWork.push(workspace.body.workspaceId)
      }
      machine.agent.retire()
      machines.delete(name)
      return true
    },
  }
  return {
    ...{ provider, machines, faults, made, lostWork },
    vanish(name) {
      machines.get(name)?.agent.retire()
      machines.delete(name)
      made.delete(name)
    },
  }
}
