/** What a task began from is here as long as the task: in the repository of each folder that it was uploaded from. */
import { existsSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createUploads, type Uploads } from '../../../../../daemon/results/sources/uploads.ts'
import { hashFile } from '../../../../../src/platform/files.ts'
import { bundleRefs } from '../../../../../src/platform/objects/bundle.ts'
import { realWorld } from '../../../../../src/platform/world.ts'
import { openStore, type Store } from '../../../../../src/store/store.ts'
import { readBundle } from '../../../../../src/store/tables/bundles.ts'
import { insertTask } from '../../../../../src/store/tables/tasks.ts'
import { aSpec, aTask } from '../../../../support/builders.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const MAIN = 'refs/heads/main'
const TAG = 'refs/tags/v1'
let scene: ResultsScene
let store: Store
const bundleFile = (sha256: string) => path.join(scene.root, `${sha256}.bundle`)

beforeEach(() => {
  scene = resultsScene()
  store = openStore(scene.root, realWorld())
})
afterEach(() => store.close())

function uploads(): Uploads {
  const engine = { store, world: realWorld(), bundleFile, log: { warn() {} } }
  return createUploads(() => engine as never, { results: scene.results, folder: path.join(scene.root, 'packing') })
}

/** A bundle of two names, as the CLI ends its upload. */
async function anUpload(source: string) {
  gitIn(scene.node, 'tag', '--force', '--annotate', '--message', 'one', 'v1')
  const file = path.join(scene.root, 'sent')
  gitIn(scene.node, 'bundle', 'create', '--quiet', file, 'main', 'HEAD', 'v1')
  const refs = { [MAIN]: scene.base, [TAG]: gitIn(scene.node, 'rev-parse', 'v1') }
  const offer = { source, commit: scene.base, ref: MAIN, refs }
  const end = { ...offer, sha256: await hashFile(file), isThin: false }
  return { file, offer, end, bytes: statSync(file).size }
}

type Sent = Awaited<ReturnType<typeof anUpload>>

function aTaskOf(source: string, { end, bytes }: Sent) {
  const repo = { kind: 'bundle' as const, url: source, ref: MAIN, baseCommit: scene.base, sha256: end.sha256, bytes }
  const task = aTask({ id: source.slice(1), spec: aSpec({ repo }) })
  insertTask(store.sql, { id: task.id, spec: task.spec, idempotencyKey: null, idempotencyHash: null, createdAt: 0 })
  return task
}

/** As the sweep asks before it removes the file. */
async function keep(of: Uploads, { end }: Sent): Promise<boolean> {
  const row = readBundle(store.sql, end.sha256)
  return row !== undefined && of.keep(row)
}

async function dropFile(of: Uploads, sent: Sent) {
  expect(await keep(of, sent)).toBe(true)
  rmSync(bundleFile(sent.end.sha256))
}

async function namesOf(of: Uploads, task: ReturnType<typeof aTaskOf>) {
  const made = await of.whole(task, new AbortController().signal)
  return [...(await bundleRefs(bundleFile(made?.sha256 ?? ''))).keys()].sort()
}

it('the file of an upload whose taking in was cut off between two names does not go before all have come', async () => {
  const [sent, of] = [await anUpload('/a'), uploads()]
  await of.take(sent.end, sent.file)
  const task = aTaskOf('/a', sent)
  expect(await keep(of, sent)).toBe(true)
  const { must } = await scene.results.open('/a')
  await must(['update-ref', '-d', `refs/tdf-upload/${sent.end.sha256}/heads/main`])
  await dropFile(of, sent)
  expect(await namesOf(of, task)).toEqual(['HEAD', MAIN, TAG])
})

it('two folders with the same commit both have what tasks of theirs began from', async () => {
  const [sent, stopped] = [await anUpload('/a'), uploads()]
  // The daemon ends before it is taken in.
  stopped.stop()
  await stopped.take(sent.end, sent.file)
  expect(await keep(stopped, sent)).toBe(false)
  const [of, task] = [uploads(), aTaskOf('/a', sent)]
  const answer = await of.offer({ ...sent.offer, source: '/b' })
  expect(answer).toEqual({ bundle: { sha256: sent.end.sha256, bytes: sent.bytes }, have: [] })
  await dropFile(of, sent)
  expect(await namesOf(of, task)).toEqual(['HEAD', MAIN, TAG])
  expect(await namesOf(of, aTaskOf('/b', sent))).toEqual(['HEAD', MAIN, TAG])
})

