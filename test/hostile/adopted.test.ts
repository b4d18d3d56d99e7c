/** A machine that nobody owned says whose work is on it: it is believed about tasks whose rows name no other machine. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, putBack } from '../../src/store/sqlite/backup.ts'
import { readNode } from '../../src/store/tables/nodes.ts'
import { due } from '../../src/store/tables/outbox.ts'
import { aConfig } from '../support/builders.ts'
import { type Life, live, type Outside, outside } from '../support/daemon/sim-daemon.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const config = aConfig({
  nodes: { heartbeatInterval: 5 * MIN, heartbeatStale: 20 * MIN, lostAfter: 40 * MIN, heldMax: 100 * HOUR },
  runner: { reconcileInterval: 10 * MIN },
})
const WORK = { commits: 1, ms: 5 * HOUR, busy: true }

let out: Outside
let life: Life

beforeEach(async () => {
  out = outside({ nodes: ['honest'], hetzner: true, config })
  life = await live(out)
  await until(() => readNode(life.engine.store.sql, 'honest')?.status === 'ready')
})
afterEach(() => {
  life.kill()
  out.remove()
})

async function until(holds: () => boolean, withinMs = 20 * HOUR): Promise<void> {
  expect(await life.world.run(holds, withinMs)).toBe(true)
}

const honest = () => agentOf([...out.agents.values()])
/** The machine that was ordered, whose agent lies. */
const liar = () => agentOf([...(out.hetzner?.agents.values() ?? [])])

function agentOf<T>([agent]: readonly T[]): T {
  if (!agent) throw new Error('there is no such machine')
  return agent
}

const submit = (provider: 'static' | 'hetzner', id: string) => life.submit({ provider }, WORK, id)
const runs = (id: string) => until(() => life.task(id).step === 'running')
const backup = () => backUp(life.engine.store.sql, out.dir, 'older.db')
const said = () =>
  due(life.engine.store.sql, 'error', Number.MAX_SAFE_INTEGER, 100)
    .map(({ payload }) => String(payload.message))
    .join('\n')

/** The ordered machine claims the workspace of the task, as it is at the honest node or would be there. */
function claim(id: string, like: string): void {
  const model = liar().workspaces.get(`${like}-1-1`)
  if (!model) throw new Error('it has no work of its own')
  const body = { ...model.body, workspaceId: `${id}-1-1`, taskId: id }
  liar().workspaces.set(`${id}-1-1`, { ...model, body, sessions: new Map(), ahead: 1 })
}

async function restore(file: string): Promise<void> {
  life.kill()
  putBack(out.dir, file, out.time.now)
  life = await live(out)
}

it('does not get a task that was to run on another node', async () => {
  life.engine.admission.set('drain', 'nothing begins')
  await life.submit({ node: 'honest' }, WORK, 'pinned')
  const file = backup()
  life.engine.admission.set('drain', null)
  life.engine.placementChanged()
  await submit('hetzner', 'gone')
  await runs('gone')
  await runs('pinned')
  claim('pinned', 'gone')
  honest().faults.down = true
  await restore(file)
  await until(() => life.engine.admission.obstacle() === null)
  expect(life.task('pinned').nodeName).not.toBe(liar().name)
  honest().faults.down = false
  await until(() => life.task('pinned').step === null)
  expect(life.task('pinned')).toMatchObject({ status: 'completed', nodeName: 'honest', attempt: 1 })
})

it('gives no result to a task that ran on another node, and what it says is kept aside', async () => {
  await submit('static', 'lost')
  await runs('lost')
  honest().faults.down = true
  await until(() => life.task('lost').verdict === 'infrastructure')
  const file = backup()
  await submit('hetzner', 'gone')
  await runs('gone')
  claim('lost', 'gone')
  await restore(file)
  await until(() => said().includes('lost-1-1.bundle'))
  expect(life.task('lost').result).toBeNull()
})

it('is not destroyed over a workspace that lives on another node before its own of that name is saved', async () => {
  const file = backup()
  await submit('hetzner', 'gone')
  await runs('gone')
  await restore(file)
  await submit('static', 'alive')
  await runs('alive')
  claim('alive', 'gone')
  await until(() => said().includes('alive-1-1.bundle'))
  await until(() => life.task('alive').step === null)
  expect(life.task('alive')).toMatchObject({ status: 'completed', nodeName: 'honest' })
})
