/** What the daemon asks a tracker of issues, held against a model of each. GitHub by gh itself is in forge.test.ts. */
import { beforeEach, describe, expect, it } from 'vitest'
import { httpCall } from '../../daemon/api/issues/trackers/calls.ts'
import type { Asking, Tracker } from '../../daemon/api/issues/trackers/tracker.ts'
import { trackerOf } from '../../daemon/api/issues/trackers/trackers.ts'
import { type Allowance, type Cache, createAllowance } from '../../daemon/results/push/watch/gh.ts'
import type { SourceConfig } from '../../src/config/schema/config.ts'
import { MODELS, type TrackerModel, trackerModel } from '../fakes/programs/forge/trackers.ts'
import { aSource } from '../support/builders.ts'

const ENDPOINTS = { github: '', forgejo: 'http://git.test/api/v1', gitlab: 'http://gitlab.test/api/v4', linear: '' }
const KINDS = Object.keys(MODELS) as (keyof typeof MODELS)[]

describe.each(KINDS)('a tracker of kind %s', kind => {
  let model: TrackerModel
  let allowance: Allowance
  let tracker: Tracker
  let now: number
  let known: Cache
  const isLinear = kind === 'linear'
  const id = (number: number) => (isLinear ? `ENG-${number}` : String(number))

  beforeEach(() => {
    model = trackerModel(kind)
    allowance = createAllowance()
    now = Date.UTC(2026, 0, 1)
    known = {}
    const source: SourceConfig = aSource({ kind, project: isLinear ? 'ENG' : 'acme/web', endpoint: ENDPOINTS[kind] })
    const signal = new AbortController().signal
    // GitHub is asked by gh; here its model is asked in the same way as the others.
    const call = httpCall(model.fetch, 'https://api.github.com', {})
    const asking: Asking = { source, token: 'of-nobody', allowance, signal, now: () => now, fetch: model.fetch, call }
    tracker = trackerOf(asking)
    model.issues.open({ number: 412, title: 'Blue', body: 'make it green' })
    model.issues.open({ number: 413 })
  })

  async function list() {
    const found = await tracker.list(known)
    known = found.cache
    return found.issues
  }
  async function labelling(number: number) {
    const issue = (await list()).find(one => one.id === id(number))
    if (!issue) throw new Error('it is not listed')
    return tracker.labelling(issue)
  }

  it('lists what is open and carries the label, the oldest first', async () => {
    expect(await list()).toEqual([])
    for (const number of [413, 412]) model.issues.label(number, 'tdf', 'alice')
    model.issues.label(413, 'other', 'alice')
    expect((await list()).map(issue => [issue.id, issue.labels.includes('tdf')])).toEqual([
      [id(412), true],
      [id(413), true],
    ])
    model.issues.close(413)
    expect((await list()).map(issue => issue.id)).toEqual([id(412)])
  })

  it('has more issues than a page', async () => {
    for (let number = 500; number < 620; number++) {
      model.issues.open({ number })
      model.issues.label(number, 'tdf', 'alice')
    }
    expect((await list()).length).toBe(120)
  })

  it('counts nothing of what has not changed, where it has ETags', async () => {
    model.issues.label(412, 'tdf', 'alice')
    const first = await list()
    const before = model.requests.length
    expect(await list()).toEqual(first)
    expect(model.requests.slice(before).map(({ status }) => status)).toEqual([isLinear ? 200 : 304])
    const [{ stamp } = { stamp: '' }] = first
    model.issues.say(412, 'alice', 'more')
    expect((await list())[0]?.stamp).not.toBe(stamp)
  })

  it('says who set the label last, by what act, and whether they may write', async () => {
    model.issues.label(412, 'tdf', 'mallory')
    const first = await labelling(412)
    expect(first).toMatchObject({ by: 'mallory', isMember: false })
    model.issues.unlabel(412, 'tdf', 'alice')
    model.issues.label(412, 'tdf', 'alice')
    model.issues.label(412, 'other', 'mallory')
    const second = await labelling(412)
    expect(second).toMatchObject({ by: 'alice', isMember: true })
    expect(second?.event).not.toBe(first?.event)
  })

  it('says what an issue says, and whether it stands', async () => {
    model.issues.label(412, 'tdf', 'alice')
    model.issues.say(412, 'mallory', 'one')
    model.issues.say(412, 'alice', 'two')
    const [issue] = await list()
    expect(issue && (await tracker.content(issue))).toEqual({
      body: 'make it green',
      comments: [
        { author: 'mallory', text: 'one' },
        { author: 'alice', text: 'two' },
      ],
    })
    expect(await tracker.stands(id(412))).toBe(true)
    model.issues.close(412)
    expect([await tracker.stands(id(412)), await tracker.stands(id(999))]).toEqual([false, false])
    model.issues.reopen(412)
    model.issues.unlabel(412, 'tdf', 'alice')
    expect(await tracker.stands(id(412))).toBe(false)
  })

  async function blockers(number: number) {
    const issue = (await list()).find(one => one.id === id(number))
    return issue && tracker.blockers(issue)
  }

  it('says which open issues of the project block one, and no others', async () => {
    for (const number of [412, 413]) model.issues.label(number, 'tdf', 'alice')
    for (let number = 414; number < 460; number++) {
      model.issues.open({ number })
      model.issues.block(412, number)
    }
    for (const number of [415, 416]) model.issues.close(number)
    model.issues.block(412, 413, 'acme/other')
    const open = Array.from({ length: 46 }, (_, index) => 414 + index).filter(number => number > 416 || number === 414)
    const theirs = isLinear ? ['OPS-413'] : []
    expect(await blockers(412)).toEqual([...open.map(id), ...theirs])
    expect(await blockers(413)).toEqual([])
  })

  it('that does not say what blocks an issue has none, and one that cannot say it now is asked again', async () => {
    for (const number of [412, 413]) model.issues.label(number, 'tdf', 'alice')
    model.issues.block(412, 413)
    await list()
    const issue = (await list())[0]
    if (!issue) throw new Error('it is not listed')
    model.faults.push({ at: /./, kind: 'no', times: 1 })
    expect(await tracker.blockers(issue)).toEqual([])
    model.faults.push({ at: /./, kind: 'error', times: 1 })
    await expect(tracker.blockers(issue)).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(await tracker.blockers(issue)).toEqual([id(413)])
  })

  it('is told once, however often that is tried, and its labels are what they are to be', async () => {
    model.issues.label(412, 'tdf', 'alice')
    for (let times = 0; times < 2; times++) await tracker.comment(id(412), 'begun <!-- a -->', '<!-- a -->')
    expect(model.issues.all.get(412)?.comments.map(({ body }) => body)).toEqual(['begun <!-- a -->'])
    for (let times = 0; times < 2; times++) await tracker.label(id(412), ['tdf:running'], ['tdf:done'])
    expect(model.issues.all.get(412)?.labels).toEqual(['tdf', 'tdf:running'])
    await tracker.label(id(412), ['tdf:done'], ['tdf:running', 'tdf:needs-you'])
    expect(model.issues.all.get(412)?.labels).toEqual(['tdf', 'tdf:done'])
  })

  it.each(['down', 'error'] as const)('that is %s is named so, and asked again', async fault => {
    model.faults.push({ at: /./, kind: fault, times: 1 })
    await expect(list()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(await list()).toEqual([])
  })

  it('that has enough is left alone until it says', async () => {
    model.faults.push({ at: /./, kind: 'limit', times: 1 })
    await expect(list()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE', retryAfterMs: 120_000 })
    const before = model.requests.length
    await expect(list()).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE' })
    expect(model.requests).toHaveLength(before)
    now += 120_001
    expect(await list()).toEqual([])
  })
})

describe('an answer of a tracker', () => {
  const asked = (answer: Response) => {
    const call = httpCall(async () => answer, 'http://git.test', {})
    const about = { host: 'git.test', path: 'issues', token: null, signal: new AbortController().signal }
    return call(about, createAllowance(), () => 0)
  }

  it('that is too long is not read to its end', async () => {
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(stream) {
        sent += 1
        stream.enqueue(new Uint8Array(1024 * 1024))
        if (sent === 64) stream.close()
      },
    })
    await expect(asked(new Response(body))).rejects.toMatchObject({
      code: 'FORGE_UNAVAILABLE',
      message: expect.stringContaining('an answer of more than'),
    })
    expect(sent).toBeLessThan(20)
  })

  it('that asks for a rest of years gets one of a day', async () => {
    const answer = new Response('', { status: 429, headers: { 'retry-after': '99999999999' } })
    await expect(asked(answer)).rejects.toMatchObject({ code: 'FORGE_UNAVAILABLE', retryAfterMs: 86_400_000 })
  })
})
