/** The rows of landings and watches change as their tables say, and not otherwise. */
import { describe, expect, it } from 'vitest'
import {
  askForLanding,
  changeLanding,
  isOfAttempt,
  LANDING_EDGES,
  type Landing,
  type LandingState,
  openLandings,
  readLanding,
  rejoinLane,
} from '../../../../../src/store/tables/landings.ts'
import {
  changeWatch,
  insertWatch,
  listWatches,
  readWatch,
  WATCH_EDGES,
  type Watch,
  type WatchState,
} from '../../../../../src/store/tables/pushes.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec } from '../../../../support/builders.ts'
import { databasePerTest } from './database.ts'

const sql = databasePerTest()

function addTask(id = 't1'): void {
  insertTask(sql(), { id, spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
}

function landing(taskId = 't1'): Landing {
  addTask(taskId)
  const ask = { taskId, attempt: 1, source: 'https://a', onto: 'refs/heads/main', squash: false, resolve: false }
  askForLanding(sql(), { ...ask, checkCommand: null, tip: null }, 0)
  return readLanding(sql(), taskId) as Landing
}

function watch(): Watch {
  addTask()
  insertWatch(sql(), { taskId: 't1', url: 'https://a/1', goal: 'green', rounds: 1, head: 'h' }, 0)
  return readWatch(sql(), 't1') as Watch
}

const ofLanding = Object.keys(LANDING_EDGES) as LandingState[]
const ofWatch = Object.keys(WATCH_EDGES) as WatchState[]
const pairs = <State>(states: readonly State[]) => states.flatMap(from => states.map(to => ({ from, to })))

describe('a landing', () => {
  it('changes its state as its table says, and by no other edge', () => {
    const first = landing()
    for (const { from, to } of pairs(ofLanding)) {
      sql().run('update landings set state = ?', from)
      const change = () => changeLanding(sql(), { ...first, state: from }, { state: to }, 1)
      const isEdge = from === to || to in LANDING_EDGES[from]
      if (isEdge) expect(change()).toBe(true)
      else expect(change).toThrow(`${from} → ${to} is no edge`)
      expect(readLanding(sql(), 't1')?.state).toBe(isEdge ? to : from)
    }
  })

  it('whose conflict is resolved waits behind all others, and lands the attempt that did that', () => {
    const first = landing()
    landing('t2')
    changeLanding(sql(), first, { state: 'resolving', resolvedIn: 2 }, 1)
    rejoinLane(sql(), readLanding(sql(), 't1') as Landing, 2)
    expect(openLandings(sql()).map(({ taskId, state }) => [taskId, state])).toEqual([
      ['t2', 'waiting'],
      ['t1', 'waiting'],
    ])
    const landed = readLanding(sql(), 't1')
    expect([1, 2, 3].map(attempt => isOfAttempt(landed, attempt))).toEqual([true, true, false])
    expect(isOfAttempt(undefined, 1)).toBe(false)
  })
})

describe('a watch', () => {
  it('begins with nothing given and nothing told, and is listed with the newest change first', () => {
    expect(watch()).toMatchObject({ given: [], told: [], still: [], round: 0, state: 'watching', rev: 1 })
    insertTask(sql(), { id: 't2', spec: aSpec(), idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
    insertWatch(sql(), { taskId: 't2', url: 'https://a/2', goal: 'green', rounds: 1, head: 'h' }, 5)
    const listed = (limit: number) => listWatches(sql(), limit).map(({ taskId }) => taskId)
    expect([listed(9), listed(1)]).toEqual([['t2', 't1'], ['t2']])
    changeWatch(sql(), readWatch(sql(), 't1') as Watch, { given: ['a'], told: ['b'] }, 9)
    expect(listed(9)).toEqual(['t1', 't2'])
    // Asked for again: what the agent was given once is not given anew.
    insertWatch(sql(), { taskId: 't1', url: 'https://a/1', goal: 'merged', rounds: 2, head: 'h' }, 10)
    expect(readWatch(sql(), 't1')).toMatchObject({ given: ['a'], told: ['b'], still: [], goal: 'merged', rev: 3 })
  })

  it('changes its state as its table says, and by no other edge', () => {
    const first = watch()
    for (const { from, to } of pairs(ofWatch)) {
      sql().run('update watches set state = ?, rev = ?', from, first.rev)
      const change = () => changeWatch(sql(), { ...first, state: from }, { state: to }, 1)
      const isEdge = from === to || to in WATCH_EDGES[from]
      if (isEdge) expect(change()).toBe(true)
      else expect(change).toThrow(`${from} → ${to} is no edge`)
      expect(readWatch(sql(), 't1')?.state).toBe(isEdge ? to : from)
    }
  })
})
