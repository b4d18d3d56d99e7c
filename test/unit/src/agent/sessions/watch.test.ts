/** How the end of a session is noticed: by a look each second, and at once where the system reports a new file. */
import { watch } from 'node:fs'
import path from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import type { Agent } from '../../../../../src/agent/agent.ts'
import { watchSession } from '../../../../../src/agent/sessions/watch.ts'
import type { Workspace } from '../../../../../src/agent/workspaces/workspace.ts'
import type { SimWorld, Timeline } from '../../../../fakes/world.ts'
import { simWorld, timeline } from '../../../../fakes/world.ts'
import { agentOf, type Logged, stand, storeSession, workspaceOf, writeJson } from '../support/session.ts'
import { eventually } from '../support/temp.ts'

let time: Timeline
let world: SimWorld
let agent: Agent
let logged: Logged[]
let workspace: Workspace
let folder: string
beforeEach(() => {
  time = timeline()
  world = simWorld(time)
  const made = agentOf(world, ['true'])
  agent = made.agent
  logged = made.logged
  workspace = workspaceOf(agent)
  folder = path.join(workspace.folder, 'sessions', 's1')
  storeSession(folder)
})

const EXIT = { exitCode: 0, signal: null, errorMessage: null, startedAt: 'then', endedAt: 'now', cannotStart: null }
const told = () => agent.outbox.of('w1').map(({ type }) => type)
const end = () => writeJson(path.join(folder, 'exit.json'), EXIT)
async function running() {
  const stood = await stand()
  writeJson(path.join(folder, 'claim.json'), { kind: 'runner', runner: stood.runner })
  writeJson(path.join(folder, 'started.json'), {
    startedAt: 'then',
    leader: { pid: stood.runner.pid, startTicks: null },
  })
  return stood
}
const ALL = ['workspace.ready', 'session.started', 'session.exited']

it('is told once, and nothing is watched any more', async () => {
  await running()
  watchSession(agent, workspace, folder)
  const timers = time.timers.size
  watchSession(agent, workspace, folder)
  await world.clock.advance(5_000)
  expect([agent.watched.size, timers, time.timers.size, told()]).toEqual([1, 1, 1, []])
  end()
  await world.clock.advance(1_000)
  expect([told(), agent.watched.size, time.timers.size]).toEqual([ALL, 0, 0])
  expect(logged).toEqual([])
})

/** A machine may have no watch left; then the next look has to do. */
function canWatch(): boolean {
  try {
    watch(folder).close()
    return true
  } catch {
    return false
  }
}

it('is noticed at once where the system reports its file', async () => {
  await running()
  watchSession(agent, workspace, folder)
  await world.settle()
  end()
  if (!canWatch()) await world.clock.advance(1_000)
  await eventually('it is told', () => told().length === 3, 60_000)
  expect([told(), agent.watched.size, time.timers.size]).toEqual([ALL, 0, 0])
})

it('of a runner that died is worked out by the next look', async () => {
  const { child, hasEnded } = await running()
  watchSession(agent, workspace, folder)
  child.kill('SIGKILL')
  await hasEnded
  expect(told()).toEqual([])
  await eventually(
    'it is told',
    async () => {
      await world.clock.advance(1_000)
      return told().length === 3
    },
    60_000,
  )
  expect(agent.outbox.of('w1').at(-1)?.data).toMatchObject({ status: 'failed', signal: 'SIGKILL' })
})

it('of a session that is gone ends the watch', async () => {
  watchSession(agent, workspace, path.join(workspace.folder, 'sessions', 'none'))
  await world.settle()
  expect([agent.watched.size, time.timers.size]).toEqual([0, 0])
})

it('in a workspace that was deleted is nothing to anyone', () => {
  workspace.deleted = true
  watchSession(agent, workspace, folder)
  expect([agent.watched.size, time.timers.size]).toEqual([0, 0])
})

it('is not told after the watch was stopped', async () => {
  await running()
  watchSession(agent, workspace, folder)
  agent.watched.get(folder)?.()
  expect([agent.watched.size, time.timers.size]).toEqual([0, 0])
  end()
  await world.clock.advance(5_000)
  expect(told()).toEqual([])
})

it('is noticed later when a look fails, and the log says why', async () => {
  const { child, hasEnded } = await running()
  const { clock } = world
  let isBroken = true
  const now = () => {
    if (isBroken) throw new Error('there is no time')
    return clock.now()
  }
  agent.world = { ...world, clock: { ...clock, now } }
  watchSession(agent, workspace, folder)
  child.kill('SIGKILL')
  await hasEnded
  await eventually(
    'it failed',
    async () => {
      await clock.advance(1_000)
      return logged.length > 0
    },
    60_000,
  )
  expect(logged[0]).toEqual({
    level: 'warn',
    message: 'look at a session failed',
    facts: { folder, reason: 'there is no time' },
  })
  expect(told()).toEqual([])
  isBroken = false
  await clock.advance(1_000)
  expect(told().at(-1)).toBe('session.exited')
})
