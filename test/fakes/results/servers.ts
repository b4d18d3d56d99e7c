/** A server of repositories and a forge as a model over the same history: branches, who moved them, pull requests, faults. */
import type { Servers } from '../../../daemon/results/push/servers.ts'
import { type PullView, unavailable } from '../../../daemon/results/push/watch/view.ts'
import type { Sources } from '../../../daemon/results/results.ts'
import type { Clock } from '../../../src/platform/world.ts'
import type { Latency } from '../provider.ts'
import { type FakeHistory, ROOT } from './history.ts'

/** One change of a branch by the daemon. */
export interface Move {
  branch: string
  from: string | null
  to: string
  at: number
}

export interface FakePull {
  url: string
  branch: string
  state: PullView['state']
  threads: PullView['threads']
}

export interface FakeServers extends Servers {
  branches: Map<string, string>
  moves: Move[]
  /** By address. */
  pulls: Map<string, FakePull>
  faults: {
    /** So many calls get no answer, and do nothing. */
    away: number
    /** So many pushes are done and their answer is lost. */
    loseAnswer: number
    /** What is expected of a branch is not looked at: a flaw that has to be found. */
    isForced: boolean
  }
  /** Somebody else moves a branch. */
  move(branch: string, to: string): void
  tip: Sources['tip']
}

/** How long the checks of a commit take. */
const CHECKS_MS = 4 * 60_000
const CHECKS = ['lint', 'test', 'types']
/** Of 16: how often one fails. */
const FAILING = 4

export function fakeServers(history: FakeHistory, clock: Clock, latency: Latency): FakeServers {
  const branches = new Map<string, string>([['main', ROOT]])
  const since = new Map<string, number>()
  const moves: Move[] = []
  const pulls = new Map<string, FakePull>()
  const faults: FakeServers['faults'] = { away: 0, loseAnswer: 0, isForced: false }

  function move(branch: string, to: string): void {
    branches.set(branch, to)
    since.set(to, since.get(to) ?? clock.now())
  }
  function isAway(): boolean {
    if (faults.away <= 0) return false
    faults.away -= 1
    return true
  }
  function checksOf(head: string): PullView['checks'] {
    const isPending = clock.now() - (since.get(head) ?? 0) < CHECKS_MS
    return CHECKS.map((name, at) => {
      const isFailing = Number.parseInt(head[at + 8] ?? '0', 16) < FAILING
      const rest = { url: null, text: null, log: null, job: null }
      return { name, state: isPending ? 'pending' : isFailing ? 'failed' : 'passed', ...rest }
    })
  }
  function isMergeable(head: string): Promise<boolean> {
    const asked = history.repository.may(['merge-tree', branches.get('main') ?? ROOT, head])
    return asked.then(({ exitCode }) => exitCode === 0)
  }

  return {
    ...{ branches, moves, pulls, faults, move },
    async pushBranch(_repository, { branch, commitId, pushedCommit }) {
      await latency()
      if (isAway()) return { kind: 'failed', why: 'no route to host' }
      if (pushedCommit !== null && !history.reaches(commitId, pushedCommit)) {
        return { kind: 'refused', why: 'it does not go on from it' }
      }
      const from = branches.get(branch) ?? null
      if (from === commitId) return { kind: 'pushed' }
      if (from !== pushedCommit && !faults.isForced) return { kind: 'refused', why: 'stale info' }
      move(branch, commitId)
      moves.push({ branch, from, to: commitId, at: clock.now() })
      if (faults.loseAnswer <= 0) return { kind: 'pushed' }
      faults.loseAnswer -= 1
      return { kind: 'failed', why: 'the answer was lost' }
    },
    async remoteTip(_repository, { branch }) {
      await latency()
      return isAway() ? null : (branches.get(branch) ?? null)
    },
    async fetchBranch(_repository, _place, branch) {
      await latency()
      const tip = branches.get(branch)
      if (isAway() || tip === undefined) throw unavailable(`${branch} cannot be fetched`)
      return tip
    },
    async openPullRequest(_config, { push: { branch } }) {
      await latency()
      if (isAway()) return { kind: 'failed', why: 'no route to host' }
      const url = `https://forge.test/pull/${branch}`
      if (!pulls.has(url)) pulls.set(url, { url, branch, state: 'open', threads: [] })
      return { kind: 'opened', url }
    },
    async lookAtGitHub({ place, known }) {
      await latency()
      const pull = pulls.get(place.url)
      if (isAway() || !pull) throw unavailable('the forge does not answer')
      const head = branches.get(pull.branch) ?? ROOT
      const view = { state: pull.state, draft: false, head, base: 'main', mergeable: await isMergeable(head) }
      const where = { title: null, branch: pull.branch, remote: null, fork: false }
      return { view: { ...view, ...where, checks: checksOf(head), threads: pull.threads }, cache: known }
    },
    async tip(_url, ref) {
      await latency()
      const branch = ref?.replace(/^refs\/heads\//, '') ?? 'main'
      const commit = branches.get(branch)
      if (isAway() || commit === undefined) throw unavailable(`${branch} cannot be asked for`)
      return { commit, ref: `refs/heads/${branch}` }
    },
  }
}
