/** The answer to "why is my task not done?" in every situation that people meet. The golden file is the review. */
import { afterEach, expect, it } from 'vitest'
import { whyText } from '../../../../commands/tasks/list-run.ts'
import { why } from '../../../../daemon/api/tasks/why.ts'
import { writeHeartbeat } from '../../../../src/store/tables/nodes.ts'
import type { FakeAgent, Script } from '../../../fakes/agent.ts'
import { aConfig, aSpec } from '../../../support/builders.ts'
import { type Life, live, type Outside, type OutsideOptions, outside } from '../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

async function begin(options: OutsideOptions = {}): Promise<FakeAgent> {
  out = outside(options)
  life = await live(out)
  await life.world.run(() => false, 1_000)
  return out.agents.get('n1') as FakeAgent
}

const until = (id: string, step: string | null, ms = 3_600_000) => life.world.run(() => life.task(id).step === step, ms)
const one = aConfig({ nodes: { maxWorkspaces: 1, maxNodes: 1 } })
const beat = (load: { cpuPercent: number; memoryPercent: number }) =>
  life.engine.store.commit(() =>
    writeHeartbeat(life.engine.store.sql, 'n1', { at: life.world.clock.now(), diskPercent: 1, ...load }),
  )

const LIMITED: Script = { exitCode: 1, commits: 1, limitMs: 7_200_000, says: { resumeRef: 'c1' } }
const claude = (script: Script) => ({ agent: { ...aSpec({}, script).agent, name: 'claude', type: 'claude' as const } })

/** What goes on right now, by task. */
const progress: Record<string, string> = {}

