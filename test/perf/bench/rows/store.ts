/** The store by itself: one commit, a group, and the same group on bare libsql. */
import path from 'node:path'
import Database from 'libsql'
import { realWorld } from '../../../../src/platform/world.ts'
import { openStore } from '../../../../src/store/store.ts'
import { writeMeta } from '../../../../src/store/tables/meta.ts'
import { makeFolder } from '../load/host.ts'
import type { Row } from '../report.ts'
import { median, rounds, spread } from '../stats.ts'

const GROUP = 256

export async function storeRows(count: number): Promise<Row[]> {
  const folder = makeFolder()
  const store = openStore(folder.dir, realWorld())
  const bare = new Database(path.join(folder.dir, 'bare.db'))
  bare.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma locking_mode = exclusive; create table meta (key text primary key, value text) without rowid',
  )
  const insert = bare.prepare('insert into meta values (?, ?) on conflict (key) do update set value = excluded.value')
  const write = (index: number) => store.commit(() => writeMeta(store.sql, `k${index}`, 'a value'))
  try {
    const alone = await rounds(count, async () => {
      for (let index = 0; index < 20; index++) await write(index)
    })
    const grouped: number[] = []
    const limit: number[] = []
    for (let round = 0; round < count; round++) {
      limit.push(
        ...(await rounds(1, () => {
          bare.exec('begin immediate')
          for (let index = 0; index < GROUP; index++) insert.run([`k${index}`, 'a value'])
          bare.exec('commit')
        })),
      )
      grouped.push(
        ...(await rounds(1, async () => {
          await Promise.all(Array.from({ length: GROUP }, (_, index) => write(index)))
        })),
      )
    }
    const perCommit = alone.map(ms => ms / 20)
    return [
      { what: 'a store commit alone', bar: '', measured: `${spread(perCommit, 2)} ms`, holds: null },
      {
        what: `${GROUP} commits in a group`,
        bar: '',
        measured: `${spread(grouped, 1)} ms, bare libsql ${spread(limit, 1)} ms (${(median(grouped) / median(limit)).toFixed(1)} ×)`,
        holds: null,
      },
    ]
  } finally {
    store.close()
    bare.close()
    folder.remove()
  }
}
