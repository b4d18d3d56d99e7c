/** Ten thousand tasks that wait for another one: a pass of the placement beside them, and the end of the one that they wait for. */
import { buildEngine, type RunningEngine } from '../../../../../daemon/build.ts'
import { servers } from '../../../../../daemon/results/push/servers.ts'
import { silentLog } from '../../../../../src/platform/log.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { openStore } from '../../../../../src/store/store.ts'
import { fakeResults, fakeSources } from '../../../../fakes/results/results.ts'
import { aConfig, aSpec } from '../../../../support/builders.ts'
import { makeFolder } from '../../load/host.ts'
import type { Row } from '../../report.ts'
import { median, rounds, spread } from '../../stats.ts'

export async function heldRows(count: number, held = 10_000): Promise<Row[]> {
  const folder = makeFolder()
  const world = realWorld()
  const store = openStore(folder.dir, world)
  const engine: RunningEngine = buildEngine({
    ...{ world, store, config: aConfig(), log: silentLog, results: fakeResults(), sources: fakeSources(), servers },
    ...{ providers: {}, install: { id: 'bench', key: Buffer.alloc(32) }, secrets: () => ({}) },
    ...{ callbackUrl: () => '', bundleFile: () => '' },
  })
  try {
    await engine.takeUp()
    const asked = { idempotencyKey: null, idempotencyHash: null, createdAt: world.clock.now() }
    await engine.submit({ id: 'first', spec: aSpec(), ...asked })
    const spec = aSpec({ after: { ids: ['first'], from: [], if: 'ended', onFailed: 'hold' } })
    const names = Array.from({ length: held }, (_, index) => `h${index}`)
    await engine.submitAll(null, () => names.map(id => ({ id, spec, ...asked })))
    if (engine.queue.list().length !== 1) throw new Error(`${engine.queue.list().length} tasks ask for a slot`)
    const pass = async () => {
      engine.placementChanged()
      await store.commit(() => {})
    }
    const times = await rounds(count, pass)
    const began = performance.now()
    await engine.signal({ kind: 'cancel', taskId: 'first' })
    while (engine.queue.list().length < held) await new Promise(resolve => setImmediate(resolve))
    const releasedMs = performance.now() - began
    return [
      {
        what: `a placement pass beside ${held} tasks that wait for another one`,
        bar: '≤ 20 ms',
        measured: `${spread(times, 2)} ms`,
        holds: median(times) <= 20,
      },
      {
        what: 'the end of that one, which lets all of them go on in its transaction',
        bar: '',
        measured: `${releasedMs.toFixed(0)} ms`,
        holds: null,
      },
    ]
  } finally {
    await engine.loop.stop()
    await store.close()
    folder.remove()
  }
}
