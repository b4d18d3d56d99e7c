/** A pull request that a person opened becomes a task: over a whole engine and real repositories, a program in place of the forge. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AdoptWish } from '../../../../../../daemon/results/push/watch/adopt.ts'
import { changeNow } from '../../../../../../daemon/results/push/watch/request.ts'
import { createWatcher, type Watcher } from '../../../../../../daemon/results/push/watch/watcher.ts'
import { resultRefOf } from '../../../../../../src/core/task.ts'
import { readEvents } from '../../../../../../src/store/tables/journal.ts'
import { readPush, readWatch } from '../../../../../../src/store/tables/pushes.ts'
import { aConfig, aSpec } from '../../../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../../../support/daemon/sim-daemon.ts'
import { gitIn, type ResultsScene, resultsScene } from '../../node.ts'

const URL_OF = 'https://github.com/acme/web/pull/7'
const { signal } = new AbortController()

let out: Outside
let life: Life
let scene: ResultsScene
let watcher: Watcher
let remote: string
/** What the person has on the branch. */
let theirs: string

beforeEach(async () => {
  scene = resultsScene()
  const bare = path.join(scene.root, 'remote.git')
  gitIn(scene.root, 'init', '-q', '--bare', '-b', 'main', bare)
  remote = `file://${bare}`
  theirs = scene.commit({ 'b.txt': 'b\n' })
  const next = scene.commit({ 'c.txt': 'c\n' })
  gitIn(scene.node, 'push', '-q', bare, `${next}:refs/heads/main`, `${theirs}:refs/heads/topic`)
  const command = ['sh', '-c', `env | grep -E '^(TDF_|GH_TOKEN)' | sort > ${file('asked')}; cat ${file('view')}`]
  const push = { tokens: { 'github.com': 'CODE' } }
  out = outside({ config: aConfig({ pr: { command, rounds: 4 }, push }) })
  life = await live(out)
  life.engine.secrets = names => Object.fromEntries(names.map(name => [name, `secret of ${name}`]))
  watcher = createWatcher(life.engine, scene.results)
  shows()
})
afterEach(async () => {
  await watcher.stop()
  life.kill()
  out.remove()
})

const file = (name: string) => path.join(scene.root, name)
const sql = () => life.engine.store.sql

function shows(change: object = {}): void {
  const view = { state: 'open', head: theirs, base: 'main', title: 'Mend it', branch: 'topic', remote }
  writeFileSync(file('view'), JSON.stringify({ ...view, ...change }))
}
const adopt = (change: Partial<AdoptWish> = {}) => {
  const specOf: AdoptWish['specOf'] = (_, { title, remote: url }) =>
    aSpec({ title, repo: { kind: 'git', url, ref: null, baseCommit: null } })
  return watcher.adopt(
    scene.results,
    { url: URL_OF, remote: null, until: null, rounds: null, specOf, ...change },
    signal,
  )
}
const told = () =>
  readEvents(sql(), { after: 0, limit: 1_000 })
    .filter(({ type }) => type.startsWith('task.'))
    .map(({ type, data }) => ({ type, ...data }))

