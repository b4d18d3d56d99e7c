/** Landings, pull requests and artifacts: what is done at a server is done once, and only what was checked lands. */
import { filesRefOf } from '../../../src/core/saved.ts'
import { resultRefOf } from '../../../src/core/task.ts'
import type { ReadTask } from '../../../src/store/tables/attempts.ts'
import { openLandings, readLanding } from '../../../src/store/tables/landings.ts'
import { listWatches } from '../../../src/store/tables/pushes.ts'
import type { Move } from '../../fakes/results/servers.ts'
import { type Check, describe, type Seen } from '../seen.ts'

/** What is remembered of what came after the runs. */
export interface AfterMemory {
  /** So many moves of branches were looked at. */
  moves: number
  /** Tasks that were asked to land without a check. */
  unchecked: Set<string>
  /** Attempts that a watch has opened: `id/attempt`. */
  reactions: Set<string>
}

export const freshAfter = (): AfterMemory => ({ moves: 0, unchecked: new Set(), reactions: new Set() })

const ALL = 10_000

/** Of the daemon, those that came since the last look; with what each invariant says of them. */
function fresh({ sim: { out, after } }: Seen): Move[] {
  return out.afterRun?.servers.moves.slice(after.moves) ?? []
}

const worded = ({ branch, from, to }: Move) => `${branch}: ${from} → ${to}`

export const afterInvariants: Record<string, Check> = {
  'no branch is forced': seen => {
    const history = seen.sim.out.afterRun?.history
    return fresh(seen)
      .filter(({ from, to }) => from !== null && !history?.reaches(to, from))
      .map(worded)
  },

  'a result lands once': seen => {
    const history = seen.sim.out.afterRun?.history
    const isNew = ({ from, to }: Move) => {
      const had = history?.filesOf(from ?? '')
      return [...(history?.filesOf(to) ?? [])].some(([file, value]) => had?.get(file) !== value)
    }
    return landed(seen)
      .filter(move => !isNew(move))
      .map(move => `${worded(move)} brings nothing`)
  },

  'what lands was checked as it is': seen =>
    landed(seen)
      .filter(({ to, at }) => {
        const isChecked = seen.attempts.some(
          ({ spec, verdict, facts, completedAt }) =>
            spec.labels.landing !== undefined &&
            verdict === 'verified' &&
            facts.resume?.commit === to &&
            (completedAt ?? at) <= at,
        )
        return !isChecked && !seen.sim.after.unchecked.has(whose(seen, to))
      })
      .map(move => `${worded(move)} of ${whose(seen, move.to)}`),

  'what is red at a pull request is given once': seen => {
    const { after, out } = seen.sim
    for (const { taskId, attempt } of out.afterRun ? listWatches(seen.sql, ALL) : []) {
      if (attempt !== null) after.reactions.add(`${taskId}/${attempt}`)
    }
    const given = new Map<string, string>()
    return seen.attempts.flatMap(task => {
      const name = `${task.id}/${task.attempt}`
      const { from } = task.continued ?? {}
      if (!after.reactions.has(name) || !from) return []
      const about = `${task.id} ${headOf(seen, from.commit)} ${redIn(task)}`
      const before = given.get(about)
      given.set(about, name)
      return before === undefined ? [] : [`${name} was given what ${before} was`]
    })
  },

  // A node that forgot everything has nothing to give.
  'a file to look at is at home, or named as left out, before its workspace goes': ({ sim, attempts }) =>
    attempts.flatMap(task => {
      const { id, attempt, verdict, facts, nodeName, workspaceId, step } = task
      const isAsked = verdict === 'verified' || verdict === 'check_failed'
      const isTold = sim.out.agents.get(nodeName ?? '')?.faults.artifacts === 'one'
      if (!sim.out.afterRun || !isAsked || !isTold || step !== null || sim.wiped.has(workspaceId ?? '')) return []
      const { files, leftOut = [] } = facts.salvage ?? {}
      const isNamed = leftOut.some(one => typeof one !== 'string' && one.kind === 'artifact')
      const isHome = sim.out.results.refs.has(filesRefOf(resultRefOf(id, attempt)))
      const isOfCheck = files?.list.some(({ from }) => from === 'check')
      return isNamed || (isHome && isOfCheck) ? [] : [`${describe(task)} has no report of its check`]
    }),

  'the rows of landings and watches keep to their tables': seen => {
    const { sim, sql } = seen
    sim.after.moves = sim.out.afterRun?.servers.moves.length ?? 0
    if (!sim.out.afterRun) return []
    const said = [
      ...openLandings(sql).map(({ taskId, why }) => `${taskId}: ${why}`),
      ...listWatches(sql, ALL).map(({ taskId, error }) => `${taskId}: ${error}`),
    ]
    return said.filter(text => text.includes('no edge'))
  },
}

const landed = (seen: Seen) => fresh(seen).filter(({ branch }) => branch === 'main')

/** The task of a commit that landed. */
function whose({ sim: { out }, attempts }: Seen, commit: string): string {
  const words = out.afterRun?.history.wordsOf(commit) ?? ''
  const [, named] = /^Merge task (\w+)/.exec(words) ?? []
  const [, squashed] = /^Task (\w+) of tdf/m.exec(words) ?? []
  // A check has for its result what it was given.
  const own = attempts.find(({ result, spec }) => result?.commit === commit && spec.labels.landing === undefined)
  return named ?? squashed ?? own?.id ?? ''
}

/** The commit that was red: where the base was merged into it, its first parent. */
function headOf({ sim: { out } }: Seen, commit: string): string {
  const history = out.afterRun?.history
  const isMerge = history?.wordsOf(commit).startsWith('Merge main')
  return (isMerge ? history?.parentsOf(commit)[0] : undefined) ?? commit
}

/** All but the words that begin it, which count the rounds. */
const redIn = ({ spec }: ReadTask) =>
  spec.prompt
    .split('\n\n')
    .slice(1)
    .filter(part => /^(## The check|## It cannot|At )/.test(part))
    .map(part => (part.startsWith('## It') ? 'a conflict' : part))
    .join(' ')
    .replaceAll(' still fails', ' fails')

export const afterRest: Record<string, Check> = {
  'every landing is over': ({ sim, sql }) =>
    sim.out.afterRun ? openLandings(sql).map(({ taskId, state, why }) => `${taskId} is ${state} (${why})`) : [],

  'no pull request is watched that is not open': ({ sim, sql }) =>
    (sim.out.afterRun ? listWatches(sql, ALL) : [])
      .filter(({ state }) => state === 'watching' || state === 'reacting')
      .map(({ taskId, state, waitingFor }) => `${taskId} is ${state} (${waitingFor})`),

  'what has landed is on its branch': ({ sim, sql }) => {
    const { history, servers } = sim.out.afterRun ?? {}
    const main = servers?.branches.get('main') ?? ''
    return [...sim.acknowledged].flatMap(id => {
      const landing = history ? readLanding(sql, id) : undefined
      if (landing?.state !== 'landed' || history?.reaches(main, landing.merged ?? '')) return []
      return [`${id} is not on main as ${landing.merged}`]
    })
  },
}
