/** What stands beside tasks: signals, mail that is to leave, pushes, uploads, cleanups, limits and tokens. */
import { describe, expect, it } from 'vitest'
import { insertAttempt, neededSources, readAttempt, updateAttempt } from '../../../../../src/store/tables/attempts.ts'
import {
  addBundle,
  findBundle,
  forgetBundle,
  newestBundle,
  readBundle,
  sourcesOfBundle,
  staleBundles,
} from '../../../../../src/store/tables/bundles.ts'
import {
  addCleanup,
  type CleanupItem,
  cleanupsOf,
  delayCleanup,
  dueCleanups,
  pendingOn,
  setCleanup,
} from '../../../../../src/store/tables/cleanups.ts'
import * as inbox from '../../../../../src/store/tables/inbox.ts'
import {
  clearRestored,
  isRestored,
  issueToken,
  limitOf,
  limitsAt,
  markRestored,
  raiseLimit,
  readMeta,
  readToken,
  writeMeta,
} from '../../../../../src/store/tables/meta.ts'
import { delivered, due, post, postpone } from '../../../../../src/store/tables/outbox.ts'
import { askForPush, changePush, duePushes, type Push, readPush } from '../../../../../src/store/tables/pushes.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { databasePerTest } from './database.ts'

const sql = databasePerTest()
const KEY = { id: 't1', attempt: 1 }

