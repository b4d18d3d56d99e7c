/** Sources over a whole engine with a simulated clock and a model of GitHub: what is asked, what becomes of it, and kills in between. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createPoller, type Poller } from '../../../../daemon/api/issues/poller.ts'
import { checkSource, sourceDetails } from '../../../../daemon/api/issues/show.ts'
import { httpCall } from '../../../../daemon/api/issues/trackers/calls.ts'
import { createAllowance } from '../../../../daemon/results/push/watch/gh.ts'
import type { SweepParts } from '../../../../daemon/sweeps/run.ts'
import type { SourceConfig } from '../../../../src/config/schema/config.ts'
import { readSource } from '../../../../src/store/intake/issues.ts'
import { listTasks } from '../../../../src/store/tables/attempts.ts'
import { deleteTask } from '../../../../src/store/tables/tasks.ts'
import { type TrackerModel, trackerModel } from '../../../fakes/programs/forge/trackers.ts'
import { aConfig, aSource } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const MINUTE_MS = 60_000
const TICK_MS = 10_000

let model: TrackerModel
let out: Outside
let life: Life
let poller: Poller
let templates: string

beforeEach(() => {
  model = trackerModel('github')
  templates = mkdtempSync(path.join(tmpdir(), 'tdf-templates-'))
  template('fix', '{"commits":1}')
})
afterEach(async () => {
  await poller.stop()
  life.kill()
  out.remove()
  rmSync(templates, { recursive: true })
})

function template(name: string, script: string, more = ''): void {
  mkdirSync(templates, { recursive: true })
  const head = `---\nrepo: https://example.org/repo.git\ncommand: ["fake", ${JSON.stringify(script)}]\n${more}---\n`
  writeFileSync(path.join(templates, `${name}.md`), `${head}{{issue.title}}{{issue.body}}`)
}

async function begin(sources: SourceConfig[]): Promise<void> {
  out = outside({ config: { ...aConfig(), sources } })
  await wake()
}

async function wake(): Promise<void> {
  life = await live(out)
  const call = httpCall(model.fetch, 'https://api.github.com', {})
  poller = createPoller(life.engine, { allowance: createAllowance(), templates: () => templates, call })
}

/** The power goes, and comes back. */
async function again(): Promise<void> {
  life.kill()
  await poller.stop()
  await wake()
}

const state = (name: string) => readSource(life.engine.store.sql, name)
const isDue = ({ name }: SourceConfig) => (state(name)?.dueAt ?? 0) <= life.world.clock.now()

/** Every source that is due is looked at once. */
async function look(): Promise<void> {
  const asked = new AbortController().signal
  for (let due = out.config.sources.filter(isDue); due.length > 0; due = due.filter(isDue)) {
    await poller.sweep.run(life.engine, {} as SweepParts, asked)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** As the sweeps do it; tasks go on meanwhile. */
async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += TICK_MS) {
    await look()
    await life.world.clock.advance(TICK_MS)
  }
}

const tasks = () => listTasks(life.engine.store.sql, { statuses: [], labels: [], limit: 1_000 }).tasks
const issueOf = (id: string) =>
  sourceDetails(life.engine, out.config.sources[0] as SourceConfig).issues.find(one => one.id === id)
const counted = () => model.requests.filter(({ status }) => status !== 304).length

it('an hour of ten sources stays in the budget of the forge, and makes each task once', async () => {
  const sources = Array.from({ length: 10 }, (_, index) => aSource({ name: `s${index}`, label: `tdf${index}` }))
  await begin(sources)
  for (let number = 401; number <= 440; number++) model.issues.open({ number })
  for (let minute = 0; minute < 60; minute++) {
    if (minute < 40) model.issues.label(401 + minute, `tdf${minute % 10}`, 'alice')
    await pass(MINUTE_MS)
  }
  const made = tasks()
    .map(({ spec }) => spec.source?.issue)
    .sort()
  expect(made).toEqual(Array.from({ length: 40 }, (_, index) => String(401 + index)))
  const lists = model.requests.filter(({ at }) => at.includes('issues?'))
  expect([lists.length >= 500, lists.length <= 620]).toEqual([true, true])
  // A list that changed, and for each issue: who labelled it, whether they may write, what it says.
  expect(counted()).toBeLessThan(40 * 6 + 100)
})

