/** Landings over a whole engine and real repositories: what becomes of a result whose branch goes on meanwhile. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createLanes, type Lanes, mergeAnew, settle } from '../../../../daemon/results/landing/lanes.ts'
import { landingJson, whyLanding } from '../../../../daemon/results/landing/standing.ts'
import { servers } from '../../../../daemon/results/push/servers.ts'
import { resultRefOf, type TaskSpec } from '../../../../src/core/task.ts'
import { readEvents } from '../../../../src/store/tables/journal.ts'
import {
  askForLanding,
  changeLanding,
  type Landing,
  openLandings,
  readLanding,
} from '../../../../src/store/tables/landings.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../../../unit/daemon/results/node.ts'

const ONTO = 'refs/heads/main'
const FOLDER = '/home/you/project'
const STEP_MS_MAX = 60_000

let out: Outside
let life: Life
let scene: ResultsScene
let lanes: Lanes
let remote: string
/** Of the results' repository. */
let home: string
/** By the title of its task, with the number of an attempt after the first, the commit of a result; else it changed nothing. */
let commits: Map<string, string>

beforeEach(async () => {
  out = outside()
  scene = resultsScene()
  remote = path.join(scene.root, 'remote.git')
  gitIn(scene.root, 'init', '-q', '--bare', '-b', 'main', remote)
  gitIn(scene.node, 'push', '-q', remote, 'main')
  home = (await scene.results.of(scene.task)).dir
  commits = new Map()
  const described = out.results.describe
  out.results.describe = async (task, saved) => {
    const title = task.attempt === 1 ? task.spec.title : `${task.spec.title} ${task.attempt}`
    return { ...(await described(task, saved)), commit: commits.get(title) ?? task.facts.resume?.commit ?? scene.base }
  }
  out.sources.tip = async () => {
    gitIn(home, 'fetch', '-q', remote, `+${ONTO}:refs/seen`)
    return { commit: main(), ref: ONTO }
  }
  life = await live(out)
  lanes = createLanes(life.engine, scene.results)
})
afterEach(async () => {
  await lanes.stop()
  life.kill()
  out.remove()
})

const main = () => gitIn(remote, 'rev-parse', 'main')
const now = () => life.world.clock.now()

/** A task that is over, whose result changes these files. */
async function made(title: string, files: Record<string, string>, spec: Partial<TaskSpec> = {}): Promise<string> {
  const commit = scene.commit(files)
  commits.set(title, commit)
  const id = await life.submit({ title, author: { name: 'You', email: 'you@x' }, ...spec })
  await life.world.run(() => life.task(id).step === null)
  gitIn(scene.node, 'push', '-q', home, `${commit}:${resultRefOf(id, 1)}`)
  return id
}

const ask = (taskId: string, change: Partial<Landing> = {}) =>
  life.engine.store.commit(() => {
    const about = {
      source: `file://${remote}`,
      onto: ONTO,
      squash: false,
      resolve: false,
      checkCommand: null,
      tip: null,
    }
    askForLanding(life.engine.store.sql, { taskId, attempt: 1, ...about, ...change }, now())
  })
const landing = (id: string): Landing => {
  const found = readLanding(life.engine.store.sql, id)
  if (!found) throw new Error(`nobody asked for ${id}`)
  return found
}
const edit = (id: string, change: Parameters<typeof changeLanding>[2]) =>
  life.engine.store.commit(() => changeLanding(life.engine.store.sql, landing(id), change, now()))

/** Lets the first of each lane do one thing; until it is stored. */
async function step(id: string): Promise<Landing> {
  const before = JSON.stringify(landing(id))
  await lanes.sweep.run(life.engine, {} as never, new AbortController().signal)
  await vi.waitUntil(() => JSON.stringify(landing(id)) !== before, { timeout: STEP_MS_MAX, interval: 5 })
  return landing(id)
}
const json = (id: string) => landingJson(life.engine.store.sql, { id, attempt: 1 })
const why = (id: string) => whyLanding(life.engine.store.sql, life.task(id))
const told = (id: string) =>
  readEvents(life.engine.store.sql, { after: 0, limit: 1_000 })
    .filter(({ type, taskId }) => type === 'task.landing' && taskId === id)
    .map(({ data }) => data)
