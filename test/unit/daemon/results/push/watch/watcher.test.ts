/** Watches over a whole engine with a simulated clock: how often a forge is asked, and what its absence costs. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { servers } from '../../../../../../daemon/results/push/servers.ts'
import { type PullView, pullView, unavailable } from '../../../../../../daemon/results/push/watch/view.ts'
import { createWatcher, type Watcher } from '../../../../../../daemon/results/push/watch/watcher.ts'
import type { SweepParts } from '../../../../../../daemon/sweeps/run.ts'
import {
  askForPush,
  changePush,
  insertWatch,
  readPush,
  readWatch,
  type Watch,
} from '../../../../../../src/store/tables/pushes.ts'
import { aConfig } from '../../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../../support/daemon/sim-daemon.ts'
import { type ResultsScene, resultsScene } from '../../node.ts'

const MINUTE_MS = 60_000

let out: Outside
let life: Life
let scene: ResultsScene
let watcher: Watcher
/** When each pull request was looked at, Unix ms, by its address. */
let looks: Map<string, number[]>
let isAway: boolean
let failing: string[]

beforeEach(async () => {
  const all = aConfig()
  out = outside({ config: aConfig({ pr: { ...all.pr, poll: MINUTE_MS, settle: 30_000 } }) })
  looks = new Map()
  isAway = false
  failing = []
  out.servers = {
    ...servers,
    async lookAtGitHub({ place: { url, taskId } }) {
      looks.set(url, [...(looks.get(url) ?? []), life.world.clock.now()])
      if (isAway) throw unavailable('it is away')
      return { view: view(taskId), cache: {} }
    },
  }
  life = await live(out)
  scene = resultsScene()
  watcher = createWatcher(life.engine, scene.results)
})
afterEach(async () => {
  await watcher.stop()
  life.kill()
  out.remove()
})

const commitOf = (id: string) => life.task(id, 1).facts.salvage?.commit ?? ''
function view(id: string): PullView {
  const checks = [
    { name: 'slow', state: failing.length > 0 ? 'passed' : 'pending' },
    ...failing.map(name => ({ name, state: 'failed' })),
  ]
  return pullView.parse({ state: 'open', head: commitOf(id), base: 'main', mergeable: true, checks })
}

/** A task that is over, with its pull request. */
async function watched(number: number): Promise<string> {
  const id = await life.submit({ title: `task ${number}` })
  await life.world.run(() => life.task(id).step === null)
  const [url, now, commitId] = [`https://github.com/acme/web/pull/${number}`, life.world.clock.now(), commitOf(id)]
  const { store } = life.engine
  const about = { taskId: id, attempt: 1, remote: 'https://github.com/acme/web', branch: `topic${number}` }
  await store.commit(() => {
    askForPush(store.sql, { ...about, commitId, wantsPr: true, until: now }, now)
    const push = readPush(store.sql, id)
    if (push) changePush(store.sql, push, { state: 'pushed', pushedCommit: commitId, prUrl: url }, now)
    insertWatch(store.sql, { taskId: id, url, goal: 'green', rounds: 3, head: commitId }, now)
  })
  return id
}

const row = (id: string) => readWatch(life.engine.store.sql, id) as Watch

/** As the sweeps do it twice a second; what is due has been looked at before time goes on. */
async function pass(ms: number, ids: readonly string[]): Promise<void> {
  const step = 10_000
  const isDue = (id: string) => row(id).state === 'watching' && row(id).dueAt <= life.world.clock.now()
  for (let at = 0; at < ms; at += step) {
    for (let due = ids.filter(isDue); due.length > 0; due = ids.filter(isDue)) {
      const before = due.map(id => row(id).rev)
      await watcher.sweep.run(life.engine, {} as SweepParts, new AbortController().signal)
      await vi.waitFor(() => expect(due.map(id => row(id).rev)).not.toEqual(before), { timeout: 60_000, interval: 1 })
    }
    life.world.clock.jump(step)
  }
}

it('of twenty pull requests each is looked at once a minute', async () => {
  const ids: string[] = []
  for (let number = 1; number <= 20; number++) ids.push(await watched(number))
  await pass(10 * MINUTE_MS, ids)
  const counts = [...looks.values()].map(({ length }) => length)
  expect([counts.length, Math.min(...counts), Math.max(...counts)]).toEqual([20, 10, 10])
})

it('a forge that is away for two hours is asked ever more seldom, and what turned red meanwhile is given once', async () => {
  const id = await watched(1)
  await pass(MINUTE_MS, [id])
  const { seen, head, checks } = row(id)
  isAway = true
  failing = ['test']
  const before = looks.get(row(id).url)?.length ?? 0
  await pass(120 * MINUTE_MS, [id])
  const asked = (looks.get(row(id).url)?.length ?? 0) - before
  expect([asked > 5, asked < 20]).toEqual([true, true])
  expect(row(id)).toMatchObject({ state: 'watching', error: 'it is away', seen, head, checks, given: [] })
  isAway = false
  await pass(20 * MINUTE_MS, [id])
  expect(row(id)).toMatchObject({ state: 'reacting', attempt: 2, error: null, tries: 0, still: ['test'] })
  expect([row(id).given.length, life.task(id).attempt]).toEqual([1, 2])
  expect(life.task(id).spec.prompt).toContain('The check "test" fails')
})
