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
import type { SourceConfig } from '../../../../src/config/schema/schema.ts'
import { readSource } from '../../../../src/store/intake/issues.ts'
import { listTasks } from '../../../../src/store/tables/attempts.ts'
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

it('another project under the same name begins anew', async () => {
  await begin([aSource()])
  model.issues.open({ number: 401 })
  model.issues.label(401, 'tdf', 'alice')
  await pass(MINUTE_MS)
  Object.assign(out.config.sources[0] as SourceConfig, { label: 'other' })
  await pass(2 * MINUTE_MS)
  expect([issueOf('401'), tasks().length]).toEqual([undefined, 1])
})
