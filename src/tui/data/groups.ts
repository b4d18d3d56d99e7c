/** Keeps what is known of the groups in the list true, while it is shown by groups. */
import { sleep } from '../../platform/world.ts'
import type { GroupJson } from '../../protocol/screen.ts'
import { groupOf } from '../state/groups.ts'
import type { Parts } from './remote.ts'

const LOOK_MS = 250
const READ_MS = 3_000
const ASKED_MAX = 50

export async function keepGroups({ store, remote, clock, signal }: Parts): Promise<void> {
  let readAt = Number.NEGATIVE_INFINITY
  let asked = ''
  while (!signal.aborted) {
    const { view, open, list, awaySince } = store.get()
    const isShown = view === 'tasks' && open === null && list.isGrouped && awaySince === null
    const names = isShown ? list.order.flatMap(id => groupOf(id) ?? []).slice(0, ASKED_MAX) : []
    const query = String(new URLSearchParams(names.map((name): [string, string] => ['name', name])))
    if (names.length > 0 && (query !== asked || clock.mono() - readAt >= READ_MS)) {
      asked = query
      readAt = clock.mono()
      const groups = await remote.call<GroupJson[]>({ path: `/groups?${query}`, signal }).catch(() => null)
      if (groups && !signal.aborted) store.dispatch({ kind: 'groups', groups })
    }
    await sleep(clock, LOOK_MS, signal).catch(() => {})
  }
}
