/** Watches of pull requests over a whole engine: a program in place of the forge, real repositories. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createPusher, type Pusher } from '../../../../daemon/results/push/pusher.ts'
import { changeNow, watchAfter, watchNow, whyWatch } from '../../../../daemon/results/push/watch/request.ts'
import { createWatcher, type Watcher } from '../../../../daemon/results/push/watch/watcher.ts'
import { resultRefOf } from '../../../../src/core/task.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import { due } from '../../../../src/store/tables/outbox.ts'
import {
  changePush,
  changeWatch,
  type Push,
  readPush,
  readWatch,
  type Watch,
} from '../../../../src/store/tables/pushes.ts'
import { type Forge, startForge } from '../../../fakes/programs/forge/forge.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../../../unit/daemon/results/node.ts'

const MIN = 60_000
const URL_OF = 'https://github.com/acme/web/pull/1'
const SIGNAL = new AbortController().signal

let out: Outside
let life: Life
let scene: ResultsScene
let pusher: Pusher
let watcher: Watcher
let remote: string
/** Of the results' repository. */
let home: string
let id: string
/** The commits of the attempts. */
let commits: string[]

beforeEach(async () => {
  scene = resultsScene()
  remote = path.join(scene.root, 'remote.git')
  gitIn(scene.root, 'init', '-q', '--bare', '-b', 'main', remote)
  gitIn(scene.node, 'push', '-q', remote, 'main')
  home = (await scene.results.of(scene.task)).dir
  const pr = { command: ['cat', file('view')], poll: MIN, settle: 0 }
  out = outside({ config: aConfig({ pr, notify: { command: ['true'], events: ['needs-you'] } }) })
  commits = [scene.commit({ 'b.txt': 'b\n' })]
  const described = out.results.describe
  out.results.describe = async (task, saved) => {
    return { ...(await described(task, saved)), commit: commits[task.attempt - 1] ?? scene.base }
  }
  life = await live(out)
  pusher = createPusher(life.engine, scene.results)
  watcher = createWatcher(life.engine, scene.results)
  id = await life.submit({ push: { remote: `file://${remote}`, pr: false, until: 'green', rounds: 2 } })
  await pushed()
  await write(() => changePush(sql(), push(), { prUrl: URL_OF }, now()))
  await write(() => watchAfter(life.engine, life.task(id), push(), now()))
  shows()
})
afterEach(async () => {
  await watcher.stop()
  await pusher.stop()
  life.kill()
  out.remove()
})

const file = (name: string) => path.join(scene.root, name)
const sql = () => life.engine.store.sql
const now = () => life.world.clock.now()
const write = (act: () => unknown) => life.engine.store.commit(() => void act())
const push = (): Push => readPush(sql(), id) as Push
const watch = (): Watch => readWatch(sql(), id) as Watch
const look = () => watcher.now(id)
const told = () =>
  readEvents(sql(), { after: 0, limit: 1_000 }).flatMap(({ type, data }) => (type === 'task.pr' ? [data] : []))
const notices = () => due(sql(), 'notify-command', now() + 1, 100).map(({ payload }) => payload)
const red = (...names: string[]) => names.map(name => ({ name, state: 'failed', log: `${name} is wrong\n` }))

/** The forge shows an open pull request of what was pushed last. */
function shows(change: object = {}): void {
  const head = push().pushedCommit
  writeFileSync(file('view'), JSON.stringify({ state: 'open', head, base: 'main', ...change }))
}

/** Runs the newest attempt to its end, and pushes what it made. */
async function pushed(): Promise<void> {
  await life.world.run(() => life.task(id).step === null)
  const { attempt } = life.task(id)
  const commit = commits[attempt - 1] ?? ''
  gitIn(scene.node, 'push', '-q', home, `${commit}:${resultRefOf(id, attempt)}`)
  await pusher.now(id)
  expect(push()).toMatchObject({ state: 'pushed', pushedCommit: commit })
}

