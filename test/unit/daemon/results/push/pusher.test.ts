/** Pushes over a whole engine: what was asked for is done, tried again while it may be, and on record when it has failed. */
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPusher, type Pusher } from '../../../../../daemon/results/push/pusher.ts'
import { pushAfter, pushNow, pushOf, whyPush } from '../../../../../daemon/results/push/request.ts'
import type { Task } from '../../../../../src/core/task.ts'
import { readEvents } from '../../../../../src/store/tables/journal.ts'
import { due } from '../../../../../src/store/tables/outbox.ts'
import { readPush } from '../../../../../src/store/tables/pushes.ts'
import { aConfig } from '../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

let out: Outside
let life: Life
let scene: ResultsScene
let pusher: Pusher
let remote: string
let id: string
let commit: string

beforeEach(async () => {
  const opens = ['sh', '-c', 'echo https://git.test/pr/$TDF_BASE']
  out = outside({ config: aConfig({ push: { prCommand: opens, retryFor: 60_000 } }) })
  life = await live(out)
  scene = resultsScene()
  remote = path.join(scene.root, 'remote.git')
  gitIn(scene.root, 'init', '-q', '--bare', remote)
  pusher = createPusher(life.engine, scene.results)
  id = await life.submit({ push: { remote: `file://${remote}`, pr: false } })
  await life.world.run(() => life.task(id).step === null)
  commit = scene.commit({ 'a.txt': 'two\n' })
  const repository = await scene.results.of(life.task(id))
  gitIn(scene.node, 'push', '-q', repository.dir, `${commit}:refs/tdf/${id}/1`)
})
afterEach(async () => {
  await pusher.stop()
  life.kill()
  out.remove()
})

/** The task with a commit that is there. */
function task(change: Partial<Task['spec']> = {}): Task {
  const of = life.task(id)
  if (!of.result) throw new Error('there is no result')
  return { ...of, result: { ...of.result, commit }, spec: { ...of.spec, ...change } }
}
const now = () => life.world.clock.now()
const ask = (wish: Partial<Parameters<typeof pushNow>[2]> = {}, of = task()) =>
  life.engine.store.commit(() =>
    pushNow(life.engine, of, { remote: null, fallback: null, branch: null, pr: false, ...wish }, now()),
  )
const stored = () => readPush(life.engine.store.sql, id)
const failures = () => due(life.engine.store.sql, 'error', now() + 1, 100).map(({ payload }) => payload)
const told = () =>
  readEvents(life.engine.store.sql, { after: 0, limit: 1_000 })
    .filter(({ type, taskId }) => type === 'task.push' && taskId === id)
    .map(({ data }) => data)
const branches = () => gitIn(remote, 'for-each-ref', '--format=%(refname:short)').split('\n')