it('the same page looked at a hundred times, and five kills in between, make one task', async () => {
  await begin([aSource({ poll: 1_000 })])
  model.issues.open({ number: 412 })
  model.issues.label(412, 'tdf', 'alice')
  for (let kill = 0; kill < 5; kill++) {
    // Whatever changes of it, it is the same act of labelling.
    model.issues.say(412, 'mallory', 'again')
    for (let times = 0; times < 20; times++) {
      await look()
      life.world.clock.jump(1_000)
    }
    await life.world.clock.advance(10 * MINUTE_MS)
    await again()
  }
  const lists = model.requests.filter(({ at }) => at.includes('issues?')).length
  expect([lists >= 100, tasks().length, tasks()[0]?.attempt]).toEqual([true, 1, 1])
})

it('so many go on at a time, the others wait for their turn, in the order in which they were labelled', async () => {
  template('fix', '{"commits":1,"ms":600000,"busy":true}')
  await begin([aSource({ atMost: 2 })])
  for (const number of [404, 403, 402, 401]) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', 'alice')
    await pass(MINUTE_MS)
  }
  expect(
    tasks()
      .map(({ spec }) => spec.source?.issue)
      .sort(),
  ).toEqual(['403', '404'])
  expect(issueOf('401')).toMatchObject({ state: 'waiting', why: expect.stringContaining('2 tasks of this source') })
  await pass(30 * MINUTE_MS)
  expect(
    tasks()
      .map(({ spec }) => spec.source?.issue)
      .sort(),
  ).toEqual(['401', '402', '403', '404'])
})

it('a tracker that is down for two hours is asked ever more seldom, and no issue of that time is skipped', async () => {
  await begin([aSource()])
  await pass(MINUTE_MS)
  const before = model.requests.length
  model.faults.push({ at: /./, kind: 'error', times: Number.MAX_SAFE_INTEGER })
  for (const number of [401, 402]) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', 'alice')
  }
  await pass(120 * MINUTE_MS)
  const asked = model.requests.length - before
  expect([asked > 5, asked < 20, tasks().length]).toEqual([true, true, 0])
  expect(state('web')).toMatchObject({ error: expect.stringContaining('502'), cache: expect.anything() })
  model.faults.length = 0
  await pass(20 * MINUTE_MS)
  expect(
    tasks()
      .map(({ spec }) => spec.source?.issue)
      .sort(),
  ).toEqual(['401', '402'])
  expect(state('web')).toMatchObject({ error: null, tries: 0 })
})

it('one that is closed while it runs goes on, or is cancelled where on_close says so', async () => {
  template('fix', '{"commits":1,"ms":3600000,"busy":true}')
  const sources = [aSource({ label: 'a' }), aSource({ name: 'strict', label: 'b', onClose: 'cancel' })]
  await begin(sources)
  for (const [number, label] of [
    [401, 'a'],
    [402, 'b'],
  ] as const) {
    model.issues.open({ number })
    model.issues.label(number, label, 'alice')
  }
  await pass(5 * MINUTE_MS)
  expect(tasks().map(({ step }) => step)).toEqual(['running', 'running'])
  for (const number of [401, 402]) model.issues.close(number)
  await pass(5 * MINUTE_MS)
  const statusOf = (issue: string) => tasks().find(({ spec }) => spec.source?.issue === issue)?.status
  expect([statusOf('401'), statusOf('402')]).toEqual(['in_progress', 'cancelled'])
  expect(issueOf('401')).toMatchObject({ state: 'gone', why: expect.stringContaining('goes on') })
})