/** A person puts a commit on the branch. */
function person(files: Record<string, string>, on = push().pushedCommit ?? ''): string {
  const commit = scene.commit(files, on)
  gitIn(scene.node, 'push', '-q', '--force', remote, `${commit}:refs/heads/${push().branch}`)
  return commit
}

describe('a pull request', () => {
  it('is looked at again and again while it is open, and told of when that changes', async () => {
    shows({ checks: [{ name: 'test', state: 'pending' }] })
    await look()
    const waits = { state: 'watching', waitingFor: 'waits for 1 check: test', tries: 0, error: null, round: 0 }
    expect(watch()).toMatchObject({ ...waits, checks: { passed: 0, failed: 0, pending: 1 }, dueAt: now() + MIN })
    const first = { url: URL_OF, state: 'watching', head: commits[0], round: 0, rounds: 2 }
    expect(told()).toEqual([
      { ...first, why: null },
      { ...first, why: waits.waitingFor },
    ])
    await life.world.clock.advance(MIN)
    await look()
    expect([told().length, watch().dueAt]).toEqual([2, now() + MIN])
    shows({ draft: true })
    await look()
    expect(told().at(-1)).toMatchObject({ why: 'it is a draft' })
  })

  it('is looked at when it is due, and not before', async () => {
    shows({ draft: true })
    const sweep = () => watcher.sweep.run(life.engine, {} as never, SIGNAL)
    await sweep()
    await vi.waitUntil(() => watch().waitingFor !== null, { timeout: MIN })
    shows({ state: 'merged' })
    await sweep()
    await watcher.stop()
    expect(watch().state).toBe('watching')
  })

  it('that stays as it is for as long as it has to is green, which is the end of it and no news for a person', async () => {
    life.engine.config.pr.settle = 10_000
    shows({ checks: [{ name: 'test', state: 'passed' }] })
    await look()
    expect(watch()).toMatchObject({ waitingFor: 'waits whether it stays as it is', dueAt: now() + 10_000 })
    // It changes: that it has to stay for as long begins anew.
    await life.world.clock.advance(6_000)
    shows({ checks: [...['test', 'docs'].map(name => ({ name, state: 'passed' }))] })
    await look()
    await life.world.clock.advance(6_000)
    await look()
    expect(watch()).toMatchObject({ state: 'watching', dueAt: now() + 4_000 })
    await life.world.clock.advance(4_000)
    await look()
    const why = 'every check has passed and no review thread is open'
    expect(watch()).toMatchObject({ state: 'green', waitingFor: why, checks: { passed: 2 } })
    expect(told().at(-1)).toMatchObject({ state: 'green', why })
    expect(notices()).toEqual([])
    // It is over: it is not looked at any more.
    shows({ state: 'closed' })
    await look()
    expect(watch().state).toBe('green')
    expect(whyWatch(life.engine, life.task(id))).toBeUndefined()
  })

  it('whose task was removed meanwhile is left alone', async () => {
    const before = watch()
    sql().run('delete from attempts where task_id = ?', id)
    await look()
    expect(watch()).toEqual(before)
  })

  it('that is closed is told to a person', async () => {
    shows({ state: 'closed' })
    await look()
    expect(watch()).toMatchObject({ state: 'closed', waitingFor: 'it was closed without being merged' })
    expect(notices()).toEqual([expect.objectContaining({ event: 'needs-you', taskId: id })])
    expect(whyWatch(life.engine, life.task(id))).toMatchObject({ command: `tdf push ${id} --pr` })
  })
})

