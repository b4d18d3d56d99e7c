/** SIGKILL of the real daemon before every commit of a `tdf pr adopt`: one task, which is watched. */
import path from 'node:path'
import { expect, it } from 'vitest'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { LONG_MS, pullScene } from '../../fakes/programs/forge/scene.ts'
import { gitServer } from '../../support/daemon/git-server.ts'
import { hasEnded, until } from '../../support/daemon/home.ts'

async function adoptRun(plan: string) {
  const scene = await pullScene()
  const { home, forge, env } = scene
  const server = await gitServer(path.dirname(forge.bare), null)
  forge.cloneUrl = `${server.url}/${path.basename(forge.bare)}`
  try {
    forge.ci = () => [{ name: 'test', status: 'in_progress' }]
    const theirs = scene.commit('topic1', { 'theirs.md': 'x\n' }, 'main')
    forge.pull({ number: 1, branch: 'topic1' })
    const daemon = await home.start({ ...env, TDF_CRASH_AT: plan })
    const adopt = () => scene.run('pr', 'adopt', 'https://github.com/acme/web/pull/1', '--agent', 'a', '-q')
    const first = hasEnded(daemon) ? null : await adopt()
    const isWatched = async () => {
      const tasks = await home.client.call<TaskJson[]>({ path: '/pulls' }).catch(() => [])
      return tasks[0]?.pr?.waitingFor?.includes('waits for 1 check') === true
    }
    if (first?.code === 0)
      await until('it is watched or the daemon is dead', async () => hasEnded(daemon) || isWatched(), LONG_MS)
    const crashed = first?.code !== 0 || hasEnded(daemon)
    if (crashed) {
      await until('the daemon is dead', () => hasEnded(daemon), LONG_MS)
      await home.start(env)
      const again = await adopt()
      if (again.code !== 0) throw new Error(`${plan}: ${again.err}`)
      await until('it is watched', isWatched, LONG_MS)
    }
    const tasks = await home.client.call<TaskJson[]>({ path: '/tasks?limit=50' })
    const seen = tasks.map(({ attempts, pr, result, status }) => [attempts.length, pr?.state, status, result?.commit])
    return { crashed, tasks: seen, wanted: [[1, 'watching', 'completed', theirs]] }
  } finally {
    await scene.remove()
    await server.close()
  }
}

const AT_ONCE = 3

it('a daemon killed before any commit of an adoption has the pull request once, when it is asked again', async () => {
  let points = 0
  for (let reached = true; reached; ) {
    const batch = Array.from({ length: AT_ONCE }, (_, index) => `before:commit:${points + index + 1}`)
    const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await adoptRun(plan)) })))
    for (const { plan, tasks, wanted } of runs) expect(tasks, plan).toEqual(wanted)
    points += runs.filter(({ crashed }) => crashed).length
    reached = runs.every(({ crashed }) => crashed)
  }
  expect(points).toBeGreaterThan(1)
}, 1_800_000)
