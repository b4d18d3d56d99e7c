/**
 * What befalls machines while a task runs on them: each fault has a machine of its own, all at the same time. However the
 * task ends, it says so, its work comes home where it can, and in the end no machine is left.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventJson, NodeJson, TaskJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { type MachineCloud, openCloud } from './support/cloud.ts'
import type { Machine } from './support/machine.ts'

const TOKEN = 'hcloud-test-token'
const CONFIG = `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
keep_paid_hour = false
[nodes]
warm_timeout = "1s"
max_workspaces = 1
cpu_threshold_percent = 100
memory_threshold_percent = 100
heartbeat_interval = "1s"
heartbeat_stale = "4s"
lost_after = "18s"
held_max = "10m"
[runner]
provision_poll_interval = "500ms"
agent_poll_interval = "500ms"
reconcile_interval = "2s"
salvage_timeout = "5s"
retry_base_delay = "500ms"
retry_max_delay = "2s"
[sweeps]
interval = "2s"
`
/** Writes, then waits until it is told to go on; what it wrote is not committed. */
const WORK = 'echo done > NOTES.md; touch /tmp/runs; until [ -e /tmp/goes ]; do sleep 0.2; done'
const NAMES = ['short cut', 'long cut', 'frozen', 'rebooted', 'deleted'] as const
type Name = (typeof NAMES)[number]

let site: MachineCloud
let home: Home
const repository = makeRepository()
const ran = new Map<Name, { id: string; node: string; machine: Machine }>()