describe('what is red', () => {
  it('is handed to the agent in one attempt that goes on from the branch, and its answer is a round', async () => {
    commits.push(scene.commit({ 'c.txt': 'c\n' }, commits[0]))
    shows({ checks: red('test', 'docs') })
    await look()
    expect(watch()).toMatchObject({
      state: 'reacting',
      attempt: 2,
      round: 0,
      still: ['test', 'docs'],
      checks: { failed: 2 },
    })
    expect([watch().given.length, watch().waitingFor]).toEqual([1, 'attempt 2 of its task goes on'])
    const { spec, continued } = life.task(id)
    expect(spec).toMatchObject({ outputBranch: 'tdf/say-hi', push: { remote: `file://${remote}`, pr: false } })
    expect(spec.interactive).toBe(false)
    expect(spec.prompt).toContain('The check "test" fails\n\n> test is wrong')
    expect(continued).toMatchObject({ of: 1, from: { ref: `${resultRefOf(id, 1)}-start`, commit: commits[0] } })
    expect(gitIn(home, 'rev-parse', `${resultRefOf(id, 1)}-start`)).toBe(commits[0])
    // Nothing follows twice, and the forge is not asked while the task goes on.
    shows({ state: 'closed' })
    await look()
    expect(watch()).toMatchObject({ state: 'reacting', dueAt: now() + 1_000 })
    await pushed()
    shows({ checks: red('test') })
    await look()
    expect(life.task(id).attempt).toBe(3)
    expect(watch()).toMatchObject({ state: 'reacting', round: 1, unchanged: 0, attempt: 3, head: commits[1] })
    expect(life.task(id).spec.prompt).toContain('(round 2 of 2)')
    expect(life.task(id).spec.prompt).toContain('The check "test" still fails')
  })

  it('goes on from what a person has put on the branch since', async () => {
    const head = person({ 'p.txt': 'p\n' })
    shows({ head, checks: [{ name: 'test', state: 'pending' }] })
    await look()
    expect([watch().head, push().pushedCommit]).toEqual([head, head])
    shows({ head, checks: red('test') })
    await look()
    expect(life.task(id).continued?.from).toMatchObject({ commit: head })
    expect(gitIn(home, 'rev-parse', `${resultRefOf(id, 1)}-start`)).toBe(head)
  })

  it('ends the watch where what tdf pushed was replaced', async () => {
    const head = person({ 'p.txt': 'p\n' }, scene.base)
    shows({ head, checks: red('test') })
    await look()
    const why = `its branch was replaced: ${head.slice(0, 12)} does not go on from what tdf pushed`
    expect(watch()).toMatchObject({ state: 'stopped', waitingFor: why, head: commits[0] })
    expect([life.task(id).attempt, notices().length]).toEqual([1, 1])
  })

  it('is not what the forge shows of a commit before the one that was pushed, as it may for a moment', async () => {
    shows({ head: scene.base, checks: red('test') })
    await look()
    expect(watch()).toMatchObject({ state: 'watching', head: commits[0], waitingFor: expect.stringContaining('yet') })
    expect([push().pushedCommit, life.task(id).attempt]).toEqual([commits[0], 1])
    // The same where a person has put more on top meanwhile.
    const head = person({ 'p.txt': 'p\n' })
    await look()
    expect([watch().head, push().pushedCommit]).toEqual([commits[0], commits[0]])
    shows({ head })
    await look()
    expect(watch()).toMatchObject({ state: 'green', head })
  })

  it('in conflict begins from a merge of both with the marks of it', async () => {
    const theirs = scene.commit({ 'b.txt': 'theirs\n' })
    gitIn(scene.node, 'push', '-q', remote, `${theirs}:refs/heads/main`)
    shows({ mergeable: false })
    await look()
    const start = life.task(id).continued?.from
    expect(start).toMatchObject({ baseCommit: theirs, ref: `${resultRefOf(id, 1)}-start` })
    const shown = (format: string) => gitIn(home, 'show', '-s', `--format=${format}`, start?.commit ?? '')
    expect(shown('%P')).toBe(`${commits[0]} ${theirs}`)
    expect(shown('%s %an %ct')).toBe(`Merge main with conflicts tdf ${Math.floor(watch().seenAt / 1000)}`)
    expect(gitIn(home, 'show', `${start?.commit}:b.txt`)).toContain('<<<<<<<')
    expect(life.task(id).spec.prompt).toContain('hold the marks of conflicts: b.txt')
  })

  it('without a conflict in git, though the forge says so, begins from a clean merge', async () => {
    const theirs = scene.commit({ 'z.txt': 'z\n' })
    gitIn(scene.node, 'push', '-q', remote, `${theirs}:refs/heads/main`)
    shows({ mergeable: false })
    await look()
    const { commit = '' } = life.task(id).continued?.from ?? {}
    expect(gitIn(home, 'show', '-s', '--format=%s', commit)).toBe('Merge main')
    expect(life.task(id).spec.prompt).toContain('The branch main was merged into your work')
  })

  it('is left to a person where its task may not go on', async () => {
    await write(() => changeWatch(sql(), watch(), { head: watch().head }, now()))
    life.engine.store.sql.run('update attempts set result = null where task_id = ?', id)
    shows({ checks: red('test') })
    await look()
    expect(watch()).toMatchObject({ state: 'needs_you', waitingFor: expect.stringMatching(/^its task cannot go on: /) })
    expect(notices()).toHaveLength(1)
    expect(whyWatch(life.engine, life.task(id))).toMatchObject({ command: `tdf pr resume ${id}` })
  })
})