it('of the content of files in Git LFS that would go along, an upload need not send what is here', async () => {
  const [sent, of] = [await anUpload('/a'), uploads()]
  await of.take(sent.end, sent.file)
  await keep(of, sent)
  const [here, away] = [gitIn(scene.node, 'rev-parse', 'main:a.txt'), '1'.repeat(40)]
  const offer = { ...sent.offer, commit: away, refs: { [MAIN]: away } }
  const answer = await of.offer({ ...offer, blobs: [away, here] })
  expect(answer).toEqual({ bundle: null, have: [scene.base], haveBlobs: [here] })
  expect(await of.offer(offer)).not.toHaveProperty('haveBlobs')
})

it('a folder can be uploaded as a whole when a commit that is here of it is damaged', async () => {
  const [sent, of] = [await anUpload('/a'), uploads()]
  const next = scene.commit({ 'b.txt': 'two' })
  const { dir } = await scene.results.open('/a')
  gitIn(dir, 'fetch', '--quiet', scene.node, `${next}:refs/tdf-base/${next}`)
  const offer = { ...sent.offer, refs: { [MAIN]: '1'.repeat(40) } }
  expect(await of.offer(offer)).toEqual({ bundle: null, have: [next] })
  rmSync(path.join(dir, 'objects', next.slice(0, 2), next.slice(2)))
  expect(await of.offer(offer)).toEqual({ bundle: null, have: [] })
  expect(await of.take(sent.end, sent.file)).toEqual({ sha256: sent.end.sha256, bytes: sent.bytes })
  // What goes on behind the answer is over with it.
  await keep(of, sent)
})

it('an upload that builds on what is here is taken in, and a whole one is made of it; what it builds on has to be here', async () => {
  const [sent, of] = [await anUpload('/a'), uploads()]
  await of.take(sent.end, sent.file)
  expect(await keep(of, sent)).toBe(true)
  const next = scene.commit({ 'b.txt': 'two' })
  gitIn(scene.node, 'update-ref', MAIN, next)
  const file = path.join(scene.root, 'thin')
  const thin = async () => {
    gitIn(scene.node, 'bundle', 'create', '--quiet', file, 'main', `^${scene.base}`)
    const refs = { [MAIN]: next }
    return { source: '/a', commit: next, ref: MAIN, refs, sha256: await hashFile(file), isThin: true }
  }
  const end = await thin()
  const bytes = statSync(file).size
  await expect(of.take({ ...end, source: '/other' }, file)).rejects.toMatchObject({
    ...{ code: 'BUNDLE_MISSING', message: expect.stringMatching(/^what the upload builds on is not all here: ./) },
  })
  expect(existsSync(file)).toBe(false)
  await thin()
  await expect(of.take({ ...end, refs: { [MAIN]: '1'.repeat(40) } }, file)).rejects.toMatchObject({
    code: 'BUNDLE_MISSING',
  })
  await thin()
  expect(await of.take(end, file)).toEqual({ sha256: end.sha256, bytes })
  expect([existsSync(file), existsSync(bundleFile(end.sha256))]).toEqual([false, false])
  const repo = { kind: 'bundle' as const, url: '/a', ref: MAIN, baseCommit: next, sha256: end.sha256, bytes }
  const made = await of.whole(aTask({ id: 't', spec: aSpec({ repo }) }), new AbortController().signal)
  expect((await bundleRefs(bundleFile(made?.sha256 ?? ''))).get(MAIN)).toBe(next)
  // What is asked for again is here.
  expect(await of.offer({ source: '/a', commit: next, ref: MAIN, refs: { [MAIN]: next } })).toMatchObject({
    ...{ bundle: { sha256: expect.any(String) }, have: [] },
  })
})

it('no repository is made for a folder that nothing is known of, before its upload is there', async () => {
  const [sent, of] = [await anUpload('/a'), uploads()]
  expect(await of.offer(sent.offer)).toEqual({ bundle: null, have: [] })
  expect(await scene.results.has('/a', scene.base.length)).toBe(false)
  await of.take(sent.end, sent.file)
  // The daemon ended before it was taken in: the next upload builds on it all the same.
  const next = await uploads().offer({ ...sent.offer, commit: '1'.repeat(40), refs: { [MAIN]: '1'.repeat(40) } })
  expect(next).toEqual({ bundle: null, have: expect.arrayContaining([scene.base]) })
  await keep(of, sent)
})