const shown = (commit: string | null, format: string) => gitIn(home, 'show', '-s', `--format=${format}`, commit ?? '')

/** Somebody else puts a commit on the branch. */
function moves(files: Record<string, string>): string {
  const commit = scene.commit(files, main())
  gitIn(scene.node, 'push', '-q', remote, `${commit}:${ONTO}`)
  return commit
}

describe('a result', () => {
  it('lands as it is on a branch that has not moved', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id)
    expect(json(id)).toMatchObject({ state: 'waiting', place: 1, error: null })
    expect(await step(id)).toMatchObject({ state: 'ready', tip: scene.base, merged: commits.get('one') })
    expect(main()).toBe(scene.base)
    expect(await step(id)).toMatchObject({ state: 'landed', tries: 0, why: null })
    expect(main()).toBe(commits.get('one'))
    expect(told(id)).toEqual([{ state: 'landed', onto: ONTO, commit: main(), why: null }])
    expect([json(id)?.place, why(id)]).toEqual([null, undefined])
    // It is over: nothing more is due.
    expect(openLandings(life.engine.store.sql)).toEqual([])
  })

  it('lands as a merge of both where the branch has moved, by the author of the task at its end', async () => {
    const id = await made('one \n line', { 'b.txt': 'b\n' })
    const tip = moves({ 'c.txt': 'c\n' })
    await ask(id)
    const { merged } = await step(id)
    expect(shown(merged, '%P')).toBe(`${tip} ${commits.get('one \n line')}`)
    expect(shown(merged, '%B')).toBe(`Merge task ${id}: one line`)
    const at = Math.floor((life.task(id).completedAt ?? 0) / 1000)
    expect(shown(merged, '%an %ae %at %cn %ce %ct')).toBe(`You you@x ${at} You you@x ${at}`)
    expect(gitIn(home, 'ls-tree', '--name-only', merged ?? '').split('\n')).toEqual(['a.txt', 'b.txt', 'c.txt'])
    expect(gitIn(home, 'rev-parse', `${resultRefOf(id, 1)}-landing`)).toBe(merged)
    expect((await step(id)).state).toBe('landed')
    expect(main()).toBe(merged)
  })

  it('is one commit upon the branch where that was asked, moved or not', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id, { squash: true })
    const { merged } = await step(id)
    expect(merged).not.toBe(commits.get('one'))
    expect([shown(merged, '%P'), shown(merged, '%B')]).toEqual([scene.base, `one\n\nTask ${id} of tdf.`])
  })

  it('that is there already has landed, by its commit or by what it says', async () => {
    const [one, two] = [await made('one', { 'b.txt': 'b\n' }), await made('two', { 'c.txt': 'c\n' })]
    gitIn(scene.node, 'push', '-q', remote, `${commits.get('one')}:${ONTO}`)
    await ask(one)
    expect(await step(one)).toMatchObject({ state: 'landed', tip: main(), merged: main() })
    moves({ 'c.txt': 'c\n' })
    await ask(two)
    expect(await step(two)).toMatchObject({ state: 'landed', merged: main() })
  })

  it('in conflict leaves its lane and says in which files, and the next one goes on', async () => {
    const [one, two] = [await made('one', { 'a.txt': 'one\n!\n' }), await made('two', { 'c.txt': 'c\n' })]
    moves({ 'a.txt': 'other\n' })
    await ask(one)
    await ask(two)
    expect([json(one)?.place, json(two)?.place]).toEqual([1, 2])
    expect(why(two)).toMatchObject({ command: `tdf show ${one}`, sentence: expect.stringContaining(`; ${one} is`) })
    const left = await step(one)
    expect(left).toMatchObject({ state: 'left', code: 'CONFLICT', why: 'it conflicts in a.txt' })
    expect(json(one)).toMatchObject({ place: null, error: { code: 'CONFLICT', message: 'it conflicts in a.txt' } })
    expect(told(one)).toEqual([{ state: 'left', onto: ONTO, commit: null, why: left.why }])
    expect(why(one)).toEqual({
      sentence: 'it was not landed on main: it conflicts in a.txt',
      command: `tdf land ${one} --resolve`,
    })
    expect(landing(two).state).toBe('waiting')
    expect((await step(two)).state).toBe('ready')
  })

  it('of which nothing is there leaves its lane', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id, { attempt: 2 })
    expect(await step(id)).toMatchObject({ state: 'left', code: 'NO_RESULT' })
    expect(landingJson(life.engine.store.sql, { id, attempt: 1 })).toBeNull()
  })
})

