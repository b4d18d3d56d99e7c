/** Sources as `tdf source` shows them, and what `tdf source check` and `tdf doctor` find of one. */
import type { SourceConfig } from '../../../src/config/schema/config.ts'
import { asTdfError } from '../../../src/core/errors.ts'
import { isOver } from '../../../src/core/task.ts'
import type { FindingJson, IssueJson, SourceDetailsJson, SourceJson } from '../../../src/protocol/upkeep.ts'
import { ISSUE_STATES, type IssueRow } from '../../../src/store/intake/issues.ts'
import { issueWaits } from '../../../src/text/progress/issues.ts'
import { counted } from '../../../src/text/tasks.ts'
import type { RunningEngine } from '../../build.ts'
import type { Engine } from '../../services.ts'
import { accept } from '../tasks/accept.ts'
import { iso } from '../tasks/json.ts'
import type { Poller } from './poller.ts'
import { requestOf } from './request.ts'
import { liveOf, rowsOf, stateOf, taskOf } from './scene.ts'

type Reading = Pick<RunningEngine, 'store'>

export function sourceJson(engine: Reading, source: SourceConfig): SourceJson {
  const { name, kind, project, label, template, atMost } = source
  const { paused, error, lookedAt, dueAt } = stateOf(engine, source)
  const rows = rowsOf(engine, source)
  const count = (state: IssueRow['state']) => rows.filter(row => row.state === state).length
  return {
    ...{ name, kind, project, label, template, atMost },
    state: paused ? 'paused' : error === null ? 'polling' : 'failing',
    lookedAt: iso(lookedAt),
    nextAt: paused || dueAt === 0 ? null : iso(dueAt),
    error,
    live: liveOf(engine, rows),
    counts: Object.fromEntries(ISSUE_STATES.map(state => [state, count(state)])),
  }
}

const SHOWN_MAX = 1_000

/** The newest labelling first. */
export function sourceDetails(engine: Reading, source: SourceConfig): SourceDetailsJson {
  const rows = rowsOf(engine, source)
  const issues = rows.toReversed().slice(0, SHOWN_MAX)
  return { ...sourceJson(engine, source), issues: issues.map(row => issueJson(engine, source, row)) }
}

function issueJson(engine: Reading, { atMost }: SourceConfig, row: IssueRow): IssueJson {
  const { issue, title, url, state, labelledBy, task, attempt, since } = row
  const why = row.reason ?? (state === 'waiting' ? waitOf(engine, row, atMost) : null)
  return { id: issue, title, url, state, why, labelledBy, taskId: task, attempt, since: iso(since) }
}

function waitOf(engine: Reading, row: IssueRow, atMost: number): string {
  const task = taskOf(engine, row)
  return task && !isOver(task) ? issueWaits.former(task.id) : issueWaits.room(atMost)
}

type Asking = Pick<Poller, 'tracker' | 'templates'>

/** Stands for an issue, so that a template can be tried. */
const SAMPLE = { id: '1', title: 'an issue', url: null, labels: [], body: 'its text', comments: [] }

/** Whether it is reached, who is asked, and whether its template makes a task; nothing is changed. */
export async function checkSource(
  engine: Engine,
  source: SourceConfig,
  issues: Asking,
  signal: AbortSignal,
): Promise<FindingJson[]> {
  const tracker = issues.tracker(source, signal)
  const check = `source ${source.name}`
  const hint = `tdf source check ${source.name}`
  const reached = async (): Promise<FindingJson> => {
    try {
      const { issues } = await tracker.list({})
      const message = `${source.kind} ${source.project} answers: ${counted(issues.length, 'open issue')} with the label "${source.label}"`
      return { check, state: 'ok', message, hint: null }
    } catch (thrown) {
      return { check, state: 'fail', message: asTdfError(thrown).message, hint }
    }
  }
  const makes = (): FindingJson => {
    try {
      const place = { dir: issues.templates(), repository: tracker.repository }
      const { request } = requestOf(source, SAMPLE, place)
      const { agent } = accept(engine, 'sample', request)
      return { check, state: 'ok', message: `template "${source.template}" makes a task for ${agent.name}`, hint: null }
    } catch (thrown) {
      return { check, state: 'fail', message: asTdfError(thrown).message, hint: 'tdf config show' }
    }
  }
  return [await reached(), makes()]
}

const EXAMINE_MS = 15_000

/** All of them, for `tdf doctor`. */
export async function checkSources(engine: Engine, issues: Asking): Promise<FindingJson[]> {
  const signal = AbortSignal.timeout(EXAMINE_MS)
  const all = engine.config.sources.map(source => checkSource(engine, source, issues, signal))
  return (await Promise.all(all)).flat()
}