describe('what people put on the branch while the agent works', () => {
  /** The agent makes a commit upon what was pushed, and people make another meanwhile. */
  async function meanwhile(files: Record<string, string>, on?: string): Promise<string> {
    commits.push(scene.commit({ 'c.txt': 'c\n' }, commits[0]))
    shows({ checks: red('test') })
    await look()
    const theirs = person(files, on)
    await life.world.run(() => life.task(id).step === null)
    gitIn(scene.node, 'push', '-q', home, `${commits[1]}:${resultRefOf(id, 2)}`)
    return theirs
  }
  const branch = () => gitIn(remote, 'rev-parse', push().branch)

  it('is merged with what it made, and both are pushed from where they left it', async () => {
    const theirs = await meanwhile({ 'p.txt': 'p\n' })
    await pusher.now(id)
    const { commitId } = push()
    expect(push()).toMatchObject({ state: 'pending', pushedCommit: theirs, attempt: 2 })
    const at = Math.floor((life.task(id).completedAt ?? 0) / 1000)
    expect(gitIn(home, 'show', '-s', '--format=%P %ct', commitId)).toBe(`${commits[1]} ${theirs} ${at}`)
    expect(gitIn(home, 'rev-parse', `${resultRefOf(id, 2)}-joined`)).toBe(commitId)
    expect(branch()).toBe(theirs)
    await pusher.now(id)
    expect(push()).toMatchObject({ state: 'pushed', pushedCommit: commitId, error: null })
    expect(branch()).toBe(commitId)
  })

  it('in the same places is left to a person, who is told which', async () => {
    const theirs = await meanwhile({ 'c.txt': 'another\n' })
    await pusher.now(id)
    expect(push()).toMatchObject({ state: 'failed', commitId: commits[1], pushedCommit: commits[0] })
    expect(push().error).toMatch(new RegExp(`^people have put ${theirs.slice(0, 12)} on the branch .*: c\\.txt$`))
    expect(branch()).toBe(theirs)
  })

  it('is not merged where it took the place of what was pushed, or where nobody watches any more', async () => {
    const theirs = await meanwhile({ 'p.txt': 'p\n' }, scene.base)
    await pusher.now(id)
    expect(push()).toMatchObject({ state: 'failed', error: expect.stringContaining('stale info') })
    expect(branch()).toBe(theirs)
    gitIn(scene.node, 'push', '-q', '--force', remote, `${commits[0]}:refs/heads/${push().branch}`)
    const more = person({ 'p.txt': 'p\n' }, commits[0])
    await write(() => changeWatch(sql(), watch(), { state: 'paused' }, now()))
    await write(() => changePush(sql(), push(), { state: 'pending' }, now()))
    await pusher.now(id)
    expect(push()).toMatchObject({ state: 'failed', error: expect.stringContaining('stale info') })
    expect(branch()).toBe(more)
  })
})

