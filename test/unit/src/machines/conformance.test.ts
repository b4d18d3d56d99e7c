import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Node, ProviderName } from '../../../../src/core/node.ts'
import { LOCAL_NODE, localProvider } from '../../../../src/machines/local.ts'
import { staticProvider } from '../../../../src/machines/static.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { providerConformance } from '../../../conformance/provider.suite.ts'
import { fakeAgent } from '../../../fakes/agent.ts'
import { fakeCloud } from '../../../fakes/cloud.ts'
import { standingProvider } from '../../../fakes/provider.ts'
import { simWorld, timeline } from '../../../fakes/world.ts'
import { aConfig } from '../../../support/builders.ts'
import { aNode } from '../../../support/daemon/step-context.ts'
import { hetznerMachines } from '../../../support/machines/hetzner-machines.ts'
import { startAgentProcess, TOKEN } from '../agent/support/agent.ts'

const root = path.join(import.meta.dirname, '..', '..', '..', '..')
const delivered = async () => 200
const isHome = () => true

const nodeOf = (provider: ProviderName, name: string, autoProvisioned: boolean): Node =>
  aNode({ provider, name, autoProvisioned, address: null, status: 'creating', facts: {}, size: null, location: null })

providerConformance('local', false, async () => {
  const world = realWorld({})
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-local-'))
  const program = path.join(root, 'dist/tdf-agent.js')
  const env = { PATH: process.env.PATH ?? '', HOME: dir }
  const provider = localProvider({ world, stateDir: dir, runDir: dir, program, slots: 2, env })
  return {
    ...{ provider, world, node: nodeOf('local', LOCAL_NODE, false), machines: () => 1 },
    pass: () => pause(50),
    async stop() {
      provider.stop()
      await pause(300)
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 })
    },
  }
})

providerConformance('static', false, async () => {
  const world = realWorld({})
  const agent = await startAgentProcess({ name: 'box1' })
  const box = { name: 'box1', url: agent.url, ssh: '', token: TOKEN, tokenFile: '', size: '', location: '' }
  const noSsh = () => {
    throw new Error('it is not reached by ssh')
  }
  const ssh = { connect: noSsh, shell: noSsh, isOutdated: () => false, doing: () => null, hangUp: () => {} }
  const nodes = () => [{ ...box, maxWorkspaces: undefined }]
  const provider = staticProvider({ nodes, left: [], slots: 2, ssh, forget: () => undefined })
  return { provider, world, node: nodeOf('static', 'box1', false), machines: () => 1, pass: () => pause(50) }
})

providerConformance('hetzner', true, async () => {
  const time = timeline()
  const { clock } = simWorld(time)
  const machines = hetznerMachines({ clock, deliver: delivered, isHome })
  const world = simWorld(time, { fetch: machines.cloud.fetch })
  const provider = machines.provider(world, aConfig(), 'inst0001')
  const node = nodeOf('hetzner', 'tdf-inst0001-one', true)
  return { provider, world, node, machines: () => machines.cloud.servers().length, pass: ms => clock.advance(ms) }
})

providerConformance('the model of a cloud', true, async () => {
  const world = simWorld(timeline())
  const { clock } = world
  const cloud = fakeCloud({ clock, deliver: delivered, isHome })
  const node = nodeOf('hetzner', 'tdf-inst0001-one', true)
  return { provider: cloud.provider, world, node, machines: () => cloud.machines.size, pass: ms => clock.advance(ms) }
})

providerConformance('the model of boxes', false, async () => {
  const world = simWorld(timeline())
  const { clock } = world
  const provider = standingProvider(new Map([['box1', fakeAgent({ clock, name: 'box1' })]]))
  return { provider, world, node: nodeOf('static', 'box1', false), machines: () => 1, pass: ms => clock.advance(ms) }
})
