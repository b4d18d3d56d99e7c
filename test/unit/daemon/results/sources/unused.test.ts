/** What the daemon has of repositories goes when no task has used it for long, unless a result needs it. */
import { existsSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const AGO = 1_000_000
const BEFORE = 2_000_000
let scene: ResultsScene
beforeEach(() => {
  scene = resultsScene()
})

/** A repository of a source, as it stood long ago. */
async function old(source: string, ref: string | null, length = 40): Promise<string> {
  const { dir } = await scene.results.open(source, length)
  if (length === 40) gitIn(dir, 'fetch', '-q', scene.node, `main:${ref ?? 'refs/tdf-base/x'}`)
  age(dir)
  return dir
}
const age = (dir: string) => utimesSync(path.join(dir, 'tdf-used'), AGO / 1_000, AGO / 1_000)
const remove = (...needed: string[]) => scene.results.removeUnused(BEFORE, () => needed)

it('one without a result goes, and is made anew for the next task', async () => {
  const [dir, long] = [await old('https://a', null), await old('https://b', null, 64)]
  expect(await remove()).toBe(2)
  expect([dir, long].map(each => existsSync(each))).toEqual([false, false])
  const again = await scene.results.open('https://a')
  expect(await again.must(['for-each-ref'])).toBe('')
  expect(await remove()).toBe(0)
})

it('one that was used meanwhile stays, and one of which a task waits for its turn', async () => {
  await old('https://a', null)
  const dir = await old('https://b', null)
  await old('https://c', null, 64)
  await scene.results.open('https://a')
  expect(await remove('https://b', 'https://c')).toBe(0)
  // It counts as used from then on.
  expect(await remove('https://c')).toBe(0)
  age(dir)
  expect(await remove('https://c')).toBe(1)
  expect(existsSync(dir)).toBe(false)
})

it('one with a result or a checkpoint stays for ever', async () => {
  await old('https://a', 'refs/tdf/t1/1')
  await old('https://b', 'refs/tdf-checkpoint/t1/1')
  await old('https://c', 'refs/tdf/t1/1-heads/topic')
  expect(await remove()).toBe(0)
})

it('what is no repository of ours stays where it is', async () => {
  const dir = await old('https://a', null)
  gitIn(scene.root, 'init', '-q', '--bare', path.join(dir, '..', 'mine.git'))
  await remove()
  expect(existsSync(path.join(dir, '..', 'mine.git'))).toBe(true)
})
