/** Cuts the power before and after every effect while a task fans out into two and these into a last one; starts again on what was left. */
import { expect, it } from 'vitest'
import type { AfterSpec } from '../../../src/core/source.ts'
import { readLive } from '../../../src/store/tables/attempts.ts'
import { type Life, live, type OutsideOptions, outside } from '../../support/daemon/sim-daemon.ts'

const PLACES: Record<string, (nth: number) => OutsideOptions> = {
  'in a file': () => ({}),
  'on a ledger': nth => ({ ledger: { turns: () => 1, outlives: () => nth % 2 === 0 } }),
}

const after = (...ids: string[]): AfterSpec => ({ ids, from: ids, if: 'ok', onFailed: 'hold' })
const IDS = ['a', 'b', 'c', 'd']

/** What was not acknowledged is sent again: the id makes it the same task. */
async function submitAll({ submit }: Life): Promise<void> {
  await submit({}, { commits: 1 }, 'a')
  await submit({ after: after('a') }, { commits: 1 }, 'b')
  await submit({ after: after('a') }, { commits: 2 }, 'c')
  await submit({ after: after('b', 'c') }, { commits: 1 }, 'd')
}

const areOver = ({ engine }: Life) => IDS.every(id => engine.query(id)?.step === null)

/** With the power cut at effect `nth`; 0 for none. */
async function diamond(place: OutsideOptions, when: 'before' | 'after', nth: number) {
  const out = outside(place)
  let wasCut = false
  const onCut = () => {
    wasCut = true
    out.callbacks.app = null
  }
  let life = await live(out, { cut: { when, nth }, onCut }).catch(() => null)
  if (life) {
    const first = life
    await submitAll(first).catch(() => {})
    await first.world.run(() => wasCut || areOver(first))
  }
  if (wasCut || !life) {
    life?.kill()
    life = await live(out)
    await submitAll(life)
  }
  const { world } = life
  const last = life
  const done = await world.run(() => areOver(last))
  const agent = out.agents.get('n1')
  const seen = {
    done,
    wasCut,
    statuses: IDS.map(id => last.task(id).status),
    attempts: IDS.map(id => last.task(id).attempt),
    inOrder: ['b', 'c'].every(
      id =>
        (last.task(id).startedAt ?? 0) >= (last.task('a').completedAt ?? Number.NaN) &&
        (last.task('d').startedAt ?? 0) >= (last.task(id).completedAt ?? Number.NaN),
    ),
    starts: [...(agent?.starts.values() ?? [])],
    left: agent?.workspaces.size,
    live: readLive(last.engine.store.sql).length,
  }
  life.kill()
  out.remove()
  return seen
}

const WELL = {
  done: true,
  statuses: ['completed', 'completed', 'completed', 'completed'],
  attempts: [1, 1, 1, 1],
  inOrder: true,
  starts: [1, 1, 1, 1],
  left: 0,
  live: 0,
}

/** Effects between two cuts: they have no common rhythm with the hops. */
const STRIDES: Record<string, number> = { 'in a file': 5, 'on a ledger': 13 }

it.each(Object.keys(PLACES).flatMap(place => (['before', 'after'] as const).map(when => [place, when] as const)))(
  '%s, cut %s any effect: each runs once, and none before those that it comes after',
  async (place, when) => {
    const options = PLACES[place] ?? (() => ({}))
    let cuts = 0
    for (let nth = 1, wasCut = true; wasCut; nth += STRIDES[place] ?? 1) {
      const seen = await diamond(options(nth), when, nth)
      wasCut = seen.wasCut
      cuts += wasCut ? 1 : 0
      expect({ ...seen, wasCut: undefined }, `cut ${when} effect ${nth}`).toEqual({ ...WELL, wasCut: undefined })
    }
    expect(cuts).toBeGreaterThan(5)
  },
  120_000,
)
