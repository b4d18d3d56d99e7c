/** The commit that a task begins from which goes on from the work of others, in a real repository. */
import { execFileSync } from 'node:child_process'

import path from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { baseOf } from '../../../../daemon/results/landing/base.ts'
import { type Repository, repositories } from '../../../../daemon/results/repository.ts'
import { aSpec, aTask } from '../../../support/builders.ts'
import { workingRepository } from '../../../support/daemon/home.ts'

let repository: Repository
let first: string
const source = workingRepository()

beforeEach(async () => {
  repository = await repositories(path.join(source.dir, '.git', `results-${Math.trunc(performance.now())}`)).open(
    'a source',
  )
  source.git('checkout', '-q', 'main')
  first = source.git('rev-parse', 'HEAD')
})

/** A commit on top of another, in the repository of results. */
async function commit(on: string, files: Record<string, string>): Promise<string> {
  source.git('checkout', '-q', '--detach', on)
  const made = source.commit(files)
  await repository.must(['fetch', '-q', source.dir, `${made}:refs/test/${made}`])
  return made
}

const after = (...from: string[]) => aTask({ spec: aSpec({ after: { ids: from, from, if: 'ok', onFailed: 'hold' } }) })
const filesOf = (at: string) =>
  execFileSync('git', ['--git-dir', repository.dir, 'ls-tree', '--name-only', at]).toString()

it('is the commit of one, a merge of several, and one that has the other as it is', async () => {
  const [b, c] = [await commit(first, { 'b.txt': 'b' }), await commit(first, { 'c.txt': 'c' })]
  const d = await commit(c, { 'd.txt': 'd' })
  expect(await baseOf(repository, after('b'), [{ id: 'b', commit: b }])).toMatchObject({ kind: 'clean', commit: b })
  await repository.must(['update-ref', '-d', 'refs/tdf/t1/base'])
  const work = [b, c, d, c].map((commit, index) => ({ id: `w${index}`, commit }))
  const merged = await baseOf(repository, after('w0', 'w1', 'w2', 'w3'), work)
  if (merged.kind !== 'clean') throw new Error('not merged')
  expect(filesOf(merged.commit).trim().split('\n')).toEqual(['README.md', 'b.txt', 'c.txt', 'd.txt'])
  expect(await repository.must(['rev-parse', 'refs/tdf/t1/base'])).toBe(`${merged.commit}\n`)
  // Made once: what becomes of the others changes nothing.
  expect(await baseOf(repository, after('w0'), [])).toEqual(merged)
})

it('is not made of what git cannot merge: the tasks and the files are named', async () => {
  const [b, c] = [await commit(first, { 'a.json': 'b' }), await commit(first, { 'a.json': 'c' })]
  const work = [b, c].map((commit, index) => ({ id: `w${index}`, commit }))
  const base = await baseOf(repository, after('w0', 'w1'), work)
  expect(base).toEqual({ kind: 'conflict', of: ['w0', 'w1'], files: ['a.json'] })
})

it('is not made of a part of the work that was asked for', async () => {
  const work = [{ id: 'w0', commit: first }]
  await expect(baseOf(repository, after('w0', 'w1'), work)).rejects.toMatchObject({ code: 'NO_RESULT' })
  await expect(baseOf(repository, after('w0'), [])).rejects.toMatchObject({ code: 'NO_RESULT' })
  await repository.must(['fetch', '-q', source.dir, `${first}:refs/test/first`])
  const some = after('w0', 'w1')
  some.spec.after = { ids: ['w0', 'w1'], from: ['w0', 'w1'], if: 'ended', onFailed: 'hold', fromCompleted: true }
  expect(await baseOf(repository, some, work)).toMatchObject({ kind: 'clean', commit: first })
  await repository.must(['update-ref', '-d', 'refs/tdf/t1/base'])
  await expect(baseOf(repository, some, [])).rejects.toThrow('none of the tasks before it is completed')
})

it('is that of the task whose agent handed it over, of its own from then on', async () => {
  const b = await commit(first, { 'b.txt': 'b' })
  const base = await baseOf(repository, after('b'), [{ id: 'b', commit: b }])
  const child = { ...after('b'), id: 't2' }
  child.spec.parent = 't1'
  expect(await baseOf(repository, child, [])).toEqual({ ...base, ref: 'refs/tdf/t2/base' })
  await repository.must(['update-ref', '-d', 'refs/tdf/t1/base'])
  expect(await baseOf(repository, child, [])).toMatchObject({ kind: 'clean', commit: b })
  await expect(baseOf(repository, { ...child, id: 't3' }, [])).rejects.toMatchObject({ code: 'NO_RESULT' })
})
