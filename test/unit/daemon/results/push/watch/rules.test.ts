/** What follows from the look of a pull request, case by case. */
import { describe, expect, it } from 'vitest'
import {
  afterReaction,
  countsOf,
  decideWatch,
  seenOf,
  standingOf,
  type WatchDecision,
} from '../../../../../../daemon/results/push/watch/rules.ts'
import { type PullView, pullView } from '../../../../../../daemon/results/push/watch/view.ts'
import { defaultConfig } from '../../../../../../src/config/schema/config.ts'
import type { Push, Watch } from '../../../../../../src/store/tables/pushes.ts'
import { aTask } from '../../../../../support/builders.ts'

const HEAD = 'a'.repeat(40)
const NEXT = 'b'.repeat(40)
const config = { ...defaultConfig().pr, settle: 30_000 }

const aWatch = (change: Partial<Watch> = {}): Watch => ({
  ...{ taskId: 't1', url: 'https://github.com/acme/web/pull/1', goal: 'green', rounds: 3, round: 0, state: 'watching' },
  ...{ head: HEAD, seen: null, seenAt: 0, given: [], told: [], still: [], attempt: null, unchanged: 0 },
  ...{ waitingFor: null, checks: null, cache: null, dueAt: 0, tries: 0, error: null, rev: 1, updatedAt: 0 },
  ...change,
})
type Given = Partial<Omit<PullView, 'checks' | 'threads'>> & { checks?: object[]; threads?: object[] }
const aView = (change: Given = {}): PullView => pullView.parse({ state: 'open', head: HEAD, ...change })
const failing = { name: 'test', state: 'failed' }
const passed = { name: 'test', state: 'passed' }
const thread = (author: string, mayWrite: boolean, more: object = {}) => ({
  ...{ id: `of ${author}`, comments: [{ id: '1', author, mayWrite, text: 'no' }] },
  ...more,
})
const decide = (view: Given, watch: Partial<Watch> = {}, now = 60_000, react = config.react): WatchDecision =>
  decideWatch(aWatch(watch), aView(view), { now, config: { ...config, react } })
const whyOf = (decision: WatchDecision) => ('why' in decision ? decision.why : decision.kind)

describe('a pull request', () => {
  it('that is merged or closed is over, whatever else it is', () => {
    expect(decide({ state: 'merged', checks: [failing] })).toMatchObject({ kind: 'end', state: 'merged' })
    expect(decide({ state: 'closed', checks: [passed] })).toMatchObject({ kind: 'end', state: 'closed' })
  })

  it('waits while it is a draft, while a check is open, and while it has just become what it is', () => {
    expect(whyOf(decide({ draft: true, checks: [failing] }))).toBe('it is a draft')
    expect(whyOf(decide({ checks: [failing, { name: 'docs', state: 'pending' }] }))).toBe('waits for 1 check: docs')
    const own = { now: 60_000, config: { ...config, draft: true } }
    const draft = aView({ draft: true, checks: [failing] })
    expect(decideWatch(aWatch(), draft, own)).toMatchObject({ kind: 'react' })
    expect(decide({ checks: [failing] }, {}, 20_000)).toMatchObject({ kind: 'wait', dueMs: 10_000 })
    expect(decide({ checks: [failing] }, {}, 30_000)).toMatchObject({ kind: 'react' })
  })

  it('without a check is given the time to begin one', () => {
    expect(decide({}, {}, 60_000)).toMatchObject({ kind: 'wait', dueMs: 60_000 })
    expect(decide({}, {}, 120_000)).toMatchObject({ kind: 'end', state: 'green' })
  })

  it('is green when no check fails and no thread is open, and is waited for on to be merged where that was asked', () => {
    const ignored = { name: 'lint', state: 'ignored' }
    expect(decide({ checks: [passed, ignored] })).toMatchObject({ kind: 'end', state: 'green' })
    expect(whyOf(decide({ checks: [passed] }, { goal: 'merged' }))).toBe('is green and waits to be merged')
    expect(decide({ checks: [passed], threads: [thread('mallory', false)] })).toMatchObject({ state: 'green' })
  })

  it('in conflict is not waited for: its checks may never begin', () => {
    const pending = { name: 'test', state: 'pending' }
    expect(decide({ mergeable: false, checks: [pending] })).toMatchObject({ kind: 'react', red: { isConflict: true } })
    expect(decide({ mergeable: null, checks: [passed] })).toMatchObject({ state: 'green' })
  })

  it('of which the configuration leaves the mending to its user waits, and says so', () => {
    const red = { checks: [failing], threads: [thread('alice', true)], mergeable: false }
    expect(whyOf(decide(red, {}, 60_000, []))).toBe(
      'is red (test, 1 review thread, a conflict), of which [pr] react leaves the mending to you',
    )
    expect(decide(red, {}, 60_000, ['review'])).toMatchObject({ red: { failing: [], isConflict: false } })
    expect(decide(red, {}, 60_000, ['ci'])).toMatchObject({ red: { threads: [], isConflict: false } })
  })
})