describe('a forge', () => {
  it('that cannot be asked is asked later and later, told of once, and nothing that is known is lost', async () => {
    shows({ checks: [{ name: 'test', state: 'pending' }] })
    await look()
    const events = told().length
    writeFileSync(file('view'), 'nothing of the kind')
    await look()
    const first = watch()
    expect(first).toMatchObject({
      tries: 1,
      error: '[pr] command: what it answered is no JSON',
      checks: { pending: 1 },
    })
    await look()
    const second = watch()
    expect([second.tries, told().length]).toEqual([2, events + 1])
    expect(second.dueAt).toBeGreaterThan(first.dueAt)
    expect(whyWatch(life.engine, life.task(id))?.sentence).toContain('cannot be looked at: [pr] command')
    shows({ checks: [{ name: 'test', state: 'pending' }] })
    await look()
    expect(watch()).toMatchObject({ tries: 0, error: null })
  })

  it('is believed in the shape of its answer alone, and the field that is wrong is named', async () => {
    shows({ checks: [{ name: 'test', state: 'broken' }], draft: 'perhaps' })
    await look()
    expect(watch().error).toMatch(/^\[pr\] command: draft: (?!.*checks)/)
    life.engine.config.pr.command = ['sh', '-c', 'echo it is off >&2; exit 3']
    await look()
    expect(watch().error).toBe('[pr] command: it is off')
    life.engine.config.pr.command = ['sh', '-c', 'exit 3']
    await look()
    expect(watch().error).toBe('[pr] command: it ended with 3')
    life.engine.config.pr.command = ['sh', '-c', 'printf "%2000s" much | tr " " x >&2; exit 1']
    await look()
    expect(watch().error).toMatch(/^\[pr\] command: x{496}much$/)
  })

  it('is heard for people who may write there, and for those who are named', async () => {
    Object.assign(life.engine.config.pr, { ignoreAuthors: ['bob'], allowAuthors: ['review[bot]', 'bob'] })
    const said = { alice: true, bob: true, mallory: false, 'review[bot]': false }
    const threads = Object.entries(said).map(([author, mayWrite]) => {
      return { id: author, comments: [{ id: '1', author, mayWrite, text: `words of ${author}` }] }
    })
    shows({ threads })
    await look()
    const { prompt } = life.task(id).spec
    expect(Object.keys(said).filter(author => prompt.includes(`words of ${author}`))).toEqual(['alice', 'review[bot]'])
  })

  it('is told which pull request it is about', async () => {
    const names = ['TDF_TASK_ID', 'TDF_PR_URL', 'TDF_REMOTE', 'TDF_BRANCH']
    const said = names.map(name => `$${name}`).join(' ')
    life.engine.config.pr.command = ['sh', '-c', `echo "${said}" > ${file('said')}; cat ${file('view')}`]
    await look()
    expect(readFileSync(file('said'), 'utf8')).toBe(`${id} ${URL_OF} file://${remote} tdf/say-hi\n`)
  })
})

describe('a forge that is asked by gh', () => {
  let forge: Forge
  beforeEach(async () => {
    forge = await startForge()
    vi.stubEnv('PATH', `${forge.bin}:${process.env.PATH}`)
    vi.stubEnv('XDG_CONFIG_HOME', forge.configHome)
    const { branch, pushedCommit } = push()
    gitIn(scene.node, 'push', '-q', forge.bare, 'main', `${pushedCommit}:refs/heads/${branch}`)
    forge.pull({ number: 1, branch })
    life.engine.config.pr.command = []
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await forge.close()
  })
  const asked = (what: RegExp) => forge.requests.filter(({ path: at }) => what.test(at)).length

  it('gives the logs of what fails where it has them, and what is known already is not read again', async () => {
    forge.ci = () => [{ name: 'test', status: 'in_progress' }]
    await look()
    expect(watch()).toMatchObject({ waitingFor: 'waits for 1 check: test', head: commits[0] })
    const counted = () => forge.requests.filter(one => one.counted).length
    const before = counted()
    await look()
    expect(counted()).toBe(before)
    forge.ci = () => [
      { name: 'test', conclusion: 'failure', log: 'the job says\n' },
      { name: 'other', conclusion: 'failure' },
    ]
    await look()
    expect(life.task(id).spec.prompt).toContain('> the job says')
    expect(life.task(id).spec.prompt).toContain('> other says so')
    expect(asked(/\/logs$/)).toBe(1)
  })

  it('that gives no log takes nothing from the rest', async () => {
    forge.ci = () => [{ name: 'test', conclusion: 'failure', log: 'the job says\n' }]
    forge.faults.push({ at: /logs$/, kind: 'error', times: 1 })
    await look()
    expect(watch()).toMatchObject({ state: 'reacting', still: ['test'] })
    expect(life.task(id).spec.prompt).toContain('The check "test" fails')
    expect(life.task(id).spec.prompt).not.toContain('the job says')
  })
})