describe('a push', () => {
  it('that was asked for at submit is due when the task is completed, and on record', async () => {
    // The simulated task was completed by the engine itself.
    expect(stored()).toMatchObject({ state: 'pending', wantsPr: false, until: expect.any(Number) })
    expect((stored()?.until ?? 0) - (stored()?.updatedAt ?? 0)).toBe(60_000)
    expect(told()).toEqual([expect.objectContaining({ state: 'pending', tries: 0, branch: 'tdf/say-hi' })])
    const events = told().length
    pushAfter(life.engine, task({ push: null }), now())
    pushAfter(life.engine, { ...task(), result: null }, now())
    expect(told()).toHaveLength(events)
  })

  it('is done at once where that is asked, and again changes nothing', async () => {
    await ask()
    await pusher.now(id)
    expect([branches(), gitIn(remote, 'rev-parse', 'tdf/say-hi')]).toEqual([['tdf/say-hi'], commit])
    expect(stored()).toMatchObject({ state: 'pushed', pushedCommit: commit, tries: 1, error: null, prUrl: null })
    expect(told().at(-1)).toMatchObject({ state: 'pushed', commit, tries: 1, prUrl: null })
    await pusher.now(id)
    expect(stored()?.tries).toBe(1)
    expect(whyPush(life.engine, task())).toBeUndefined()
  })

  it('with a pull request is known to be ours before that is opened, into the branch that it began from', async () => {
    gitIn(scene.node, 'push', '-q', remote, `${scene.base}:refs/heads/main`)
    const { repo } = task().spec
    for (const [ref, into] of [
      ['refs/heads/main', 'main'],
      ['gone', ''],
      ['tdf-base', ''],
      [null, ''],
    ] as const) {
      const spec = { ...task().spec, repo: { ...repo, ref } }
      life.engine.store.sql.run('update tasks set spec = ? where id = ?', JSON.stringify(spec), id)
      await ask({ pr: true })
      await pusher.now(id)
      expect(stored()).toMatchObject({ state: 'pushed', pushedCommit: commit, prUrl: `https://git.test/pr/${into}` })
    }
  })

  it('whose pull request is not opened keeps the branch, and says so', async () => {
    out.config.push.prCommand = ['sh', '-c', 'echo no rights >&2; exit 1']
    await ask({ pr: true })
    await pusher.now(id)
    const error = 'the branch is pushed, and no pull request was opened: no rights'
    expect(stored()).toMatchObject({ state: 'failed', pushedCommit: commit, error })
    expect(whyPush(life.engine, task())).toEqual({
      sentence: expect.stringContaining(`the pull request of tdf/say-hi did not get to file://${remote} (${error})`),
      command: `tdf push ${id} --pr`,
    })
  })

  it('that is refused has failed at once, is on record and is announced', async () => {
    gitIn(scene.node, 'push', '-q', remote, `${scene.base}:refs/heads/tdf/say-hi`)
    await ask()
    await pusher.now(id)
    expect(stored()).toMatchObject({ state: 'failed', tries: 1, error: expect.stringContaining('stale info') })
    const message = `tdf/say-hi was not pushed to file://${remote}: ${stored()?.error}`
    expect(failures()).toEqual([expect.objectContaining({ source: 'push', code: 'PUSH_FAILED', taskId: id, message })])
    expect(whyPush(life.engine, task())).toEqual({
      sentence: expect.stringContaining(`tdf/say-hi did not get to file://${remote}`),
      command: `tdf push ${id}`,
    })
    expect(whyPush(life.engine, task())?.sentence).not.toContain('pull request')
  })

  it('whose server is away is tried again later and later, until its time is over', async () => {
    const gone = `file://${scene.root}/none.git`
    await life.engine.store.commit(() => pushAfter(life.engine, task({ push: { remote: gone, pr: false } }), now()))
    const waits: number[] = []
    while (stored()?.state === 'pending' && waits.length < 9) {
      const before = now()
      await pusher.now(id)
      const next = (stored()?.dueAt ?? 0) - before
      if (stored()?.state !== 'pending') break
      waits.push(next / 1_000)
      expect(whyPush(life.engine, task())?.sentence).toContain(`the next try is in ${next / 1_000}s`)
      await life.world.clock.advance(next)
    }
    expect([waits, stored()?.state, stored()?.tries]).toEqual([[5, 10, 20], 'failed', 4])
    expect(failures()).toHaveLength(1)
  })

  it('of a task that was removed meanwhile is none', async () => {
    await ask()
    life.engine.store.sql.run('delete from attempts where task_id = ?', id)
    await pusher.now(id)
    expect([stored()?.state, branches()]).toEqual(['pending', ['']])
  })

  it('that is due is begun by the sweep, once, and one that is cut off by the end of the daemon stays due', async () => {
    await ask()
    const parts = {} as Parameters<Pusher['sweep']['run']>[1]
    const { signal } = new AbortController()
    await pusher.sweep.run(life.engine, parts, signal)
    await expect.poll(() => stored(), { timeout: 60_000 }).toMatchObject({ state: 'pushed', tries: 1 })
    await ask({ branch: 'tdf/other' })
    await pusher.sweep.run(life.engine, parts, signal)
    await pusher.stop()
    expect(stored()).toMatchObject({ state: 'pending', tries: 0, error: null })
  })
})