describe('a result that is checked before its branch moves', () => {
  it('is checked as it would be there, by a task of its own, and lands when that is completed', async () => {
    const id = await made('one', { 'b.txt': 'b\n' }, { labels: { team: 'web' }, maxCostUsd: 3, prompt: 'do it' })
    const tip = moves({ 'c.txt': 'c\n' })
    await ask(id, { checkCommand: 'make test' })
    const { state, merged, checkTask } = await step(id)
    expect([state, checkTask]).toEqual(['checking', expect.any(String)])
    const check = life.task(checkTask ?? '')
    expect(check.spec).toMatchObject({
      ...{ title: `check of ${id} on main: one`, check: 'make test', outputBranch: `tdf/${checkTask}-check` },
      ...{ prompt: '', maxCostUsd: null, push: null, interactive: false, labels: { team: 'web', landing: id } },
      agent: { name: 'command', type: 'command', command: ['true'] },
    })
    expect(check.facts.resume).toMatchObject({ commit: merged, baseCommit: tip, salvaged: false, resumeRef: null })
    expect(why(id)?.command).toBe(`tdf show ${checkTask}`)
    // Nothing moves meanwhile.
    await lanes.sweep.run(life.engine, {} as never, new AbortController().signal)
    await life.world.run(() => life.task(checkTask ?? '').step === 'running')
    expect([landing(id).state, main()]).toEqual(['checking', tip])
    await life.world.run(() => life.task(checkTask ?? '').step === null)
    expect((await step(id)).state).toBe('ready')
    expect((await step(id)).state).toBe('landed')
    expect(main()).toBe(merged)
  })

  it('is checked by a task that is in no race, of no schedule and issue, after none, and without what its agent may', async () => {
    const first = await made('first', { 'b.txt': 'b\n' })
    const own: Partial<TaskSpec> = {
      ...{ race: { pick: 'false', first: false }, schedule: 'nightly', parent: first, firstPrompt: 'do it' },
      ...{ maySpawn: { count: 1, depth: 1 }, maxCostUsd: 3, atLimit: 'ask', artifacts: ['*.xml'] },
      after: { ids: [first], from: [], if: 'ok', onFailed: 'hold' },
      source: { name: 'gh', issue: '1', title: 't', url: null, fixes: '#1' },
    }
    const id = await made('one', { 'c.txt': 'c\n' }, own)
    await ask(id, { checkCommand: 'make test' })
    const { checkTask } = await step(id)
    const check = () => life.task(checkTask ?? '')
    const { artifacts, ...others } = own
    const left = Object.keys(others).filter(name => check().spec[name as keyof TaskSpec] != null)
    expect(left).toEqual([])
    expect(check().spec.artifacts).toEqual(artifacts)
    await life.world.run(() => check().step === null)
    expect([check().verdict, check().facts.pick]).toEqual(['verified', undefined])
  })

  it('is checked as it would be there again, after a machine lost it and after its user asked for that', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    const tip = moves({ 'c.txt': 'c\n' })
    await ask(id, { checkCommand: 'make test' })
    const { merged, checkTask } = await step(id)
    const check = () => life.task(checkTask ?? '')
    const base = { commit: merged, baseCommit: tip }
    Object.assign(life.engine.config.runner, { maxAttempts: 2 })
    await life.world.run(() => check().step === 'running')
    for (const agent of out.agents.values()) agent.wipe()
    await life.world.run(() => check().attempt === 2 && check().step === null)
    expect([check().facts.resume, check().verdict]).toEqual([expect.objectContaining(base), 'verified'])
    await life.engine.start(check().id, 3)
    await life.world.run(() => check().attempt === 3 && check().step === null)
    expect([check().facts.resume, check().verdict]).toEqual([expect.objectContaining(base), 'verified'])
    expect((await step(id)).state).toBe('ready')
    expect((await step(id)).state).toBe('landed')
    expect(main()).toBe(merged)
  })

  it('does not land by a check of another tree', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id, { checkCommand: 'make test' })
    const { checkTask } = await step(id)
    await edit(id, { merged: moves({ 'c.txt': 'c\n' }) })
    await life.world.run(() => life.task(checkTask ?? '').step === null)
    expect(life.task(checkTask ?? '').verdict).toBe('verified')
    expect(await step(id)).toMatchObject({
      state: 'left',
      code: 'CHECK_FAILED',
      why: expect.stringContaining('another'),
    })
  })

  it('leaves its lane when that fails, and when that is gone', async () => {
    const [one, two] = [await made('one', { 'b.txt': 'b\n' }), await made('two', { 'c.txt': 'c\n' })]
    await ask(one, { checkCommand: 'false' })
    const { checkTask } = await step(one)
    await life.world.run(() => life.task(checkTask ?? '').step === null)
    expect(await step(one)).toMatchObject({
      ...{ state: 'left', code: 'CHECK_FAILED' },
      why: expect.stringMatching(
        new RegExp(`^with what is on the branch by now: .*\\(tdf logs ${checkTask} --failed\\)$`),
      ),
    })
    await ask(two)
    await edit(two, { state: 'checking', checkTask: 'gone' })
    expect(await step(two)).toMatchObject({ state: 'left', code: 'CHECK_FAILED', why: expect.stringContaining('gone') })
    expect(main()).toBe(scene.base)
  })
})