describe('a pull request that tdf did not open', () => {
  it('is a task that is over, whose result is its branch', async () => {
    const id = await adopt()
    const { spec, status, step, attempt, verdict, result, facts, waitingFor, deadlineAt } = life.task(id)
    expect({ status, step, attempt, verdict, waitingFor, deadlineAt }).toEqual({
      ...{ status: 'completed', step: null, attempt: 1, verdict: 'unverified', waitingFor: null, deadlineAt: null },
    })
    expect(spec).toMatchObject({ title: 'Mend it', outputBranch: 'topic', repo: { url: remote } })
    expect(result).toMatchObject({ branch: 'topic', commit: theirs, ahead: 1, filesChanged: 1, insertions: 1 })
    const nothing = { salvaged: false, saved: [], leftOut: [] }
    expect(facts.salvage).toEqual({ commit: theirs, baseCommit: scene.base, ahead: 1, ...nothing })
    const { dir } = await scene.results.open(remote, 40)
    expect(gitIn(dir, 'rev-parse', resultRefOf(id, 1))).toBe(theirs)
    expect(told()).toContainEqual({ type: 'task.status', from: null, to: 'completed', reason: 'adopted' })
  })

  it('is watched from then on, and its branch is known to be where tdf goes on from', async () => {
    const id = await adopt()
    const pushed = { state: 'pushed', remote, branch: 'topic', commitId: theirs, pushedCommit: theirs, prUrl: URL_OF }
    expect(readPush(sql(), id)).toMatchObject({ ...pushed, wantsPr: true, attempt: 1 })
    expect(readWatch(sql(), id)).toMatchObject({
      ...{ state: 'watching', url: URL_OF, head: theirs, goal: 'green' },
      rounds: 4,
    })
    expect(told()).toContainEqual(expect.objectContaining({ type: 'task.pr', url: URL_OF, state: 'watching' }))
    expect(readFileSync(file('asked'), 'utf8').split('\n')).toEqual([
      ...['GH_TOKEN=secret of CODE', 'TDF_BRANCH=', `TDF_PR_URL=${URL_OF}`, 'TDF_REMOTE=', 'TDF_TASK_ID=', ''],
    ])
  })

  it('is watched for as long and as often as is asked, where that is asked', async () => {
    const id = await adopt({ until: 'merged', rounds: 2 })
    expect(readWatch(sql(), id)).toMatchObject({ goal: 'merged', rounds: 2 })
  })

  it('without a title has its address, and may be somewhere else than its forge says', async () => {
    shows({ title: null, remote: 'https://elsewhere.test/web' })
    const id = await adopt({ remote })
    expect(life.task(id).spec).toMatchObject({ title: `pull request ${URL_OF}`, repo: { url: remote } })
    expect(readFileSync(file('asked'), 'utf8')).toContain(`TDF_REMOTE=${remote}\n`)
  })

  it.each<[string, () => object]>([
    ['that names no branch to go into', () => ({ base: null })],
    ['with nothing in common with the branch that it goes into', () => ({ base: alone() })],
  ])('%s begins from its own commit', async (_, change) => {
    shows(change())
    const { facts, result } = life.task(await adopt())
    expect([facts.salvage?.baseCommit, facts.salvage?.ahead, result?.filesChanged]).toEqual([theirs, 0, 0])
  })

  it('that is known already is watched as it is, and its forge is not asked', async () => {
    const id = await adopt()
    rmSync(file('view'))
    const before = readWatch(sql(), id)
    expect(await adopt({ until: 'merged', rounds: 9 })).toBe(id)
    expect(readWatch(sql(), id)).toEqual(before)
    const stop = () => changeNow(life.engine, life.task(id), 'stop', { until: null, rounds: null }, 0)
    await life.engine.store.commit(stop)
    expect(await adopt({ until: 'merged', rounds: 9 })).toBe(id)
    expect(readWatch(sql(), id)).toMatchObject({ state: 'watching', goal: 'merged', rounds: 9, head: theirs })
    await life.engine.store.commit(stop)
    expect(await adopt()).toBe(id)
    expect(readWatch(sql(), id)).toMatchObject({ state: 'watching', goal: 'green', rounds: 4 })
  })

  it('that is adopted twice at once is one task', async () => {
    const [one, other] = await Promise.all([adopt(), adopt()])
    expect(other).toBe(one)
    expect(told().filter(({ type }) => type === 'task.status')).toHaveLength(1)
  })
})

/** A branch that has no commit of any other. */
function alone(): string {
  const commit = gitIn(scene.node, 'commit-tree', '-m', 'alone', `${theirs}^{tree}`)
  gitIn(scene.node, 'push', '-q', remote, `${commit}:refs/heads/alone`)
  return 'alone'
}

describe('nothing is stored', () => {
  it.each<[string, object, Partial<AdoptWish>, object]>([
    ['is closed', { state: 'closed' }, {}, { message: `${URL_OF} is closed`, hint: 'tdf pr ls' }],
    ['is in a fork', { fork: true }, {}, { message: expect.stringContaining('in a fork'), hint: 'tdf submit --help' }],
    [
      'has no branch',
      { branch: null },
      {},
      { message: expect.stringContaining('nothing says'), hint: 'tdf pr adopt --help' },
    ],
    [
      'is nowhere',
      { remote: null },
      {},
      { message: expect.stringContaining('nothing says'), hint: 'tdf pr adopt --help' },
    ],
    ['has a branch of a bad name', { branch: '../x' }, {}, { message: expect.stringContaining('nothing says') }],
  ])('of one that %s', async (_, change, wish, refusal) => {
    shows(change)
    await expect(adopt(wish)).rejects.toMatchObject({ code: 'WRONG_STATE', ...refusal })
    expect(told()).toEqual([])
  })

  it('of one whose repository nobody can push to', async () => {
    await expect(adopt({ remote: '/srv/web' })).rejects.toMatchObject({ code: 'PUSH_NOWHERE' })
    shows({ branch: 'gone' })
    await expect(adopt()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(told()).toEqual([])
  })

  it('of one that the forge says nothing of, and its user may ask again', async () => {
    rmSync(file('view'))
    const refusal = { code: 'FORGE_UNAVAILABLE', hint: `tdf pr adopt ${URL_OF}`, message: expect.stringMatching(/./) }
    await expect(adopt()).rejects.toMatchObject(refusal)
    expect(told()).toEqual([])
  })
})
