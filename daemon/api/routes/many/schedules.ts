/** Schedules: `tdf schedule`. */
import { Hono } from 'hono'
import { TdfError } from '../../../../src/core/errors.ts'
import { parseBody } from '../../../../src/protocol/shapes.ts'
import { scheduleRequest } from '../../../../src/protocol/submit.ts'
import type { ScheduleJson, ScheduleRunJson } from '../../../../src/protocol/upkeep.ts'
import {
  lastRun,
  listSchedules,
  removeSchedule,
  runsOf,
  type Schedule,
  type ScheduleRun,
  scheduleNamed,
} from '../../../../src/store/groups/schedules.ts'
import type { Sql } from '../../../../src/store/sqlite/sql.ts'
import { readNewestAttempt } from '../../../../src/store/tables/attempts.ts'
import type { Engine } from '../../../services.ts'
import {
  addSchedule,
  pauseSchedule,
  plannedSchedule,
  resumeSchedule,
  runNow,
} from '../../../sweeps/schedules/requests.ts'
import { jsonBody } from '../../guard.ts'
import { accept } from '../../tasks/accept.ts'
import { findTask } from '../../tasks/find.ts'
import { iso, taskJson } from '../../tasks/json.ts'
import { isDryRun } from '../tasks.ts'

export function scheduleRoutes(engine: Engine): Hono {
  const { store, world } = engine
  const { sql } = store
  const app = new Hono()
  app.get('/schedules', c => c.json(listSchedules(sql).map(schedule => scheduleJson(sql, schedule, []))))
  app.get('/schedules/:name', c => c.json(shown(c.req.param('name'))))
  app.post('/schedules', async c => {
    const asked = parseBody(scheduleRequest, await jsonBody(c))
    // What could not be submitted now is refused now.
    accept(engine, 'a', asked.request)
    const planned = plannedSchedule(asked, world)
    if (isDryRun(c)) return c.json(scheduleJson(sql, planned, []))
    const isNew = await store.answered(() => addSchedule(sql, planned))
    return c.json(shown(asked.name), isNew ? 201 : 200)
  })
  app.post('/schedules/:name/run', async c => {
    const schedule = named(c.req.param('name'))
    const id = await store.answered(() => runNow(engine, schedule))
    return c.json(taskJson(sql, findTask(sql, id)), 201)
  })
  app.post('/schedules/:name/pause', async c => {
    await store.answered(() => pauseSchedule(sql, named(c.req.param('name')), world.clock.now()))
    return c.json(shown(c.req.param('name')))
  })
  app.post('/schedules/:name/resume', async c => {
    await store.answered(() => resumeSchedule(sql, named(c.req.param('name')), world.clock.now()))
    return c.json(shown(c.req.param('name')))
  })
  app.delete('/schedules/:name', async c => {
    const before = shown(c.req.param('name'))
    await store.answered(() => removeSchedule(sql, named(before.name).id))
    return c.json(before)
  })
  return app

  function named(name: string): Schedule {
    const found = scheduleNamed(sql, name)
    if (found) return found
    throw new TdfError('NOT_FOUND', `there is no schedule "${name}"`, { hint: 'tdf schedule ls' })
  }

  function shown(name: string): ScheduleJson {
    const schedule = named(name)
    return scheduleJson(sql, schedule, runsOf(sql, schedule.id))
  }
}

function scheduleJson(sql: Sql, schedule: Schedule, runs: readonly ScheduleRun[]): ScheduleJson {
  const { name, cron, state, why, streak, catchUp, overlap, jitterMs, keepGoing, untilGreen, plannedAt } = schedule
  const { repo, prompt } = scheduleRequest.shape.request.parse(schedule.request)
  const last = lastRun(sql, schedule.id)
  const task = last?.taskId == null ? undefined : readNewestAttempt(sql, last.taskId)
  return {
    name,
    cron,
    tz: schedule.zone,
    next: state === 'active' ? iso(plannedAt) : null,
    last: task ? { id: task.id, status: task.status, verdict: task.verdict, at: iso(task.createdAt) } : null,
    ...{ state, why, streak, catchUp, overlap, jitterMs, keepGoing, untilGreen },
    repo: repo.kind === 'git' ? repo.url : '',
    prompt,
    runs: runs.map(run => runJson(sql, run)),
  }
}

function runJson(sql: Sql, { plannedAt, taskId, note, lateMs }: ScheduleRun): ScheduleRunJson {
  const task = taskId === null ? undefined : readNewestAttempt(sql, taskId)
  const gone = taskId !== null && !task ? 'the task was removed' : null
  const { status = null, verdict = null } = task ?? {}
  return { planned: iso(plannedAt), task: taskId, status, verdict, note: note ?? gone, lateMs }
}
