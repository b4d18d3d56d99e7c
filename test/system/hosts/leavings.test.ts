/**
 * What an agent can leave × how its run ends, on a box by ssh (as users of its slots, and as the one ordinary user that
 * is reached there) and on a machine that was ordered. All runs go at the same time, and the last one of each place goes
 * on until its machine is lost after a checkpoint.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeJson, TaskJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import {
  COSTLY_AGENT,
  contentOf,
  type End,
  ends,
  expectAllHome,
  LEAVE,
  submitRun,
  unaccounted,
  untilLeft,
} from '../leavings.ts'
import { type Box, openBox } from './support/box.ts'
import { type MachineCloud, openCloud } from './support/cloud.ts'

const TOKEN = 'hcloud-test-token'
const CONFIG = `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
keep_paid_hour = false
[results]
checkpoint_interval = "1s"
[nodes]
warm_timeout = "10m"
max_workspaces = 8
heartbeat_interval = "1s"
heartbeat_stale = "10s"
lost_after = "30s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[runner]
provision_poll_interval = "500ms"
agent_poll_interval = "500ms"
reconcile_interval = "2s"
salvage_timeout = "3m"
${COSTLY_AGENT}`
const PLACES = [
  { place: 'a box, by users of its slots', options: ['--node', 'box'] },
  { place: 'a box, by its ordinary user', options: ['--node', 'ci'] },
  { place: 'an ordered machine', options: ['--provider', 'hetzner'] },
]
const ENDS = ends('60s')
/** A checkpoint that has the second mark began when everything was left: the one before it already had the first. */
const LOST: End = {
  ...{ end: 'a lost machine', verdict: 'infrastructure', options: [] },
  script: `${LEAVE}\necho 1 > mark-1; until [ -e /tmp/goes ]; do sleep 0.2; done; echo 2 > mark-2; exec sleep 900`,
}

let site: MachineCloud
let home: Home
let box: Box
const repository = makeRepository()
/** Tasks by place and end. */
const ids = new Map<string, string>()

const idOf = (place: string, { end }: Pick<End, 'end'>) => ids.get(`${place} ${end}`) ?? ''
const orderedMachine = () => site.machine(site.ordered[0]?.name ?? '')

beforeAll(async () => {
  site = await openCloud({ token: TOKEN })
  home = makeHome(CONFIG)
  box = await openBox(site.site, home.dir)
  await home.start({ ...box.env, HCLOUD_TOKEN: TOKEN, HCLOUD_ENDPOINT: site.endpoint })
  const users = { box: 'root', ci: 'ci' }
  for (const [name, user] of Object.entries(users)) {
    const words = ['node', 'add', `${user}@${box.machine.address}`, '--name', name, '--host-key', box.fingerprint]
    expect(await tdf(home, ...words)).toMatchObject({ code: 0 })
  }
  for (const { place, options } of PLACES) {
    for (const run of [...ENDS, LOST]) {
      const branch = `result-${ids.size}`
      const id = await submitRun(home, repository.dir, run, ...options, '--output-branch', branch)
      ids.set(`${place} ${run.end}`, id)
    }
  }
}, 900_000)

afterAll(async () => {
  await home?.remove()
  box?.remove()
  await site?.remove()
  repository.remove()
}, 60_000)

async function ended(id: string): Promise<TaskJson> {
  await until(`${id} is over`, async () => (await home.task(id)).cleanup === 'done', 300_000)
  return home.task(id)
}

describe.each(PLACES)('what an agent left on $place', ({ place }) => {
  it.each(ENDS)(
    'is at home or named when the run ends by: $end',
    async run => {
      const id = idOf(place, run)
      if (run.end === 'cancelled') {
        await untilLeft(home, id)
        expect(await tdf(home, 'cancel', id)).toMatchObject({ code: 0 })
      }
      await expectAllHome(home, await ended(id), run.verdict)
    },
    400_000,
  )
})

describe('what an agent left on a machine that is lost after a checkpoint', () => {
  const lost = PLACES.map(({ place }) => ({ place }))
  const untilSaved = (id: string, file: string) =>
    until(`${file} is saved`, () => contentOf(home, `refs/tdf-checkpoint/${id}/1:${file}`) !== null, 120_000)

  beforeAll(async () => {
    for (const { place } of lost) await untilSaved(idOf(place, LOST), 'mark-1')
    for (const machine of [box.machine, orderedMachine()]) machine.run('touch /tmp/goes')
    for (const { place } of lost) await untilSaved(idOf(place, LOST), 'mark-2')
    await box.machine.powerOff()
    site.cloud.vanish(site.ordered[0]?.name ?? '')
  }, 400_000)

  it.each(lost)(
    'is at home or named: $place',
    async ({ place }) => {
      const id = idOf(place, LOST)
      await until(`${id} has a result`, async () => (await home.task(id)).result !== null, 150_000)
      const task = await home.task(id)
      expect(task).toMatchObject({ status: 'failed', verdict: 'infrastructure', result: { ahead: 1, salvaged: true } })
      expect(unaccounted(home, task)).toEqual([])
      expect(task.leftOut.map(({ path }) => path)).toContain('pipe')
    },
    300_000,
  )

  it('needed one machine for all of it', async () => {
    expect([...site.cloud.made.values()]).toEqual([1])
    expect((await home.client.call<NodeJson[]>({ path: '/nodes' })).map(({ name }) => name)).toContain('box')
  })
})