describe('a conflict that its agent is to resolve', () => {
  /** A result in conflict, and where its branch is. */
  async function asked(): Promise<{ id: string; tip: string }> {
    const id = await made('one', { 'a.txt': 'ours\n', 'b.txt': 'b\n' })
    const tip = moves({ 'a.txt': 'theirs\n' })
    await ask(id, { resolve: true })
    return { id, tip }
  }
  /** What the second attempt leaves on top of what it began from. */
  async function resolved(id: string, files: Record<string, string>, attempt = 2): Promise<void> {
    const { commit = '' } = life.task(id).continued?.from ?? {}
    gitIn(scene.node, 'fetch', '-q', home, commit)
    const answer = scene.commit(files, commit)
    gitIn(scene.node, 'push', '-q', home, `${answer}:${resultRefOf(id, attempt)}`)
    commits.set(`one ${attempt}`, answer)
    await life.world.run(() => life.task(id).step === null)
  }
  const conflict = 'it conflicts in a.txt'

  it('goes on with the conversation from a merge of both, once, and lands what comes of it', async () => {
    const two = await made('two', { 'c.txt': 'c\n' })
    const { id, tip } = await asked()
    expect(await step(id)).toMatchObject({ state: 'resolving', tip, resolvedIn: 2, merged: null })
    const task = life.task(id)
    expect(task.continued?.from).toMatchObject({ ref: `${resultRefOf(id, 1)}-start`, baseCommit: tip })
    expect(shown(task.continued?.from.commit ?? '', '%P')).toBe(`${commits.get('one')} ${tip}`)
    expect(task.spec.interactive).toBe(false)
    expect(task.spec.prompt).toContain(
      'merged into main, which has changed since, and git could not merge these files:\n\n- a.txt\n',
    )
    // Nothing follows while the agent is at it, and others of the lane are not held up.
    await ask(two)
    expect((await step(two)).state).toBe('ready')
    expect(landing(id).state).toBe('resolving')
    await step(two)
    const { number } = landing(id)
    await resolved(id, { 'a.txt': 'both\n' })
    expect(await step(id)).toMatchObject({ state: 'waiting', resolvedIn: 2, number: number + 2 })
    const { merged } = await step(id)
    expect(gitIn(home, 'show', `${merged}:a.txt`)).toBe('both')
    expect((await step(id)).state).toBe('landed')
    expect(main()).toBe(merged)
  })

  it('is not asked about twice, and never where the task went on meanwhile', async () => {
    const { id } = await asked()
    await step(id)
    await resolved(id, { 'a.txt': 'both\n' })
    await step(id)
    moves({ 'a.txt': 'other\n' })
    const again = `${conflict} with what came since attempt 2 resolved its conflict`
    expect(await step(id)).toMatchObject({ state: 'left', code: 'CONFLICT', why: again })
    expect([life.task(id).attempt, why(id)?.command]).toEqual([2, `tdf land ${id}`])
    await ask(id, { resolve: true })
    const went = `${conflict}, and its agent is not asked to resolve that: it was continued or retried since attempt 1`
    expect(await step(id)).toMatchObject({ state: 'left', code: 'CONFLICT', why: went })
    expect(life.task(id).attempt).toBe(2)
  })

  it.each<[string, Record<string, string> | null]>([
    ['changed nothing', null],
    ['left the marks of it in a.txt', { 'c.txt': 'c\n' }],
  ])('leaves its lane where the agent %s', async (how, files) => {
    const { id } = await asked()
    await step(id)
    if (files) await resolved(id, files)
    else await life.world.run(() => life.task(id).step === null)
    const left = `${conflict}, and attempt 2, which was to resolve that, ${how}`
    expect(await step(id)).toMatchObject({ state: 'left', code: 'CONFLICT', why: left })
  })

  it('is asked of the attempt that follows where a machine lost the one that was to resolve it', async () => {
    Object.assign(life.engine.config.runner, { maxAttempts: 3 })
    const { id } = await asked()
    await step(id)
    await life.world.run(() => life.task(id).step === 'running')
    for (const agent of out.agents.values()) agent.wipe()
    await life.world.run(() => life.task(id).attempt === 3 && life.task(id, 2).step === null)
    expect(await step(id)).toMatchObject({ state: 'resolving', resolvedIn: 3 })
    await resolved(id, { 'a.txt': 'both\n' }, 3)
    expect(await step(id)).toMatchObject({ state: 'waiting', resolvedIn: 3 })
    const { merged } = await step(id)
    expect((await step(id)).state).toBe('landed')
    expect(gitIn(home, 'show', `${merged}:a.txt`)).toBe('both')
  })

  it('leaves its lane where that attempt is cancelled', async () => {
    const { id } = await asked()
    await step(id)
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    const left = `${conflict}, and attempt 2, which was to resolve that, `
    expect(await step(id)).toMatchObject({ state: 'left', code: 'CONFLICT', why: expect.stringContaining(left) })
  })
})

