/** The counts of a daemon in one line, for `systemctl status`. */
import { countNodes } from '../src/store/nodes.ts'
import { countLive } from '../src/store/tasks.ts'
import type { Engine } from './deps.ts'

export function statusLine({ store, admission }: Pick<Engine, 'store' | 'admission'>): string {
  const tasks = countLive(store.sql)
  const nodes = Object.values(countNodes(store.sql)).reduce((sum, count) => sum + count, 0)
  const running = tasks.in_progress ?? 0
  const waiting = Object.values(tasks).reduce((sum, count) => sum + count, 0) - running
  const obstacle = admission.obstacle()
  const held = obstacle === null ? '' : ` (${obstacle})`
  return `${running} running, ${waiting} waiting, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}${held}`
}