describe('what is red', () => {
  const reaction = (view: Given, watch: Partial<Watch> = {}) => {
    const decision = decide(view, watch)
    if (decision.kind !== 'react') throw new Error(whyOf(decision))
    return decision
  }

  it('is given once, by the commit and the names of it, in whatever order', () => {
    const docs = { name: 'docs', state: 'failed' }
    const first = reaction({ checks: [failing, docs] })
    expect(reaction({ checks: [docs, failing] }).fingerprint).toBe(first.fingerprint)
    expect(reaction({ checks: [failing] }).fingerprint).not.toBe(first.fingerprint)
    expect(reaction({ checks: [failing, docs], head: NEXT }).fingerprint).not.toBe(first.fingerprint)
    const given = afterReaction(aWatch(), first)
    expect(given).toEqual({ given: [first.fingerprint], told: [], still: ['test', 'docs'] })
    expect(whyOf(decide({ checks: [failing, docs] }, given))).toContain('was given and did not change')
  })

  it('by a reviewer is given once, and waits for them until they say more or close it', () => {
    const said = thread('alice', true)
    const { red } = reaction({ checks: [passed], threads: [said, thread('mallory', false)] })
    expect(red.threads.map(({ id }) => id)).toEqual(['of alice'])
    const { told } = afterReaction(aWatch(), reaction({ checks: [passed], threads: [said] }))
    expect(whyOf(decide({ checks: [passed], threads: [said] }, { told }))).toContain(
      'reviewers to close 1 review thread',
    )
    const outdated = { ...said, outdated: true }
    expect(decide({ checks: [passed], threads: [outdated] }, { told })).toMatchObject({ state: 'green' })
    const more = { ...said, comments: [...said.comments, { id: '2', author: 'alice', mayWrite: true, text: 'still' }] }
    expect(decide({ checks: [passed], threads: [more] }, { told })).toMatchObject({ kind: 'react' })
    const noise = { ...said, comments: [...said.comments, { id: '2', author: 'mallory', mayWrite: false, text: 'x' }] }
    expect(decide({ checks: [passed], threads: [noise] }, { told }).kind).toBe('wait')
  })

  it('is not given any more once the rounds are used up, or nothing came of it twice', () => {
    expect(decide({ checks: [failing] }, { round: 3 })).toMatchObject({ kind: 'end', state: 'needs_you' })
    expect(decide({ checks: [failing] }, { unchanged: 2 })).toMatchObject({ kind: 'end', state: 'needs_you' })
    expect(decide({ checks: [failing] }, { round: 2, unchanged: 1 }).kind).toBe('react')
  })

  it('is the same view only while nothing of it changes', () => {
    const views: Given[] = [{}, { head: NEXT }, { draft: true }, { mergeable: false }, { state: 'closed' }]
    views.push({ checks: [failing] }, { checks: [passed] }, { threads: [thread('alice', true)] })
    const seen = views.map(view => seenOf(aView(view)))
    expect(new Set(seen).size).toBe(views.length)
    expect(seenOf(aView({ threads: [thread('mallory', false)], mergeable: true }))).toBe(seen[0])
    expect(countsOf(aView({ checks: [failing, passed, { name: 'x', state: 'ignored' }] }))).toEqual({
      ...{ passed: 1, failed: 1, pending: 0 },
    })
  })
})

describe('the task of a pull request', () => {
  const over = { status: 'completed', step: null, verdict: 'verified', attempt: 2 } as const
  const aPush = (change: Partial<Push> = {}): Push => ({
    ...{ taskId: 't1', attempt: 2, remote: 'r', branch: 'b', commitId: NEXT, wantsPr: false, state: 'pushed' },
    ...{ pushedCommit: NEXT, prUrl: null, tries: 1, dueAt: 0, until: 0, error: null, updatedAt: 0 },
    ...change,
  })
  const reacting = { state: 'reacting', attempt: 2 } as const
  const standing = (task: object, watch: Partial<Watch> = {}, push?: Push) =>
    standingOf(aWatch(watch), aTask({ ...over, ...task }), push)

  it('is waited for while it goes on, and while its commits are on their way', () => {
    expect(standing({ status: 'in_progress', step: 'running' }).kind).toBe('busy')
    expect(standing({ step: 'cleanup' }).kind).toBe('busy')
    expect(standing({}, reacting, aPush({ state: 'pending' })).kind).toBe('busy')
  })

  it('has used a round when its answer is there, and none for commits that its user asked for', () => {
    const change = { head: NEXT, round: 1, unchanged: 0, state: 'watching' }
    expect(standing({}, reacting, aPush())).toEqual({ kind: 'free', change })
    expect(standing({}, { attempt: 1 }, aPush())).toEqual({ kind: 'free', change: { head: NEXT, state: 'watching' } })
    expect(standing({}, {}, aPush({ attempt: 1 }))).toEqual({ kind: 'free', change: { state: 'watching' } })
  })

  it('that made no commit counts as that, and one that may not go on ends the watch', () => {
    const same = aPush({ pushedCommit: HEAD })
    expect(standing({}, reacting, same)).toMatchObject({ change: { unchanged: 1 } })
    expect(standing({ status: 'failed', verdict: 'agent_error' }, reacting)).toMatchObject({ change: { unchanged: 1 } })
    expect(standing({ status: 'failed', verdict: 'budget' }, reacting)).toMatchObject({ state: 'needs_you' })
    expect(standing({ status: 'cancelled', verdict: 'cancelled' }, reacting)).toMatchObject({ state: 'paused' })
    const refused = aPush({ state: 'failed', pushedCommit: HEAD, error: 'hook declined' })
    expect(standing({}, reacting, refused)).toMatchObject({ state: 'needs_you', why: expect.stringContaining('hook') })
  })
})
