/** Lists where many ended tasks are kept, more than one answer of the daemon may hold: the real program, the real daemon, a state that was written before. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DaemonStatusJson, TaskJson } from '../../../../src/protocol/control.ts'
import type { SnapshotJson } from '../../../../src/protocol/screen.ts'
import { makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { layDownKeptTasks } from '../../../support/daemon/kept-tasks.ts'

const KEPT = 22_000
const home = makeHome()
const repo = makeRepository()
let live = ''

beforeAll(async () => {
  layDownKeptTasks(path.join(home.dir, 'state'), KEPT, Date.now())
  await home.start()
  const { out } = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--', 'sleep', '600')
  live = out.trim()
})

afterAll(async () => {
  await home.remove()
  repo.remove()
})

const lines = (text: string) => text.trimEnd().split('\n')

describe('with thousands of ended tasks', () => {
  it('ls shows what is live and the newest 50 that ended, and says how many more there are', async () => {
    const { code, out, err } = await tdf(home, 'ls')
    const ids = lines(out)
      .slice(1)
      .map(line => line.split(' ')[0])
    const newest = [live, ...Array.from({ length: 50 }, (_, index) => `kept-${KEPT - index}`)]
    // People see first what matters, programs the newest.
    expect([code, ids[0], new Set(ids)]).toEqual([0, live, new Set(newest)])
    expect(err).toBe('21 950 more: tdf ls --all\n')
    const json = await tdf(home, 'ls', '--json')
    expect(JSON.parse(json.out).map(({ id }: TaskJson) => id)).toEqual(newest)
  })

  it('a retried task is live, however long ago it ended', async () => {
    await tdf(home, 'retry', 'kept-7')
    await tdf(home, 'cancel', 'kept-7')
    await until('it ended again', async () => (await home.task('kept-7')).step === null)
    const shown = lines((await tdf(home, 'ls', '-q')).out)
    expect(shown).toHaveLength(51)
    expect(shown.at(-1)).toBe('kept-7')
  })

  it.each([
    [['ls', '--all', '-q'], (out: string) => lines(out)],
    [['ls', '--all', '--json'], (out: string) => (JSON.parse(out) as TaskJson[]).map(({ id }) => id)],
    [['ls', '--all', '--no-header'], (out: string) => lines(out).map(line => line.split(' ')[0])],
  ])('%j has every one of them once', async (args, idsOf) => {
    const { code, out } = await tdf(home, ...args)
    const ids = idsOf(out)
    expect([code, ids.length, new Set(ids).size]).toEqual([0, KEPT + 1, KEPT + 1])
    expect([ids[0], ids[1], ids.at(-1)]).toEqual([live, `kept-${KEPT}`, 'kept-1'])
  })

  it('a selection of them is never cut', async () => {
    const failed = await tdf(home, 'ls', '--status', 'failed', '--sort', 'id', '-q')
    expect(new Set(lines(failed.out)).size).toBeGreaterThanOrEqual(KEPT / 2)
    const few = await tdf(home, 'ls', '--limit', '450', '-q')
    expect(lines(few.out)).toEqual([live, ...Array.from({ length: 449 }, (_, index) => `kept-${KEPT - index}`)])
  })

  it('counts are counts: of the daemon, and of the dashboard', async () => {
    const status = await home.client.call<DaemonStatusJson>({ path: '/status' })
    const snapshot = await home.client.call<SnapshotJson>({ path: '/snapshot' })
    const all = Object.values(status.tasks).reduce((sum, count) => sum + count, 0)
    expect(all).toBe(KEPT + 1)
    const others = Object.values(snapshot.others).reduce((sum, count) => sum + count, 0)
    expect(snapshot.tasks.length + others).toBe(KEPT + 1)
  })
})