describe('where to', () => {
  it('is what is asked for, else where it went before, else what was said at submit, else the fallback', async () => {
    const target = () => [stored()?.remote, stored()?.branch]
    const [submitted, other] = [`file://${remote}`, 'https://git.test/b.git']
    life.engine.store.sql.run('delete from pushes')
    await ask({ fallback: other })
    expect(target()).toEqual([submitted, 'tdf/say-hi'])
    await ask({ remote: other, branch: 'mine' })
    expect(target()).toEqual([other, 'mine'])
    await ask({ fallback: submitted })
    expect(target()).toEqual([other, 'mine'])
    await ask({ remote: submitted })
    expect(target()).toEqual([submitted, 'tdf/say-hi'])
    life.engine.store.sql.run('delete from pushes')
    await ask({}, task({ push: null }))
    expect(target()[0]).toBe('https://example.org/repo.git')
    const bundle = { kind: 'bundle', url: '/r', ref: 'x', baseCommit: 'c', sha256: 'f', bytes: 1 } as const
    life.engine.store.sql.run('delete from pushes')
    await ask({ fallback: other }, task({ push: null, repo: bundle }))
    expect(target()[0]).toBe(other)
    life.engine.store.sql.run('delete from pushes')
    await expect(ask({}, task({ push: null, repo: bundle }))).rejects.toMatchObject({ code: 'PUSH_NOWHERE' })
    expect(stored()).toBeUndefined()
  })

  it.each([
    ['a branch that git does not take', { branch: 'a..b' }, 'REF_UNSAFE'],
    ['a remote that is none', { remote: '--upload-pack=x' }, 'PUSH_NOWHERE'],
    ['an address of the machine itself', { remote: 'http://169.254.169.254/a.git' }, 'PUSH_NOWHERE'],
    ['a password in the address', { remote: 'https://you:secret@git.test/a.git' }, 'PUSH_NOWHERE'],
  ])('is refused with %s', async (_, wish, code) => {
    const before = stored()
    await expect(ask(wish)).rejects.toMatchObject({ code })
    expect(stored()).toEqual(before)
  })

  it('is nowhere for a task that has nothing to push', async () => {
    const nothing = { ...task(), result: { ...task().result, ahead: 0 } as Task['result'] }
    const hint = `tdf why ${id}`
    await expect(ask({}, nothing)).rejects.toMatchObject({
      code: 'NO_RESULT',
      message: expect.stringMatching(/changed nothing/),
      hint,
    })
    const none = { ...task(), result: null }
    await expect(ask({}, none)).rejects.toMatchObject({
      code: 'NO_RESULT',
      message: expect.stringMatching(/it is completed/),
      hint,
    })
  })

  it('of a new task is as it is asked, else as is configured, and has to be known', () => {
    const repo = { kind: 'git' as const, url: 'https://git.test/a.git', ref: null, baseCommit: null }
    const upload = { kind: 'bundle' as const, url: '/r', ref: 'x', baseCommit: 'c', sha256: 'f', bytes: 1 }
    const of = (preset: 'never' | 'branch' | 'pr', request: object) =>
      // The parts of a request that say where to.
      pushOf({ config: aConfig({ push: { default: preset as never } }) }, request as Parameters<typeof pushOf>[1])
    expect(of('never', { repo })).toBeNull()
    expect(of('pr', { repo })).toEqual({ remote: repo.url, pr: true })
    expect(of('pr', { push: 'never', repo })).toBeNull()
    expect(of('never', { push: 'branch', repo, remote: 'https://git.test/b.git' })).toEqual({
      ...{ remote: 'https://git.test/b.git', pr: false },
    })
    expect(of('never', { repo, push: null, until: 'green' })).toEqual({ remote: repo.url, pr: true, until: 'green' })
    expect(of('never', { repo, push: 'pr', until: 'merged', rounds: 2 })).toMatchObject({ until: 'merged', rounds: 2 })
    for (const push of ['never', 'branch']) {
      const refused = { code: 'BAD_REQUEST', field: 'until', hint: 'tdf submit --help' }
      expect(() => of('pr', { repo, push, until: 'green' })).toThrow(expect.objectContaining(refused))
    }
    const wrong = ['https://you:word@git.test/a.git', 'no url', 'http://169.254.169.254/a.git']
    for (const remote of wrong) {
      const refused = { code: 'PUSH_NOWHERE', field: 'remote' }
      expect(() => of('branch', { repo, remote })).toThrow(expect.objectContaining(refused))
    }
    const nowhere = { code: 'PUSH_NOWHERE', field: 'remote', hint: 'git remote --verbose' }
    expect(() => of('branch', { repo: upload })).toThrow(expect.objectContaining(nowhere))
  })
})
