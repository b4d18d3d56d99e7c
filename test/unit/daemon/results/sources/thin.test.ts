/** The part of a bundle that a node lacks: the whole can always be sent in its place. */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { gitIn, resultsScene } from '../node.ts'

const LARGE = randomBytes(20_000).toString('hex')

it('is not sent, and leaves nothing, where an object of it is damaged or its step is given up', async () => {
  const { results, node, task, root, commit } = resultsScene()
  const base = commit({ large: LARGE })
  const next = commit({ small: 'new' }, base)
  gitIn(node, 'update-ref', 'refs/heads/main', next)
  const whole = path.join(root, 'whole')
  gitIn(node, 'bundle', 'create', '--quiet', whole, 'main')
  const { dir } = await results.of(task)
  gitIn(dir, 'fetch', '--quiet', node, 'main:refs/tdf-base/main')
  const part = await results.thin(task, whole, [base])
  expect(part?.bytes).toBeLessThan(statSync(whole).size / 10)
  await results.discard(part?.file ?? '')
  await expect(results.thin(task, whole, [base], AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up')
  expect(readdirSync(path.join(root, 'downloads'))).toEqual([])
  const blob = gitIn(node, 'rev-parse', `${next}:small`)
  rmSync(path.join(dir, 'objects', blob.slice(0, 2), blob.slice(2)))
  expect(await results.thin(task, whole, [base])).toBeNull()
  expect(readdirSync(path.join(root, 'downloads'))).toEqual([])
})
