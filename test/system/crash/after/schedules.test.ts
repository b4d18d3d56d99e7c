/** SIGKILL between an instant of a schedule and its task: there is one task for it, and the schedule stands at the next. */
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import { plannedSchedule } from '../../../../daemon/sweeps/schedules/requests.ts'
import { schedules } from '../../../../daemon/sweeps/schedules/sweep.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { ScheduleBody } from '../../../../src/protocol/submit.ts'
import { scheduleRequest } from '../../../../src/protocol/submit.ts'
import type { ScheduleJson } from '../../../../src/protocol/upkeep.ts'
import { insertSchedule, removeSchedule, scheduleNamed } from '../../../../src/store/groups/schedules.ts'
import { type Home, hasEnded, makeHome, root, until } from '../../../support/daemon/home.ts'
import { HOUR, lives, MIN } from '../../../support/daemon/lives.ts'

/** On a busy machine a start takes long, and what comes late may have to wait for its minute. */
const WAIT_MS = 240_000
/** The task is there by then; what follows is the journey of any task. */
const POINTS_MAX = 8

const body = (name: string): ScheduleBody => ({
  name,
  cron: '0 * * * *',
  zone: 'UTC',
  request: {
    prompt: 'tidy up',
    command: ['true'],
    // Nobody answers there: the tasks wait, and cost nothing.
    repo: { kind: 'git', url: 'http://127.0.0.1:9/shop.git', ref: null },
    author: null,
    labels: {},
  } as ScheduleBody['request'],
})

it('fifty kills in memory, before and after the write, make one task for each instant', async () => {
  const all = await lives({ nodes: [] })
  const sql = () => all.life.engine.store.sql
  const sweep = () => schedules.run(all.life.engine, {} as SweepParts, new AbortController().signal)
  try {
    let cuts = 0
    for (let count = 0; count < 50; count++) {
      const { engine, world } = all.life
      const planned = plannedSchedule(scheduleRequest.parse(body(`n${count}`)), world)
      await engine.store.commit(() => insertSchedule(engine.store.sql, planned))
      await all.die(HOUR + MIN)
      await all.begin({ cut: { when: count % 2 === 0 ? 'before' : 'after', nth: 2, of: /commit/ } })
      await sweep().catch(error => expect([all.life.world.isDead(), error]).toEqual([true, error]))
      if (all.life.world.isDead()) {
        cuts++
        await all.die()
        await all.begin()
      }
      await sweep()
      await sweep()
      const made = sql().all(`select spec from tasks where json_extract(spec, '$.schedule') = ?`, planned.name)
      const instants = made.map(({ spec }) => Date.parse(JSON.parse(String(spec)).labels.planned))
      expect([planned.name, instants]).toEqual([planned.name, [planned.plannedAt]])
      const after = scheduleNamed(sql(), planned.name)
      expect(after?.plannedAt).toBeGreaterThan(all.life.world.clock.now())
      await all.life.engine.store.commit(() => removeSchedule(sql(), planned.id))
    }
    expect(cuts).toBe(50)
  } finally {
    all.end()
  }
}, 600_000)

it('a daemon killed after any commit, until the task is there, makes one task', async () => {
  const home = makeHome()
  let points = 0
  try {
    let daemon = await home.start()
    for (let nth = 1, isReached = true; isReached && nth <= POINTS_MAX; nth++) {
      const name = `n${nth}`
      await home.client.call({ method: 'POST', path: '/schedules', json: body(name) })
      await home.kill(daemon)
      setBack(home, name)
      daemon = await home.start({ TDF_CRASH_AT: `after:commit:${nth}` })
      const isThere = async () => (await show(home, name)).runs.length > 0
      await until(
        'its task is there, or the daemon is dead',
        async () => hasEnded(daemon) || isThere().catch(() => false),
        WAIT_MS,
      )
      isReached = hasEnded(daemon)
      if (!isReached) await home.kill(daemon)
      daemon = await home.start()
      await until('its task is there', () => isThere().catch(() => false), WAIT_MS)
      const tasks = await home.client.call<TaskJson[]>({ path: `/tasks?all=true&label=schedule%3D${name}` })
      const { runs, next } = await show(home, name)
      expect([nth, tasks.map(({ id }) => id)]).toEqual([nth, runs.map(({ task }) => task)])
      expect(tasks).toHaveLength(1)
      expect(Date.parse(next ?? '')).toBeGreaterThan(Date.parse(runs[0]?.planned ?? ''))
      await home.client.call({ method: 'DELETE', path: `/schedules/${name}` })
      // One that has failed meanwhile is over as well.
      await home.client.call({ method: 'POST', path: `/tasks/${tasks[0]?.id}/cancel` }).catch(() => {})
      points = nth
    }
    expect(points).toBeGreaterThan(1)
  } finally {
    await home.remove()
  }
}, 900_000)

const show = (home: Home, name: string) => home.client.call<ScheduleJson>({ path: `/schedules/${name}` })

/** As if its instant had come while nobody was there. In a process of its own: libsql holds on to a file that it has closed. */
function setBack(home: Home, name: string): void {
  const program = `const [, file, name] = process.argv
    const at = Date.now() - 1000
    new (require('libsql'))(file).prepare('update schedules set planned_at = ?, due_at = ? where name = ?').run(at, at, name)`
  execFileSync(process.execPath, ['-e', program, path.join(home.dir, 'state', 'tdf.db'), name], { cwd: root })
}
