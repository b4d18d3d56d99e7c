/**
 * What is read may be on its way to a database that never gets it, and then another daemon goes on with what was before: what
 * cannot be taken back outside is done once it is stored, and never where it was refused.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { undo } from '../../../../../daemon/engine/cleanup.ts'
import { runTask } from '../../../../../daemon/engine/run-task.ts'
import { runNode } from '../../../../../daemon/nodes/run-node.ts'
import type { Engine } from '../../../../../daemon/services.ts'
import { machines } from '../../../../../daemon/sweeps/machines.ts'
import { orphans } from '../../../../../daemon/sweeps/orphans.ts'
import { prune } from '../../../../../daemon/sweeps/prune.ts'
import type { SweepParts } from '../../../../../daemon/sweeps/run.ts'
import { addCleanup } from '../../../../../src/store/tables/cleanups.ts'
import { readNode } from '../../../../../src/store/tables/nodes.ts'
import { HOUR, type Lives, lives, MIN } from '../../../../support/daemon/lives.ts'

let all: Lives
beforeEach(async () => {
  all = await lives({ ledger: {} })
  await all.until(() => readNode(sql(), 'n1')?.status === 'ready', MIN)
  await all.submit({}, { hangs: true, busy: true })
  expect(await all.until(() => all.life.task('task-1').step === 'running', HOUR)).toBe(true)
})
afterEach(() => all.end())

const store = () => all.life.engine.store
const sql = () => store().sql
const { signal } = new AbortController()
const ledger = () => {
  if (!all.out.ledger) throw new Error('there is no ledger')
  return all.out.ledger
}
const deletes = () => all.agent().requests.filter(line => line.startsWith('DELETE /workspaces/')).length
/** Files are real, and take turns of the real loop. */
const settle = async () => {
  for (let left = 20; left > 0; left--) {
    await all.life.world.settle()
    await new Promise(resolve => setImmediate(resolve))
  }
}
const pack = () => path.join(all.out.dir, 'packs', 'task-1-1.bundle')
const destroy = vi.fn(async () => true)
const over = (providers: object): Engine => ({ ...all.life.engine, providers: providers as Engine['providers'] })

const effects: { what: string; write(): void; act(): Promise<unknown>; count(): number }[] = [
  {
    what: 'the workspace of an attempt that is over is deleted',
    write: () =>
      addCleanup(sql(), {
        id: 'task-1',
        attempt: 1,
        kind: 'delete_workspace',
        nodeName: 'n1',
        subject: 'task-1-1-1',
        dueAt: 0,
      }),
    act: () => undo(all.life.engine, { id: 'task-1', attempt: 1 }, signal),
    count: deletes,
  },
  {
    what: 'a workspace without an owner is deleted',
    write: () => sql().run('update workspaces set released_at = 1'),
    act: () => orphans.run(all.life.engine, {} as SweepParts, signal),
    count: deletes,
  },
  {
    what: 'a task goes on to what follows, and an agent begins,',
    write: () => sql().run("update attempts set step = 'agent_session', status = 'delegated'"),
    act: () => runTask(all.life.engine, { id: 'task-1', attempt: 1 }, new AbortController()),
    count: () => all.agent().requests.filter(line => line.endsWith('/agent-sessions')).length - begun,
  },
  {
    what: 'a machine is destroyed',
    write: () => sql().run("update nodes set status = 'destroying', wake_at = 1"),
    act: () => runNode(over({ static: { destroy } }), 'n1', signal),
    count: () => destroy.mock.calls.length,
  },
  {
    what: 'a machine that should be gone is removed',
    write: () => sql().run("update nodes set status = 'destroyed', updated_at = 1"),
    act: () => {
      const listed = { nodeName: 'n1', id: '1', createdAt: 1, leaseUntil: null }
      return machines.run(
        over({ static: { fleet: { list: async () => [listed], remove: destroy } } }),
        {} as SweepParts,
        signal,
      )
    },
    count: () => destroy.mock.calls.length,
  },
  {
    what: 'the bundle of an attempt that goes on is removed',
    write: () => sql().run('update attempts set live = 0, step = null, wake_at = null'),
    act() {
      mkdirSync(path.dirname(pack()), { recursive: true })
      writeFileSync(pack(), '')
      const files = { prune: async () => {} }
      const results = { files, removeUnused: async () => 0, removeArtifacts: async () => 0 }
      const engine = { ...all.life.engine, results: results as unknown as Engine['results'] }
      // Rows that are too old went before, in a write of their own.
      const own = { ...store(), commit: async <T>(write: () => T) => write() }
      const parts = { stateDir: all.out.dir, observability: { prune: () => 0 } } as unknown as SweepParts
      return prune.run({ ...engine, store: own }, parts, signal)
    },
    count: () => (existsSync(pack()) ? 0 : 1),
  },
]

let begun: number
beforeEach(() => {
  destroy.mockClear()
  begun = 0
  begun = effects[2]?.count() ?? 0
})

it.each(effects)('$what once that is stored', async ({ write, act, count }) => {
  ledger().leave()
  const stored = store().commit(write)
  await settle()
  const acted = act()
  await settle()
  expect(count()).toBe(0)
  ledger().comeBack()
  await all.until(() => count() > 0, MIN)
  await settle()
  await Promise.all([stored, acted])
  expect(count()).toBe(1)
})

it.each(effects)('never where another daemon serves by then: $what', async ({ write, act, count }) => {
  ledger().leave()
  const stored = store().commit(write)
  await settle()
  const acted = act()
  await settle()
  ledger().claim()
  const ends = Promise.allSettled([stored, acted])
  ledger().comeBack()
  await settle()
  expect((await ends)[0].status).toBe('rejected')
  expect(count()).toBe(0)
})