const SITUATIONS: Record<string, () => Promise<string>> = {
  'there is no node at all': async () => {
    await begin({ nodes: [] })
    return life.submit({}, {}, 'task1')
  },
  'every slot is in use, and runs have taken a while before': async () => {
    await begin({ config: one })
    for (const id of ['past1', 'past2', 'past3', 'past4', 'past5']) {
      await life.submit({}, { ms: 120_000 }, id)
      await until(id, null)
    }
    await life.submit({}, { hangs: true }, 'other')
    await until('other', 'running')
    await life.submit({}, {}, 'task0')
    return life.submit({}, {}, 'task1')
  },
  'two nodes, and neither takes it': async () => {
    await begin({ nodes: ['n1', 'n2'], config: one })
    await life.submit({ node: 'n2' }, { hangs: true }, 'other')
    await until('other', 'running')
    await beat({ cpuPercent: 91, memoryPercent: 10 })
    return life.submit({}, {}, 'task1')
  },
  'the node that it asked for is busy, and another one is free': async () => {
    await begin({ nodes: ['n1', 'n2'], config: one })
    await life.submit({ node: 'n2' }, { hangs: true }, 'other')
    await until('other', 'running')
    return life.submit({ node: 'n2' }, {}, 'task1')
  },
  'the node that it asked for is full of memory': async () => {
    await begin()
    await beat({ cpuPercent: 1, memoryPercent: 88 })
    return life.submit({ node: 'n1' }, {}, 'task1')
  },
  'the node that it asked for is not the one that is there': async () => {
    await begin()
    return life.submit({ node: 'n9' }, {}, 'task1')
  },
  'it asked for a location and a size that no node has': async () => {
    await begin()
    return life.submit({ size: 'large' }, {}, 'task1')
  },
  'its node does not answer any more': async () => {
    const agent = await begin()
    agent.faults.down = true
    await life.world.run(() => false, 90_000)
    return life.submit({}, {}, 'task1')
  },
  'a machine was ordered': async () => {
    await begin({ nodes: [], cloud: true, config: one })
    await life.submit({}, {}, 'task1')
    await until('task1', 'node_provisioning')
    return 'task1'
  },
  'its machine does not boot': async () => {
    await begin({ nodes: [], cloud: true, config: one })
    if (out.cloud) out.cloud.faults.neverBoot = true
    await life.submit({}, {}, 'task1')
    await life.world.run(() => false, 300_000)
    return 'task1'
  },
  'the provider has no room': async () => {
    await begin({ nodes: [], cloud: true, config: one })
    if (out.cloud) out.cloud.faults.full = 99
    await life.submit({}, {}, 'task1')
    await life.world.run(() => false, 30_000)
    return 'task1'
  },
  'the agent of its node answers with errors': async () => {
    const agent = await begin()
    agent.faults.refuse.push(...Array.from({ length: 3 }, () => ({ match: /POST \/workspaces$/, status: 503 })))
    await life.submit({}, {}, 'task1')
    await life.world.run(() => false, 100)
    return 'task1'
  },
  'its workspace is being made': async () => {
    await begin()
    await life.submit({}, {}, 'task1')
    await until('task1', 'workspace_ready')
    return 'task1'
  },
  'its repository is being fetched': async () => {
    await begin()
    out.sources.fetched = () => null
    life.engine.config.repositories.fetch = 'daemon'
    await life.submit({}, {}, 'task1')
    progress.task1 = 'receiving objects, 45 %, 12.00 MiB'
    return 'task1'
  },
  'its agent is at work': async () => {
    await begin()
    await life.submit({}, { hangs: true, busy: true }, 'task1')
    await until('task1', 'running')
    await life.world.run(() => false, 300_000)
    return 'task1'
  },
  'its agent waits for a person': async () => {
    await begin()
    await life.submit({ interactive: true }, { ms: 1_000 }, 'task1')
    await until('task1', 'awaiting_followup')
    return 'task1'
  },
  'its work cannot be saved yet': async () => {
    const agent = await begin()
    agent.faults.salvageFails = true
    await life.submit({}, { ms: 1_000, commits: 1 }, 'task1')
    await until('task1', 'salvage')
    await life.world.run(() => false, 20_000)
    return 'task1'
  },
  'its work could not be saved in time': async () => {
    const agent = await begin()
    agent.faults.salvageFails = true
    await life.submit({}, { ms: 1_000, commits: 1 }, 'task1')
    await until('task1', null)
    return 'task1'
  },
  'its workspace cannot be removed': async () => {
    const agent = await begin()
    await life.submit({}, { ms: 60_000 }, 'task1')
    await until('task1', 'running')
    agent.faults.refuse.push(...Array.from({ length: 40 }, () => ({ match: /DELETE/, status: 500 })))
    await until('task1', null)
    return 'task1'
  },
  'its agent has reached its usage limit': async () => {
    await begin()
    await life.submit(claude(LIMITED), {}, 'task1')
    await life.world.run(() => life.task('task1').status === 'parked', 600_000)
    return 'task1'
  },
  'its agent has reached its usage limit, and its machine was released': async () => {
    await begin({ nodes: [], cloud: true, config: one })
    await life.submit(claude(LIMITED), {}, 'task1')
    await life.world.run(() => life.task('task1').status === 'parked' && life.task('task1').nodeName === null, 600_000)
    return 'task1'
  },
  'another task has reached the usage limit of its agent': async () => {
    await begin()
    await life.submit(claude(LIMITED), {}, 'other')
    await life.world.run(() => life.task('other').status === 'parked', 600_000)
    await life.submit(claude({}), {}, 'task1')
    return 'task1'
  },
  'it is done': async () => {
    await begin()
    await life.submit({}, { commits: 1 }, 'task1')
    await until('task1', null)
    return 'task1'
  },
  'it has failed': async () => {
    await begin()
    await life.submit({}, { exitCode: 3, commits: 1 }, 'task1')
    await until('task1', null)
    return 'task1'
  },
  'it was cancelled': async () => {
    await begin()
    await life.submit({}, { hangs: true }, 'task1')
    await until('task1', 'running')
    await life.engine.signal({ kind: 'cancel', taskId: 'task1' })
    await until('task1', null)
    return 'task1'
  },
}

const said: string[] = []

it.each(Object.entries(SITUATIONS))('why: %s', async (name, arrange) => {
  const id = await arrange()
  await life.world.settle()
  const text = whyText(why(life.engine, life.task(id), progress[id] ?? null), life.world.clock.now())
  expect(text).toMatch(/^Its? /)
  delete progress[id]
  said.push(`## ${name}\n\n${text}`)
})

it('the whole of it reads well', async () => {
  expect(said.length).toBeGreaterThanOrEqual(12)
  await expect(said.join('\n')).toMatchFileSnapshot('../../../golden/why.txt')
})