const nodes = () => home.client.call<NodeJson[]>({ path: '/nodes' })
const submit = async () =>
  (await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', WORK)).out.trim()
const reaches = (id: string, what: string, holds: (task: TaskJson) => boolean) =>
  until(`${id} ${what}`, async () => holds(await home.task(id)), 150_000)

beforeAll(async () => {
  site = await openCloud({ token: TOKEN })
  home = makeHome(CONFIG)
  await home.start({ HCLOUD_TOKEN: TOKEN, HCLOUD_ENDPOINT: site.endpoint })
  const ids: string[] = []
  for (const _ of NAMES) ids.push(await submit())
  for (const [index, name] of NAMES.entries()) {
    const id = ids[index] ?? ''
    await reaches(id, 'runs', ({ step }) => step === 'running')
    const node = (await home.task(id)).node?.name ?? ''
    ran.set(name, { id, node, machine: site.machine(node) })
  }
}, 900_000)

afterAll(async () => {
  await home?.remove()
  await site?.remove()
  repository.remove()
}, 60_000)

function taskOf(name: Name) {
  const task = ran.get(name)
  if (!task) throw new Error(`nothing ran that is to be ${name}`)
  return task
}

const isHeld = (node: string) =>
  until('it is held', async () => (await nodes()).some(({ name, status }) => name === node && status === 'held'))

/** The statuses that its node went through. */
async function pathOf(node: string): Promise<unknown[]> {
  const lines = (await tdf(home, 'events', '-o', 'ndjson')).out.trim().split('\n')
  const events = lines.map(line => JSON.parse(line) as EventJson)
  return events.filter(({ type, nodeName }) => type === 'node.status' && nodeName === node).map(({ data }) => data.to)
}

const LIFE = ['ordered', 'creating', 'booting', 'ready']
const lost = { status: 'failed', verdict: 'infrastructure', attempt: 1, error: { code: 'NODE_LOST' } }

describe.concurrent('a machine on which a task runs', () => {
  it('is cut off for less than lost_after: the task does not notice', async () => {
    const { id, node, machine } = taskOf('short cut')
    machine.cutOff()
    // Longer than ssh keeps a silent connection, so that it has to be dialled anew.
    await pause(12_000)
    expect((await home.task(id)).status).toBe('in_progress')
    machine.restore()
    machine.run('touch /tmp/goes')
    await reaches(id, 'is over', ({ step }) => step === null)
    expect(await home.task(id)).toMatchObject({ status: 'completed', verdict: 'unverified', attempt: 1 })
    expect(await tdf(home, 'diff', id)).toMatchObject({ code: 0, out: expect.stringContaining('+done') })
    await until('its machine is gone', () => site.cloud.byName(node) === undefined)
    expect(await pathOf(node)).toEqual([...LIFE, 'warm', 'destroying', 'destroyed'])
  }, 300_000)

  it('is cut off for longer: the attempt ends, and the work comes home when it is back', async () => {
    const { id, node, machine } = taskOf('long cut')
    machine.cutOff()
    await reaches(id, 'is over', ({ step }) => step === null)
    expect(await home.task(id)).toMatchObject({ ...lost, result: null })
    await until('it is held', async () =>
      (await nodes()).some(({ name, status }) => name === node && status === 'held'),
    )
    machine.restore()
    await reaches(id, 'has its work', ({ result }) => result !== null)
    expect(await home.task(id)).toMatchObject({ ...lost, result: { filesChanged: 1, salvaged: true } })
    expect(await tdf(home, 'diff', id)).toMatchObject({ code: 0, out: expect.stringContaining('+done') })
    await until('its machine is gone', () => site.cloud.byName(node) === undefined)
    expect(await pathOf(node)).toEqual([...LIFE, 'lost', 'held', 'draining', 'destroying', 'destroyed'])
  }, 300_000)

  it('is frozen for ever: the attempt ends, and the machine is held until its user gives the work on it up', async () => {
    const { id, node, machine } = taskOf('frozen')
    machine.freeze()
    await reaches(id, 'is over', ({ step }) => step === null)
    expect(await home.task(id)).toMatchObject({ ...lost, result: null })
    await isHeld(node)
    const refused = await tdf(home, 'node', 'rm', node)
    expect(refused).toMatchObject({ code: 5, err: expect.stringContaining(`tdf node rm ${node} --discard-work`) })
    expect(await tdf(home, 'node', 'rm', node, '--discard-work', '--yes')).toMatchObject({ code: 0 })
    await until('its machine is gone', () => site.cloud.byName(node) === undefined)
    expect(await pathOf(node)).toEqual([...LIFE, 'lost', 'held', 'destroying', 'destroyed'])
    expect((await tdf(home, 'errors', '--json')).out).toContain(`the work of ${id} (attempt 1) on ${node} was given up`)
  }, 300_000)

  it('loses its power: the run is over, and its work comes home', async () => {
    const { id, node, machine } = taskOf('rebooted')
    await machine.powerOff()
    machine.boot()
    await reaches(id, 'is over', ({ step }) => step === null)
    expect(await home.task(id)).toMatchObject({
      status: 'failed',
      attempt: 1,
      result: { filesChanged: 1, salvaged: true },
    })
    expect(await tdf(home, 'diff', id)).toMatchObject({ code: 0, out: expect.stringContaining('+done') })
    await until('its machine is gone', () => site.cloud.byName(node) === undefined)
    expect(await pathOf(node)).toEqual([...LIFE, 'warm', 'destroying', 'destroyed'])
  }, 300_000)

  it('is deleted behind our back: the attempt ends, and nothing is waited for', async () => {
    const { id, node } = taskOf('deleted')
    site.cloud.vanish(node)
    await reaches(id, 'is over', ({ step }) => step === null)
    expect(await home.task(id)).toMatchObject({ ...lost, result: null })
    expect(await pathOf(node)).toEqual([...LIFE, 'lost', 'destroying', 'destroyed'])
  }, 300_000)
})

describe('afterwards', () => {
  it('there is no machine, one was made for each order, and no agent began a run twice', async () => {
    expect(site.cloud.leaks()).toEqual([])
    expect((await tdf(home, 'node', 'ls', '-q')).out).toBe('')
    expect([...site.cloud.made.values()]).toEqual(NAMES.map(() => 1))
    expect(site.cloud.requests.length).toBeLessThan(800)
    await until('everything is tidied up', async () => {
      const tasks = JSON.parse((await tdf(home, 'ls', '--all', '--json')).out) as TaskJson[]
      return tasks.length === NAMES.length && tasks.every(({ cleanup }) => cleanup === 'done')
    })
  }, 60_000)
})