describe('a user', () => {
  const ask = (verb: 'pause' | 'resume' | 'stop', rounds: number | null = null, until: 'merged' | null = null) =>
    write(() => changeNow(life.engine, life.task(id), verb, { until, rounds }, now()))

  it('who pauses it during a look is heard', async () => {
    life.engine.config.pr.command = [
      'sh',
      '-c',
      `while [ ! -e ${file('go')} ]; do sleep 0.02; done; cat ${file('view')}`,
    ]
    const looking = look()
    await ask('pause')
    writeFileSync(file('go'), '')
    await looking
    expect(watch()).toMatchObject({ state: 'paused', waitingFor: 'you asked for it' })
    expect(told().at(-1)).toMatchObject({ state: 'paused' })
    await look()
    expect(watch().state).toBe('paused')
  })

  it('who resumes it gives it a round anew where none is left, or as many as are named', async () => {
    await write(() =>
      changeWatch(sql(), watch(), { round: 2, state: 'needs_you', unchanged: 2, tries: 3, error: 'x' }, now()),
    )
    await ask('resume')
    const fresh = { unchanged: 0, tries: 0, error: null, waitingFor: null, dueAt: now() }
    expect(watch()).toMatchObject({ ...fresh, state: 'watching', rounds: 3, goal: 'green', head: commits[0] })
    const { rev } = watch()
    await ask('resume', 5)
    expect(watch().rev).toBe(rev)
    await ask('pause')
    await ask('resume', 5, 'merged')
    expect(watch()).toMatchObject({ rounds: 7, goal: 'merged' })
    await ask('stop')
    expect(watch().state).toBe('stopped')
    await expect(ask('pause')).rejects.toThrow(`the watch of task ${id} is over: stopped`)
    await ask('resume')
    await write(() => changeWatch(sql(), watch(), { state: 'merged' }, now()))
    await expect(ask('resume')).rejects.toThrow(`the watch of task ${id} is over: merged`)
  })

  it('who wants it watched anew says for how long and how often; else its task does, or the configuration', async () => {
    const again = (until: 'merged' | null, rounds: number | null, task = life.task(id)) =>
      write(() => watchNow(life.engine, task, { until, rounds }, now()))
    await again('merged', 5)
    expect(watch()).toMatchObject({ state: 'watching', goal: 'merged', rounds: 5, url: URL_OF, head: commits[0] })
    await again(null, null)
    expect(watch()).toMatchObject({ goal: 'green', rounds: 2 })
    const task = life.task(id)
    await again(null, null, { ...task, spec: { ...task.spec, push: null } })
    expect(watch()).toMatchObject({ goal: 'green', rounds: life.engine.config.pr.rounds })
  })

  it('whose task has no pull request, or no watch, is told what to do', async () => {
    const other = await life.submit()
    const refused = (hint: string) => expect.objectContaining({ hint })
    expect(() => watchNow(life.engine, life.task(other), { until: null, rounds: null }, 0)).toThrow(
      refused(`tdf push ${other} --pr`),
    )
    expect(() => changeNow(life.engine, life.task(other), 'stop', { until: null, rounds: null }, 0)).toThrow(
      refused(`tdf pr watch ${other}`),
    )
    expect(whyWatch(life.engine, life.task(other))).toBeUndefined()
  })
})

describe('the daemon', () => {
  it('that stops amid a look writes nothing of it', async () => {
    life.engine.config.pr.command = ['sleep', '600']
    const before = watch()
    const looking = look()
    await watcher.stop()
    await looking
    expect(watch()).toEqual(before)
  })
})
