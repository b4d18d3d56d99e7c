/** Machines for a simulated daemon: the real Hetzner provider, the model of the API, and a model of an agent on each. */
import { leaseMs } from '../../../daemon/nodes/new-node.ts'
import type { Config } from '../../../src/config/schema/config.ts'
import { hetznerProvider } from '../../../src/machines/hetzner/provider.ts'
import type { Provider } from '../../../src/machines/provider.ts'
import type { Clock, World } from '../../../src/platform/world.ts'
import { type FakeAgent, type FakeAgentOptions, fakeAgent, type IsHome, losesWork } from '../../fakes/agent.ts'
import { type FakeHetzner, fakeHetzner } from '../../fakes/hetzner/cloud.ts'
import { appTransport } from '../../fakes/provider.ts'

export interface HetznerMachines {
  cloud: FakeHetzner
  /** By server name; those of servers that are gone stay, for what they remember. */
  agents: Map<string, FakeAgent>
  /** Work that went with a machine before it was at home. */
  lostWork: string[]
  /** For how long each server that is gone was spoken for beyond its end, in ms. */
  leasesLeft: number[]
  provider(world: World, config: Config, installId: string): Provider
}

export interface HetznerMachinesOptions {
  clock: Clock
  deliver: NonNullable<FakeAgentOptions['deliver']>
  isHome: IsHome
}

export const CLOUD_TOKEN = 'hcloud-test-token'
export const CLIENT_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Lvbx0Hq3yQb6oJ8c6aT6aVq0f8k6U8w1S5mC3qWJz tdf'

export function hetznerMachines({ clock, deliver, isHome }: HetznerMachinesOptions): HetznerMachines {
  const agents = new Map<string, FakeAgent>()
  const lostWork: string[] = []
  const leasesLeft: number[] = []
  const cloud = fakeHetzner({
    now: () => clock.now(),
    token: CLOUD_TOKEN,
    born({ name, id }) {
      agents.set(name, fakeAgent({ clock, name, deliver, isHome }))
      return `127.77.${id >> 8}.${id & 255}`
    },
    died({ name, labels }) {
      leasesLeft.push(Number(labels['tdf-lease']) * 1_000 - clock.now())
      const agent = agents.get(name)
      for (const workspace of agent?.workspaces.values() ?? []) {
        if (losesWork(workspace, isHome)) lostWork.push(workspace.body.workspaceId)
      }
      agent?.retire()
    },
  })

  return {
    ...{ cloud, agents, lostWork, leasesLeft },
    provider: (world, config, installId) =>
      hetznerProvider({
        ...{ world, installId, config: config.providers.hetzner, leaseMs: leaseMs(config.nodes.heldMax) },
        token: () => CLOUD_TOKEN,
        transport: {
          userData: async ({ name }) => `#cloud-config\nhostname: ${name}\n`,
          publicKey: async () => CLIENT_KEY,
          ...{ shell: () => null, isOutdated: () => false, hangUp: () => {}, forget: () => {} },
          connect: async ({ name }) => ({
            token: 'agent-token',
            async transport(exchange) {
              const server = cloud.byName(name)
              const agent = agents.get(name)
              if (!server || !agent || !cloud.isUp(server)) throw new Error('connection refused')
              return appTransport(agent)(exchange)
            },
          }),
        },
      }),
  }
}