it('whoever is named in from is heard, and who may write alone is not where members are not', async () => {
  await begin([aSource({ from: ['triage[bot]'] })])
  for (const [number, by] of [
    [401, 'alice'],
    [402, 'triage[bot]'],
  ] as const) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', by)
  }
  await pass(MINUTE_MS)
  expect(tasks().map(({ spec }) => spec.source?.issue)).toEqual(['402'])
  expect(issueOf('401')).toMatchObject({ state: 'ignored', why: expect.stringContaining('whom "from" does not name') })
})

it('issues that cannot be taken each for a reason of its own keep no other from its turn', async () => {
  template('fix', '{"commits":1}', 'title: "{{issue.title}} {{issue.title}}"\n')
  await begin([aSource()])
  for (const number of [401, 402, 403, 404, 405, 406]) {
    model.issues.open({ number, title: number < 406 ? 'long '.repeat(60) : 'short' })
    model.issues.label(number, 'tdf', 'alice')
    await pass(TICK_MS)
  }
  await pass(5 * MINUTE_MS)
  expect(tasks().map(({ spec }) => spec.source?.issue)).toEqual(['406'])
  for (const id of ['401', '405']) expect(issueOf(id)?.why).toMatch(/^cannot be taken: title/)
})

it('a tracker that does not answer is what is wrong, and is said so within the time that there is', async () => {
  const slow = aSource({ kind: 'command', command: ['sh', '-c', 'sleep 600'] })
  await begin([slow])
  const [found] = await checkSource(life.engine, slow, poller, AbortSignal.timeout(300))
  expect(found).toMatchObject({ state: 'fail', message: 'sh list: it did not end in the time that it had' })
})

/** The issues that the task of an issue comes after. */
function afterOf(id: string): (string | undefined)[] {
  const all = tasks()
  const task = all.find(one => one.id === issueOf(id)?.taskId)
  return (task?.spec.after?.ids ?? []).map(before => all.find(one => one.id === before)?.spec.source?.issue)
}

it('what blocks an issue becomes a task before it, and its task comes after that one', async () => {
  await begin([aSource({ atMost: 10 })])
  for (const number of [401, 402, 403, 404, 405, 406]) model.issues.open({ number })
  for (const by of [402, 405, 406]) model.issues.block(401, by)
  model.issues.block(402, 403)
  model.issues.block(401, 404, 'acme/other')
  model.issues.close(405)
  // Nobody has labelled 406.
  for (const number of [401, 402, 403, 404]) model.issues.label(number, 'tdf', 'alice')
  await look()
  const made = tasks().reverse()
  expect(made.map(({ spec }) => spec.source?.issue)).toEqual(['403', '402', '401', '404'])
  expect(['401', '402', '403', '404'].map(afterOf)).toEqual([['402'], ['403'], [], []])
  expect(made.find(({ spec }) => spec.source?.issue === '401')?.spec.after).toMatchObject({
    from: [],
    if: 'ok',
    onFailed: 'hold',
  })
  await pass(30 * MINUTE_MS)
  expect(tasks().map(({ status }) => status)).toEqual(['completed', 'completed', 'completed', 'completed'])
  const asked = model.requests.filter(({ at }) => at.includes('/dependencies/'))
  expect(asked.length).toBe(4)
})

it('where one goes on at a time, what blocks it is that one; issues that block each other become tasks all the same', async () => {
  await begin([aSource({ atMost: 1 })])
  for (const number of [401, 402, 403]) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', 'alice')
  }
  for (const [number, by] of [
    [401, 402],
    [402, 403],
    [403, 401],
    [403, 403],
  ] as const)
    model.issues.block(number, by)
  await look()
  expect(tasks().map(({ spec }) => spec.source?.issue)).toEqual(['403'])
  await pass(60 * MINUTE_MS)
  expect(tasks().map(({ spec, status }) => [spec.source?.issue, status])).toEqual(
    expect.arrayContaining(['401', '402', '403'].map(issue => [issue, 'completed'])),
  )
  expect(['401', '402', '403'].map(afterOf)).toEqual([['402'], ['403'], []])
})