describe('a branch that moves', () => {
  it('between the merge and the push is merged and checked anew, five times', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id)
    expect((await step(id)).state).toBe('ready')
    moves({ 'c.txt': 'c\n' })
    expect(await step(id)).toMatchObject({ state: 'waiting', tip: null, merged: null, checkTask: null, tries: 1 })
    await edit(id, { tries: 5 })
    expect((await step(id)).state).toBe('ready')
    moves({ 'c.txt': 'last\n' })
    expect(await step(id)).toMatchObject({ state: 'left', code: 'MOVED', why: expect.stringContaining('6 times') })
  })

  it('of a folder is moved by the command of its user alone, and the rest of its lane goes onto that', async () => {
    const [one, two] = [await made('one', { 'b.txt': 'b\n' }), await made('two', { 'c.txt': 'c\n' })]
    const elsewhere = await made('three', { 'd.txt': 'd\n' })
    for (const id of [one, two]) await ask(id, { source: FOLDER, tip: scene.base })
    await ask(elsewhere, { source: FOLDER, onto: 'refs/heads/next', tip: scene.base })
    const { merged } = await step(one)
    await vi.waitUntil(() => landing(elsewhere).merged !== null, { timeout: STEP_MS_MAX, interval: 5 })
    expect(landing(elsewhere)).toMatchObject({ state: 'ready', tip: scene.base })
    await lanes.sweep.run(life.engine, {} as never, new AbortController().signal)
    expect(why(two)).toMatchObject({ command: `tdf land ${one}`, sentence: expect.stringContaining('can land') })
    expect(why(one)?.sentence).toContain('it is first in the lane')
    await settle(life.engine, landing(one))
    expect([landing(one).state, landing(two).tip]).toEqual(['landed', merged])
    expect(landing(elsewhere).tip).toBe(scene.base)
    expect(shown((await step(two)).merged, '%P')).toBe(`${merged} ${commits.get('two')}`)
    await mergeAnew(life.engine, landing(two), scene.base)
    expect(landing(two)).toMatchObject({ state: 'waiting', tip: scene.base, merged: null, tries: 1 })
  })

  it('of a folder, of which nobody said where it is, is not landed on', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id, { source: FOLDER })
    const left = { state: 'left', code: 'NO_RESULT' }
    expect(await step(id)).toMatchObject({ ...left, why: `nobody said where ${ONTO} is` })
    await ask(id)
    await edit(id, { state: 'ready' })
    expect(await step(id)).toMatchObject({ ...left, why: 'it was never merged' })
    expect(main()).toBe(scene.base)
  })
})

