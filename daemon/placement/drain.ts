/** No task is begun while the daemon is drained: what runs goes on to its end. It holds over restarts, until undone. */
import { readMeta, writeMeta } from '../../src/store/tables/meta.ts'
import { obstacles } from '../../src/text/waiting.ts'
import type { Engine } from '../services.ts'

type Parts = Pick<Engine, 'store' | 'admission' | 'placementChanged' | 'log'>

const KEY = 'draining'

/** Rejects as `answered` does; what is stored later all the same counts from then on. */
export function setDraining(engine: Parts, isDraining: boolean): Promise<void> {
  const { store } = engine
  return store.answered(() => {
    writeMeta(store.sql, KEY, isDraining ? '1' : '0')
    store.afterCommit(() => takeUpDraining(engine))
  })
}

/** What was decided before a restart. */
export function takeUpDraining(engine: Parts): void {
  const { store, admission, placementChanged, log } = engine
  const isDraining = readMeta(store.sql, KEY) === '1'
  if (!admission.set('drain', isDraining ? obstacles.drain() : null)) return
  if (!isDraining) placementChanged()
  log.info({}, isDraining ? obstacles.drain() : 'tasks are begun again')
}
