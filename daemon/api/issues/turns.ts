/** Which issues become tasks now: those that were labelled first, and what blocks one of them before it. */
import { isOver } from '../../../src/core/task.ts'
import type { IssueRow } from '../../../src/store/intake/issues.ts'
import { liveOf, rowsOf, type Scene, taskOf } from './scene.ts'
import { take } from './take.ts'
import { BLOCKERS_MAX, type ListedIssue } from './trackers/tracker.ts'

/** Mostly what is wrong is wrong for all of them: so many are tried in one look, others in the next. */
const REFUSED_MAX = 3
/** So far back is looked for what blocks what blocks an issue. */
const ASKED_MAX = 50

/** The others wait for one of the tasks to be over. */
export async function takeTurns(scene: Scene, listed: ReadonlyMap<string, ListedIssue>): Promise<void> {
  const { engine, source, tracker, signal } = scene
  const rows = rowsOf(engine, source)
  const seen = new Set(rows.map(({ issue }) => issue))
  const isFree = (row: IssueRow) => {
    const task = taskOf(engine, row)
    return task === undefined || isOver(task)
  }
  const open = new Map(inTurn(rows.filter(row => row.state === 'waiting' && isFree(row))).map(row => [row.issue, row]))
  let room = source.atMost - liveOf(engine, rows)
  let [refused, asked] = [0, 0]
  const isFull = () => room <= 0 || refused >= REFUSED_MAX

  /** Of issues that block each other, the one that is come to last goes first. */
  async function turn(row: IssueRow): Promise<void> {
    signal.throwIfAborted()
    const issue = listed.get(row.issue)
    open.delete(row.issue)
    if (!issue) return
    asked += 1
    const blockers = (await tracker.blockers(issue)).slice(0, BLOCKERS_MAX)
    for (const first of blockers.flatMap(id => open.get(id) ?? [])) {
      if (asked < ASKED_MAX && !isFull() && open.has(first.issue)) await turn(first)
    }
    // The look that follows at once sees those that were too many for this one.
    if (isFull() || blockers.some(id => listed.has(id) && !seen.has(id))) return
    if (await take(scene, row, issue, blockers)) room -= 1
    else refused += 1
  }

  for (const row of [...open.values()]) {
    if (!isFull() && open.has(row.issue)) await turn(row)
  }
}

/** What could not be taken comes after all others, what was tried longest ago first: it keeps nobody from their turn. */
function inTurn(rows: readonly IssueRow[]): IssueRow[] {
  const triedAt = ({ reason, updatedAt }: IssueRow) => (reason === null ? 0 : updatedAt)
  return [...rows].sort((one, other) => triedAt(one) - triedAt(other))
}