let begun: Promise<void>
let begin = () => {}
/** A call to a server of which nothing comes before the daemon ends. */
async function cutOff<Answer>(signal: AbortSignal, answer: Answer): Promise<Answer> {
  begin()
  await new Promise(resolve => signal.addEventListener('abort', resolve))
  return answer
}
const refusing = async () => ({ kind: 'refused' as const, why: 'no' })

describe('a server', () => {
  it('that takes no push of it is told of, with what else may be allowed', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    const hook = path.join(remote, 'hooks', 'pre-receive')
    writeFileSync(hook, '#!/bin/sh\necho only by review >&2\nexit 1\n')
    chmodSync(hook, 0o755)
    await ask(id)
    await step(id)
    const { state, code, why: words, tries } = await step(id)
    expect([state, code, tries]).toEqual(['left', 'PUSH_FAILED', 0])
    expect(words).toMatch(new RegExp(`only by review.*tdf push ${id} --pr$`, 's'))
    // It is asked for again, behind all others.
    const { number } = landing(id)
    await ask(id)
    expect(landing(id)).toMatchObject({ state: 'waiting', number: number + 1, code: null, why: null })
  })

  it('that is away is asked later and later, and is given up in the end', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id)
    await step(id)
    renameSync(remote, `${remote}.away`)
    const at = now()
    const first = await step(id)
    expect(first).toMatchObject({ state: 'ready', tries: 1, why: expect.stringContaining('remote.git') })
    expect(first.dueAt).toBeGreaterThan(at)
    await lanes.sweep.run(life.engine, {} as never, new AbortController().signal)
    expect(landing(id)).toEqual(first)
    await life.world.clock.advance(first.dueAt - now())
    const second = await step(id)
    expect(second.dueAt - now()).toBeGreaterThan(first.dueAt - at)
    await edit(id, { tries: 14, dueAt: now() })
    expect(await step(id)).toMatchObject({ state: 'ready', tries: 15 })
    await edit(id, { dueAt: now() })
    expect(await step(id)).toMatchObject({ state: 'left', code: 'PUSH_FAILED', why: second.why })
  })

  it.each<[string, (signal: AbortSignal) => Partial<typeof servers>]>([
    ['takes a push', signal => ({ pushBranch: () => cutOff(signal, { kind: 'failed', why: 'cut off' }) })],
    ['says no to it', signal => ({ pushBranch: refusing, remoteTip: () => cutOff(signal, null) })],
  ])('that %s while the daemon ends has the landing as it was', async (_, change) => {
    const id = await made('one', { 'b.txt': 'b\n' })
    await ask(id)
    const before = await step(id)
    begun = new Promise(resolve => {
      begin = resolve
    })
    const ends = new AbortController()
    life.engine.servers = { ...servers, ...change(ends.signal) }
    await lanes.sweep.run(life.engine, {} as never, new AbortController().signal)
    await begun
    const stopped = lanes.stop()
    ends.abort()
    await stopped
    expect(landing(id)).toEqual(before)
  })

  it('that cannot be asked where its branch is, is asked again', async () => {
    const id = await made('one', { 'b.txt': 'b\n' })
    const { tip } = out.sources
    out.sources.tip = async () => Promise.reject(new Error('it is away'))
    await ask(id)
    expect(await step(id)).toMatchObject({ state: 'waiting', tries: 1, why: expect.stringContaining('it is away') })
    out.sources.tip = tip
    await edit(id, { dueAt: now() })
    expect(await step(id)).toMatchObject({ state: 'ready', why: null })
  })
})