function addTask(spec = aSpec()): void {
  insertTask(sql(), { id: 't1', spec, idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
  insertAttempt(sql(), aTask({ spec }))
}
function endTask(): void {
  const seen = readAttempt(sql(), KEY)
  if (seen) updateAttempt(sql(), seen, { ...seen, step: null }, 0)
}

describe('a signal', () => {
  const add = (dedupe: string, at: number, payload = {}) =>
    inbox.addSignal(sql(), { ...KEY, kind: 'cancel', dedupe, payload }, at)

  it('is there once, whole and in its order, until it is used; then it is the proof that a repeat is one', () => {
    expect([add('a', 5, { seq: 1 }), add('b', 4), add('a', 9)]).toEqual([true, true, false])
    const [first, second] = inbox.openSignals(sql(), KEY)
    expect(first).toEqual({ id: 1, kind: 'cancel', payload: { seq: 1 }, at: 5 })
    expect(second).toMatchObject({ at: 4, payload: {} })
    inbox.consumeSignals(sql(), [first?.id ?? 0])
    expect(inbox.openSignals(sql(), KEY)).toEqual([second])
    expect([inbox.hasSignal(sql(), 'a'), inbox.hasSignal(sql(), 'c'), add('a', 9)]).toEqual([true, false, false])
    expect(inbox.lastSignals(sql(), KEY, 1)).toEqual([{ kind: 'cancel', at: 4 }])
    expect(inbox.openSignals(sql(), { id: 't1', attempt: 2 })).toEqual([])
  })

  it('is counted in rows and characters, no further than is asked', () => {
    expect(inbox.openAmount(sql(), KEY, 10)).toEqual({ rows: 0, characters: 0 })
    for (const name of ['a', 'b', 'c']) add(name, 1, { x: 1 })
    expect(inbox.openAmount(sql(), KEY, 10)).toEqual({ rows: 3, characters: 21 })
    expect(inbox.openAmount(sql(), KEY, 2)).toEqual({ rows: 2, characters: 14 })
  })

  it('is dropped when it is old, and was used or will never be', () => {
    addTask()
    for (const [name, at] of Object.entries({ used: 1, open: 1, young: 9 })) add(name, at)
    inbox.consumeSignals(sql(), [1])
    expect(inbox.pruneSignals(sql(), 9, 10)).toBe(1)
    expect(inbox.pruneSignals(sql(), 9, 10)).toBe(0)
    endTask()
    expect(inbox.pruneSignals(sql(), 10, 1)).toBe(1)
    expect(inbox.pruneSignals(sql(), 10, 10)).toBe(1)
  })
})

describe('mail that is to leave', () => {
  const item = (id: string, dueAt: number) => ({ id, kind: 'error' as const, payload: { text: id }, dueAt })

  it('is posted once, due at its time, and gone when it was delivered', () => {
    for (const [id, dueAt] of [['late', 9], ['b', 5], ['a', 4], ['a', 1]] as const) post(sql(), item(id, dueAt)) // biome-ignore format: a table
    expect(due(sql(), 'error', 5, 10)).toEqual([{ ...item('a', 4), tries: 0 }, { ...item('b', 5), tries: 0 }]) // biome-ignore format: a table
    expect([due(sql(), 'error', 9, 1).length, due(sql(), 'notify-ntfy', 9, 10)]).toEqual([1, []])
    postpone(sql(), 'a', 20)
    delivered(sql(), 'b')
    expect(due(sql(), 'error', 20, 10)).toEqual([{ ...item('late', 9), tries: 0 }, { ...item('a', 20), tries: 1 }]) // biome-ignore format: a table
  })
})

describe('a push', () => {
  const ask = { taskId: 't1', attempt: 1, remote: 'r', branch: 'b', commitId: 'c1', wantsPr: true, until: 90 }
  const pushed = { state: 'pushed', pushedCommit: 'c1', prUrl: 'https://x.test/1', tries: 2, error: null } as const
  const seen = () => readPush(sql(), 't1') as Push

  it('waits to be done until it has ended', () => {
    expect(readPush(sql(), 't1')).toBeUndefined()
    askForPush(sql(), ask, 7)
    const row = { ...ask, state: 'pending', pushedCommit: null, prUrl: null, tries: 0, dueAt: 7, error: null }
    expect(seen()).toEqual({ ...row, updatedAt: 7 })
    expect([duePushes(sql(), 6, 9).length, duePushes(sql(), 7, 9).length]).toEqual([0, 1])
    expect(changePush(sql(), seen(), pushed, 8)).toBe(true)
    expect(seen()).toEqual({ ...row, ...pushed, updatedAt: 8 })
    expect(duePushes(sql(), 99, 9)).toEqual([])
  })

  it('that is asked for anew knows what is on the same branch, and nothing of another', () => {
    for (const [next, isKnown] of [
      [{ commitId: 'c2', wantsPr: false }, true],
      [{ branch: 'other' }, false],
      [{ remote: 'other' }, false],
    ] as const) {
      askForPush(sql(), ask, 1)
      changePush(sql(), seen(), pushed, 2)
      askForPush(sql(), { ...ask, ...next }, 3)
      const { pushedCommit, prUrl, state, tries, wantsPr } = seen()
      expect({ pushedCommit, prUrl, state, tries }).toEqual({
        ...{ pushedCommit: isKnown ? 'c1' : null, prUrl: isKnown ? pushed.prUrl : null, state: 'pending', tries: 0 },
      })
      expect(wantsPr).toBe(!('wantsPr' in next))
    }
  })

  it('that was replaced meanwhile is not changed', () => {
    askForPush(sql(), ask, 1)
    const before = seen()
    askForPush(sql(), { ...ask, commitId: 'c2' }, 2)
    expect([changePush(sql(), before, pushed, 3), seen().state]).toEqual([false, 'pending'])
  })
})

describe('an upload', () => {
  const bundle = { sha256: 'f'.repeat(64), bytes: 12, commit: 'c1', ref: 'refs/heads/main', source: null }

  it('is found by its hash, and by commit and ref; it is stale when nothing live is made from it', () => {
    addBundle(sql(), bundle, 5)
    expect([readBundle(sql(), bundle.sha256), findBundle(sql(), 'c1', bundle.ref)]).toEqual([bundle, bundle])
    expect([readBundle(sql(), 'e'), findBundle(sql(), 'c2', bundle.ref)]).toEqual([undefined, undefined])
    expect([staleBundles(sql(), 5), staleBundles(sql(), 6)]).toEqual([[], [bundle]])
    addBundle(sql(), bundle, 8)
    expect(staleBundles(sql(), 8)).toEqual([])
    const { commit: baseCommit, source: _, ...same } = bundle
    addTask(aSpec({ repo: { kind: 'bundle', url: '/r', baseCommit, ...same } }))
    expect(staleBundles(sql(), 99)).toEqual([])
    endTask()
    expect(staleBundles(sql(), 99)).toEqual([bundle])
    // It may be tried again: what it began from is not had elsewhere.
    expect([sourcesOfBundle(sql(), bundle.sha256), sourcesOfBundle(sql(), 'e')]).toEqual([['/r'], []])
    expect(neededSources(sql())).toEqual(['/r'])
    forgetBundle(sql(), bundle.sha256)
    expect(readBundle(sql(), bundle.sha256)).toBeUndefined()
  })

  it('has a source once that is known, whose newest one is found', () => {
    addBundle(sql(), bundle, 5)
    const later = { ...bundle, sha256: 'e'.repeat(64), source: '/r' }
    addBundle(sql(), later, 6)
    addBundle(sql(), { ...bundle, source: '/r' }, 7)
    addBundle(sql(), bundle, 8)
    expect(readBundle(sql(), bundle.sha256)?.source).toBe('/r')
    expect([newestBundle(sql(), '/r'), newestBundle(sql(), '/s')]).toEqual([later, undefined])
  })
})

describe('a cleanup', () => {
  const add = (kind: CleanupItem['kind'], dueAt = 5) =>
    addCleanup(sql(), { ...KEY, kind, nodeName: 'n1', subject: 'w1', dueAt })
  const kinds = (items: CleanupItem[]) => items.map(({ kind }) => kind)

  it('is due in the order in which things are undone, each after the one before it is done', () => {
    for (const kind of ['delete_workspace', 'stop_workspace', 'salvage', 'salvage'] as const) add(kind)
    expect(kinds(cleanupsOf(sql(), KEY))).toEqual(['salvage', 'stop_workspace', 'delete_workspace'])
    expect([kinds(dueCleanups(sql(), 4, 9)), kinds(dueCleanups(sql(), 5, 9))]).toEqual([[], ['salvage']])
    const [salvage] = pendingOn(sql(), 'n1', 'salvage') as [CleanupItem]
    delayCleanup(sql(), salvage, 8, 'no answer')
    expect([kinds(dueCleanups(sql(), 7, 9)), kinds(dueCleanups(sql(), 8, 9))]).toEqual([[], ['salvage']])
    expect(pendingOn(sql(), 'n1', 'salvage')).toEqual([{ ...salvage, dueAt: 8, error: 'no answer', tries: 1 }])
    setCleanup(sql(), salvage, 'done')
    expect([pendingOn(sql(), 'n1', 'salvage'), cleanupsOf(sql(), KEY)[0]?.error]).toEqual([[], null])
    expect(kinds(dueCleanups(sql(), 8, 9))).toEqual(['stop_workspace'])
  })
})

describe('facts of the installation', () => {
  it('a restored state is marked until it was taken up', () => {
    expect([isRestored(sql()), readMeta(sql(), 'k')]).toEqual([false, undefined])
    markRestored(sql())
    expect(isRestored(sql())).toBe(true)
    clearRestored(sql())
    expect(isRestored(sql())).toBe(false)
    for (const value of ['1', '2']) writeMeta(sql(), 'k', value)
    expect(readMeta(sql(), 'k')).toBe('2')
  })

  it('the latest limit of a credential holds, until its time is over', () => {
    for (const until of [50, 30]) raiseLimit(sql(), 'claude', until, 1)
    raiseLimit(sql(), null, 99, 1)
    expect([limitOf(sql(), 'claude'), limitOf(sql(), 'codex'), limitOf(sql(), null)]).toEqual([50, null, null])
    expect([limitsAt(sql(), 49), limitsAt(sql(), 50)]).toEqual([new Map([['claude', 50]]), new Map()])
  })

  it('a token is known by its hash, as it was first issued', () => {
    const token = { scope: 'workspace', subject: 'w1', taskId: 't1', attempt: 1 } as const
    issueToken(sql(), 'h', token)
    issueToken(sql(), 'h', { ...token, subject: 'w2' })
    expect([readToken(sql(), 'h'), readToken(sql(), 'i')]).toEqual([token, undefined])
  })
})
