/** The second database: failures for people to read, each once, bounded, and no reason not to start. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Observability, openObservability } from '../../../../src/store/observability.ts'

let folder: string
let open: Observability | undefined
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-observability-'))
})
afterEach(() => {
  open?.close()
  rmSync(folder, { recursive: true })
})

function begin(): Observability {
  open = openObservability(folder, 7)
  return open
}

const failure = (at: number, more: Record<string, unknown> = {}) => ({
  ...{ at, level: 'error', source: 'engine', code: 'BUG', message: `at ${at}`, taskId: 't1', step: 'running' },
  ...more,
})
const rows = (...ats: number[]) => ats.map(at => ({ id: `f${at}`, payload: failure(at) }))
const ids = (filter: Parameters<Observability['errors']>[0] = { limit: 99 }) =>
  open?.errors(filter).map(({ id }) => id) ?? []

it('a failure comes back as it was told, also when it is told twice', () => {
  const database = begin()
  database.addErrors([{ id: 'a', payload: failure(1_000, { context: { node: 'n1' } }) }])
  database.addErrors([{ id: 'a', payload: failure(2_000, { message: 'again' }) }])
  expect(database.errors({ limit: 9 })).toEqual([
    {
      ...{ id: 'a', at: '1970-01-01T00:00:01.000Z', level: 'error', source: 'engine', taskId: 't1', step: 'running' },
      ...{ code: 'BUG', message: 'at 1000', context: { node: 'n1' } },
    },
  ])
})

it('one that lacks what others have is told without it', () => {
  const database = begin()
  const bare = { level: 'warn', source: 'sweep', code: 'NODE_LOST', message: 'gone' }
  database.addErrors([{ id: 'a', payload: { ...bare, at: 'when' } }])
  const row = { ...bare, taskId: null, step: null, context: {}, at: '1970-01-01T00:00:00.000Z' }
  expect(database.errors({ limit: 9 })).toEqual([{ ...row, id: 'a' }])
})

it('the newest come first, of one task or of all, and no more than are asked for', () => {
  const database = begin()
  database.addErrors(rows(1, 3, 2))
  database.addErrors([{ id: 'other', payload: failure(9, { taskId: 't2' }) }])
  expect([ids(), ids({ taskId: 't1', limit: 2 }), ids({ taskId: 't3', limit: 9 })]).toEqual([
    ['other', 'f3', 'f2', 'f1'],
    ['f3', 'f2'],
    [],
  ])
  expect([ids({ limit: 9, before: 'f3' }), ids({ limit: 9, before: 'f1' })]).toEqual([['f2', 'f1'], []])
})

it('what cannot be stored takes nothing with it but its own group', () => {
  const database = begin()
  const bad = { id: 'bad', payload: failure(Number.POSITIVE_INFINITY) }
  expect(() => database.addErrors([...rows(1), bad])).toThrow()
  database.addErrors(rows(2))
  expect(ids()).toEqual(['f2'])
})

it('the old and the too many go, the oldest first', () => {
  const database = begin()
  database.addErrors(rows(1, 2, 3, 4, 5))
  expect([database.prune(3, 99), ids()]).toEqual([2, ['f5', 'f4', 'f3']])
  expect([database.prune(0, 2), ids()]).toEqual([1, ['f5', 'f4']])
})

it('nothing is read once it is closed', () => {
  const database = begin()
  database.close()
  expect(() => database.errors({ limit: 1 })).toThrow(/closed/)
})

it('a file that is broken is set aside with its log, and an old table of no use goes', () => {
  writeFileSync(path.join(folder, 'observability.db'), 'no database at all, and longer than its head would be')
  writeFileSync(path.join(folder, 'observability.db-wal'), 'its log')
  const database = begin()
  database.addErrors(rows(1))
  expect(ids()).toEqual(['f1'])
  const aside = readdirSync(folder).filter(name => name.includes('broken'))
  expect(aside).toContain('observability.db.broken-7')
})
