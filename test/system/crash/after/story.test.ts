/**
 * The whole way of two results with real processes, and a daemon that is killed eight times on it: one lands on a branch that
 * has moved, the pull request of the other turns red and is made green.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { LONG_MS, type PullScene, pullScene } from '../../../fakes/programs/forge/scene.ts'
import { hasEnded, type Ran, until } from '../../../support/daemon/home.ts'

let scene: PullScene
beforeAll(async () => {
  scene = await pullScene()
}, LONG_MS)
afterAll(() => scene.remove(), LONG_MS)

const KILLS = 8

/** A daemon that is killed at each of these points, one after the other, and begun again each time. */
const lives = { kills: 0, daemon: null as ChildProcess | null, plans: [] as string[] }

async function begin(...plans: string[]): Promise<void> {
  const { daemon } = lives
  // The next part begins without the daemon of the last one.
  if (daemon && !hasEnded(daemon)) await scene.home.kill(daemon)
  if (daemon) lives.kills += 1
  lives.plans = plans
  await next()
}

async function next(): Promise<void> {
  const plan = lives.plans.shift()
  const env = { ...scene.env, ...(plan === undefined ? {} : { TDF_CRASH_AT: plan }) }
  lives.daemon = await scene.home.start(env)
}

/** Until it holds, with a new daemon in place of each that died; whatever the daemon cannot answer does not hold yet. */
async function whileKilled(what: string, holds: () => Promise<boolean>): Promise<void> {
  const isSo = async () => {
    if (lives.daemon && hasEnded(lives.daemon)) {
      lives.kills += 1
      await next()
    }
    return holds().catch(() => false)
  }
  await until(what, isSo, LONG_MS)
}

/** The same command again until it has its answer. Some wait for the daemon to come back. */
async function again(...words: string[]): Promise<Ran> {
  let last: Ran | null = null
  let isRunning = false
  await whileKilled(words.join(' '), async () => {
    if (last?.code === 0) return true
    if (!isRunning) {
      isRunning = true
      scene.run(...words).then(ran => {
        last = ran
        isRunning = false
      })
    }
    return false
  }).catch(error => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}`)
  })
  if (!last) throw new Error('it has no answer')
  return last
}

it(
  'two results come to where they belong, each effect once and nothing lost, though the daemon is killed eight times',
  async () => {
    const { home, forge } = scene
    const url = `file://${forge.bare}`
    forge.pull({ number: 2, branch: 'topic2' })
    forge.ci = () => [{ name: 'test', status: 'in_progress' }]

    await begin('after:commit:5', 'before:commit:6')
    const first = ['--idempotency-key', 'one', '--repo', url, '--check', 'test -f x.txt', '-q']
    const one = (await again('submit', ...first, '--', 'sh', '-c', 'echo x > x.txt')).out.trim()
    const second = [
      '--idempotency-key',
      'two',
      '--agent',
      'a',
      '--output-branch',
      'topic2',
      '--check',
      'ls run-*',
      '-q',
    ]
    const two = (await again('submit', 'do it', ...second, '--until', 'green')).out.trim()
    await whileKilled('both are verified, and one is at its pull request', async () => {
      const tasks = await Promise.all([one, two].map(id => home.task(id)))
      return (
        tasks.every(({ verdict, step }) => verdict === 'verified' && step === null) && tasks[1]?.pr?.waitingFor != null
      )
    })

    const theirs = scene.commit('main', { 'theirs.txt': 't\n' })
    await begin('before:commit:3', 'after:commit:6')
    const fits: TaskJson[] = JSON.parse((await again('fit', one, '--json')).out)
    expect(fits.map(({ fit }) => [fit?.state, fit?.commit])).toEqual([['behind', theirs]])
    const landed: TaskJson[] = JSON.parse((await again('land', one, '--json')).out)
    const landing = landed[0]?.landing
    expect([landing?.state, landing?.tip, forge.head('main')]).toEqual(['landed', theirs, landing?.commit])

    forge.ci = head => {
      const isMended = forge.git('ls-tree', '--name-only', head).split('\n').includes('run-2')
      return [{ name: 'test', conclusion: isMended ? 'success' : 'failure', log: 'two is wrong\n' }]
    }
    await begin('before:commit:3', 'after:commit:6')
    await whileKilled('its pull request is green', async () => (await home.task(two)).pr?.state === 'green')
    await whileKilled('nothing goes on', async () => {
      const tasks = await home.client.call<TaskJson[]>({ path: '/tasks?limit=50' })
      return tasks.every(({ step }) => step === null)
    })

    // Where a part had fewer commits than that, the rest of the eight find nothing left to do.
    while (lives.kills < KILLS) await begin()
    expect(lives.kills).toBe(KILLS)
    await expectAll(one, two, landing)
  },
  4 * LONG_MS,
)

/** One task landed, one was continued once; what each made, and what was checked, is there. */
async function expectAll(one: string, two: string, landing: TaskJson['landing'] | undefined): Promise<void> {
  const { home, forge } = scene
  const tasks = await home.client.call<TaskJson[]>({ path: '/tasks?limit=50' })
  const checks = tasks.filter(({ labels }) => labels.landing === one)
  expect(tasks).toHaveLength(3)
  expect(checks.map(({ verdict, result }) => [verdict, result?.commit])).toEqual([['verified', landing?.commit]])
  expect(forge.git('log', '--merges', '--format=%s', 'main')).toMatch(new RegExp(`^Merge task ${one}: [^\n]*$`))
  expect(forge.git('ls-tree', '--name-only', 'main').split('\n')).toEqual(['README.md', 'theirs.txt', 'x.txt'])

  const [landed, mended] = await Promise.all([home.task(one), home.task(two)])
  expect([landed.attempts.length, landed.verdict]).toEqual([1, 'verified'])
  expect(mended.attempts.map(({ verdict }) => verdict)).toEqual(['verified', 'verified'])
  expect(mended.pr).toMatchObject({ state: 'green', round: 1 })
  expect([scene.told().length, scene.told()[1]?.includes('> two is wrong')]).toEqual([2, true])
  expect(forge.head('topic2')).toBe(mended.result?.commit)
  forge.git('merge-base', '--is-ancestor', mended.attempts[0]?.commit ?? '', 'topic2')
  expect((await scene.run('diff', `${two}@1`)).out).toMatch(/run-1(?![\s\S]*run-2)/)
  const workspaces = path.join(home.dir, 'state', 'agent', 'workspaces')
  expect(existsSync(workspaces) ? readdirSync(workspaces) : []).toEqual([])
}