it('one whose blocker has failed is held, and one that is labelled again waits for none that waits for what it was', async () => {
  template('fix', '{"exitCode":1}')
  await begin([aSource()])
  for (const number of [401, 402]) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', 'alice')
  }
  model.issues.block(401, 402)
  for (const by of [401, 402]) model.issues.block(402, by)
  await pass(30 * MINUTE_MS)
  const statusOf = (id: string) => tasks().find(one => one.id === issueOf(id)?.taskId)?.status
  expect([statusOf('402'), statusOf('401'), afterOf('401')]).toEqual(['failed', 'queued', ['402']])
  template('fix', '{"commits":1}')
  model.issues.unlabel(402, 'tdf', 'alice')
  await pass(5 * MINUTE_MS)
  model.issues.label(402, 'tdf', 'alice')
  await pass(30 * MINUTE_MS)
  expect([statusOf('402'), afterOf('402'), tasks().length]).toEqual(['completed', [], 3])
})

it('a blocker whose task was cancelled with its issue, or removed, holds nothing', async () => {
  template('fix', '{"commits":1,"ms":600000,"busy":true}')
  await begin([aSource({ atMost: 5 })])
  for (const number of [401, 402, 403]) model.issues.open({ number })
  for (const by of [402, 403]) model.issues.block(401, by)
  for (const number of [402, 403]) model.issues.label(number, 'tdf', 'alice')
  await look()
  model.issues.unlabel(402, 'tdf', 'alice')
  life.world.clock.jump(MINUTE_MS)
  await look()
  expect(issueOf('402')).toMatchObject({ state: 'gone', why: expect.stringContaining('was cancelled') })
  await pass(30 * MINUTE_MS)
  const former = issueOf('403')?.taskId ?? ''
  await life.engine.store.commit(() => deleteTask(life.engine.store.sql, former))
  model.issues.label(401, 'tdf', 'alice')
  await pass(2 * MINUTE_MS)
  expect([issueOf('401')?.state, afterOf('401')]).toEqual(['taken', []])
})

it('of more issues than one look asks about, one waits for the look that sees what blocks it', async () => {
  await begin([aSource({ atMost: 100 })])
  for (let number = 401; number <= 460; number++) {
    model.issues.open({ number })
    model.issues.label(number, 'tdf', 'alice')
  }
  model.issues.block(401, 460)
  await look()
  expect([tasks().length, issueOf('401')?.state, issueOf('460')]).toEqual([49, 'waiting', undefined])
  life.world.clock.jump(1_000)
  await look()
  expect([tasks().length, afterOf('401')]).toEqual([60, ['460']])
})

it('a chain of issues that is too long is looked at so far, and one of them becomes a task', async () => {
  await begin([aSource({ atMost: 1, poll: 1_000 })])
  for (let number = 401; number <= 480; number++) {
    model.issues.open({ number })
    model.issues.block(number, number + 1)
  }
  model.faults.push({ at: /comments|\/issues\/\d+$/, kind: 'error', times: 1 })
  for (let number = 401; number <= 480; number++) model.issues.label(number, 'tdf', 'alice')
  // The first look fails at the one that it would take; the second sees those that were too many for it.
  await look()
  life.world.clock.jump(MINUTE_MS)
  await look()
  const before = model.requests.length
  expect(tasks().length).toBe(1)
  life.world.clock.jump(MINUTE_MS)
  await look()
  expect(model.requests.slice(before).filter(({ at }) => at.includes('/dependencies/'))).toEqual([])
  const asked = model.requests.filter(({ at }) => at.includes('/dependencies/')).length
  expect([asked > 50, asked <= 100, tasks().length]).toEqual([true, true, 1])
})

it('another project under the same name begins anew', async () => {
  await begin([aSource()])
  model.issues.open({ number: 401 })
  model.issues.label(401, 'tdf', 'alice')
  await pass(MINUTE_MS)
  Object.assign(out.config.sources[0] as SourceConfig, { label: 'other' })
  await pass(2 * MINUTE_MS)
  expect([issueOf('401'), tasks().length]).toEqual([undefined, 1])
})
