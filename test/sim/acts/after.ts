/** What can happen after a run: results land, people move branches, pull requests turn red, servers do not answer. */
import { changeNow } from '../../../daemon/results/push/watch/request.ts'
import { isTerminal } from '../../../src/core/task.ts'
import { askForLanding, openLandings, readLanding } from '../../../src/store/tables/landings.ts'
import { duePushes, listWatches } from '../../../src/store/tables/pushes.ts'
import type { AfterRun } from '../../support/daemon/sim-daemon.ts'
import type { Sim } from '../simulation.ts'
import { type Act, refusedIn } from './acts.ts'

const ALL = 10_000
const EVER = Number.MAX_SAFE_INTEGER

const upTo = ({ jitter }: Sim, most: number) => Math.floor(jitter() * most)
const chance = ({ jitter }: Sim, share: number) => jitter() < share
const oneOf = <T>(sim: Sim, things: readonly T[]): T | undefined => things[upTo(sim, things.length)]

function worldOf({ out }: Sim): AfterRun {
  if (!out.afterRun) throw new Error('this simulation has no servers')
  return out.afterRun
}

/** A person's commit on top of another; half of them change what others change too. */
function personal(sim: Sim, onto: string): string {
  const { history } = worldOf(sim)
  const name = `${upTo(sim, 1e9)}`
  const files = new Map(history.filesOf(onto)).set(`person-${name}`, name)
  if (chance(sim, 0.5)) files.set(`shared-${upTo(sim, 6) * 2}`, name)
  return history.commit([onto], files, `by a person: ${name}`)
}

export const AFTER_ACTS: readonly Act[] = [
  {
    name: 'submit for a pull request',
    weight: 8,
    async run(sim) {
      const id = `p${sim.acknowledged.size + 1}x${upTo(sim, 1000)}`
      const push = { remote: 'https://forge.test/repo.git', pr: true, rounds: 1 + upTo(sim, 3) }
      const until = chance(sim, 0.8) ? ('green' as const) : ('merged' as const)
      const wishes = { outputBranch: `topic-${id}`, check: chance(sim, 0.7) ? 'true' : 'false', artifacts: ['*.xml'] }
      const script = { ms: 500 + upTo(sim, 10 * 60_000), commits: upTo(sim, 3), busy: true }
      await sim.life.submit({ ...wishes, push: { ...push, until } }, script, id)
      sim.acknowledged.add(id)
    },
  },
  {
    name: 'land',
    weight: 10,
    async run(sim) {
      const { store, world } = sim.life.engine
      const over = [...sim.acknowledged].map(id => sim.life.task(id))
      const task = oneOf(
        sim,
        over.filter(({ status, result, facts }) => isTerminal(status) && result && facts.salvage),
      )
      if (!task) return
      const { id: taskId, attempt, spec } = task
      const checkCommand = oneOf(sim, ['true', 'true', 'true', 'false', null]) ?? null
      const [squash, resolve] = [chance(sim, 0.4), chance(sim, 0.5)]
      await store.commit(() => {
        const known = readLanding(store.sql, taskId)
        if (known?.attempt === attempt && known.state !== 'left') return
        if (checkCommand === null) sim.after.unchecked.add(taskId)
        const ask = { taskId, attempt, source: spec.repo.url, onto: 'refs/heads/main', squash, checkCommand }
        askForLanding(store.sql, { ...ask, resolve, tip: null }, world.clock.now())
      })
    },
  },
  {
    name: 'a person moves main',
    weight: 5,
    run(sim) {
      const { servers } = worldOf(sim)
      servers.move('main', personal(sim, servers.branches.get('main') ?? ''))
    },
  },
  {
    name: 'a person pushes to a branch of a pull request, or replaces it',
    weight: 3,
    run(sim) {
      const { servers } = worldOf(sim)
      const pull = oneOf(sim, [...servers.pulls.values()])
      if (!pull) return
      const onto = chance(sim, 0.2) ? 'main' : pull.branch
      servers.move(pull.branch, personal(sim, servers.branches.get(onto) ?? ''))
    },
  },
  {
    name: 'people review, merge or close a pull request',
    weight: 5,
    run(sim) {
      const { servers } = worldOf(sim)
      const pull = oneOf(sim, [...servers.pulls.values()])
      if (!pull) return
      if (chance(sim, 0.1)) pull.state = oneOf(sim, ['merged', 'closed'] as const) ?? 'merged'
      else if (chance(sim, 0.4)) pull.threads = []
      else {
        const id = `c${upTo(sim, 1e6)}`
        const comment = { id, author: 'alice', mayWrite: chance(sim, 0.7), text: `say more at ${id}` }
        const thread = { id: `t${upTo(sim, 1e6)}`, path: 'a.txt', line: 1, outdated: false, comments: [comment] }
        pull.threads = [...pull.threads, thread]
      }
    },
  },
  {
    name: 'servers do not answer, or lose an answer',
    weight: 6,
    run(sim) {
      const { faults } = worldOf(sim).servers
      faults.away = upTo(sim, 8)
      faults.loseAnswer = upTo(sim, 3)
    },
  },
  {
    name: 'a watch is paused, resumed or stopped',
    weight: 3,
    async run(sim) {
      const { engine } = sim.life
      const watch = oneOf(sim, listWatches(engine.store.sql, ALL))
      if (!watch) return
      const verb = oneOf(sim, ['pause', 'resume', 'resume', 'stop'] as const) ?? 'resume'
      const task = sim.life.task(watch.taskId)
      const say = () => changeNow(engine, task, verb, { until: null, rounds: null }, engine.world.clock.now())
      await engine.store.commit(say).catch(refusedIn(['WRONG_STATE']))
    },
  },
]

/** Nothing is on its way to a server; at the end no pull request is open, and then none is watched any more. */
export function isAfterQuiet({ out, life }: Sim): boolean {
  if (!out.afterRun) return true
  const { sql } = life.engine.store
  const isOpen = [...out.afterRun.servers.pulls.values()].some(({ state }) => state === 'open')
  const watches = isOpen ? [] : listWatches(sql, ALL)
  const isWatched = watches.some(({ state }) => state === 'watching' || state === 'reacting')
  return !isWatched && openLandings(sql).length === 0 && duePushes(sql, EVER, 1).length === 0
}

export function peopleMerge(sim: Sim): void {
  for (const pull of worldOf(sim).servers.pulls.values()) if (pull.state === 'open') pull.state = 'merged'
}
