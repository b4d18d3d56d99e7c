/** `tdf pr adopt` with real processes against the fake forge: a pull request of a person is a task from then on. */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { LONG_MS, type PullScene, pullScene } from '../../../fakes/programs/forge/scene.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'

let scene: PullScene
let server: GitServer
beforeAll(async () => {
  scene = await pullScene()
  server = await gitServer(path.dirname(scene.forge.bare), null)
  scene.forge.git('config', 'http.receivepack', 'true')
  scene.forge.cloneUrl = `${server.url}/${path.basename(scene.forge.bare)}`
  await scene.home.start(scene.env)
}, LONG_MS)
afterAll(async () => {
  await scene.remove()
  await server.close()
}, LONG_MS)

const url = (number: number) => `https://github.com/acme/web/pull/${number}`
const adopt = (number: number, ...options: string[]) =>
  scene.run('pr', 'adopt', url(number), '--agent', 'a', ...options)
const watched = async (): Promise<TaskJson[]> => JSON.parse((await scene.run('pr', 'ls', '--json')).out)

it(
  'becomes a task whose result is its branch, and its agent goes on from there until it is green',
  async () => {
    scene.forge.ci = head => {
      const isMended = scene.forge.git('ls-tree', '--name-only', head).includes('run-1')
      return [{ name: 'test', conclusion: isMended ? 'success' : 'failure', log: 'it is wrong\n' }]
    }
    const theirs = scene.commit('topic1', { 'theirs.md': 'x\n' }, 'main')
    scene.forge.pull({ number: 1, branch: 'topic1' })
    const { code, out, err } = await adopt(1, '--until', 'merged', '--rounds', '2', '--json')
    expect([code, err]).toEqual([0, ''])
    const first: TaskJson = JSON.parse(out)
    expect(first.pr).toMatchObject({ url: url(1), until: 'merged', rounds: 2, head: theirs, number: 1 })
    const { id } = first
    const task = await scene.isAt(id, ({ waitingFor }) => /waits to be merged/.test(waitingFor ?? ''))
    expect([task.title, task.attempts.map(({ commit, verdict }) => [commit, verdict])]).toEqual([
      'change topic1',
      [
        [theirs, 'unverified'],
        [scene.forge.head('topic1'), 'unverified'],
      ],
    ])
    scene.forge.git('merge-base', '--is-ancestor', theirs, scene.forge.head('topic1'))
    expect(scene.told()[0]).toMatch(/The check "test" fails[\s\S]*> it is wrong/)
    expect((await scene.run('diff', `${id}@1`, '--stat')).out).toMatch(/theirs\.md[\s\S]*1 file/)
    // Adopted again it is the same.
    expect((await adopt(1, '-q')).out.trim()).toBe(id)
    Object.assign(scene.forge.pulls.get(1) ?? {}, { state: 'closed', merged: true })
    expect((await scene.run('wait', id, '--for', 'green')).code).toBe(0)
  },
  LONG_MS,
)

it(
  'is refused where there is nothing to watch or to push to, and nothing is stored',
  async () => {
    const before = (await watched()).length
    scene.commit('topic2', { 'b.md': 'x\n' }, 'main')
    scene.forge.pull({ number: 2, branch: 'topic2', state: 'closed' })
    scene.forge.pull({ number: 3, branch: 'topic2', isFork: true })
    for (const [number, why] of [
      [2, 'is closed'],
      [3, 'is in a fork'],
    ] as const) {
      expect(await adopt(number)).toMatchObject({ code: 5, err: expect.stringContaining(why) })
    }
    const unknown = await adopt(99)
    expect([unknown.code === 0, unknown.err]).toEqual([false, expect.stringContaining('answered 404')])
    const other = await scene.run('pr', 'adopt', 'https://git.test/mr/1', '--agent', 'a')
    expect([other.code === 0, other.err]).toEqual([false, expect.stringContaining('[pr] command')])
    expect((await adopt(2, '--until', 'red')).code).toBe(2)
    scene.forge.pull({ number: 4, branch: 'topic2' })
    expect(await adopt(4, '--agent', 'nobody')).toMatchObject({ err: expect.stringContaining('nobody') })
    expect(await watched()).toHaveLength(before)
  },
  LONG_MS,
)

it(
  'is one that tdf opened already: that is watched',
  async () => {
    scene.forge.ci = () => [{ name: 'test' }]
    const { out } = await scene.submit(5, '--pr', '-q', '--wait')
    const id = out.trim()
    expect((await scene.task(id)).pr).toBe(null)
    expect((await adopt(5, '-q')).out.trim()).toBe(id)
    const task = await scene.isAt(id, ({ state }) => state === 'green')
    expect(task.attempts).toHaveLength(1)
  },
  LONG_MS,
)
