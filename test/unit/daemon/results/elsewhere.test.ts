/** Where several daemons share the state: what came home on one host is there on every other, and nothing that was not said to be. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { bringHome, saveCheckpoint } from '../../../../daemon/results/bring-home.ts'
import { type GitResults, gitResults } from '../../../../daemon/results/git-results.ts'
import { commitOnto } from '../../../../daemon/results/landing/commit.ts'
import { nameStart } from '../../../../daemon/results/merge.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { keptFiles } from '../../../../src/store/blobs/kept-files.ts'
import type { BlobStore } from '../../../../src/store/ledger/ledger.ts'
import { fakeLedger } from '../../../fakes/ledger.ts'
import { afterFile } from '../../../support/after-file.ts'
import { gitIn, type ResultsScene, resultsScene } from './node.ts'

let scene: ResultsScene
let stored: Map<string, Buffer>
let blobs: BlobStore
beforeEach(() => {
  const ledger = fakeLedger()
  stored = ledger.blobs
  blobs = ledger.claim({ world: realWorld({}) }).blobs
  scene = resultsScene(undefined, blobs)
})

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'tdf-elsewhere-'))
  afterFile(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A daemon that begins to serve, on the host with this state folder. */
function serve(stateDir: string, store: BlobStore = blobs): GitResults {
  const bundleFile = (sha256: string) => path.join(stateDir, 'bundles', `${sha256}.bundle`)
  return gitResults({ stateDir, bundleFile, logBytesMax: 1_000, assertRoom() {}, blobs: store })
}

async function refsAt(results: GitResults): Promise<string[]> {
  const listed = await (await results.of(scene.task)).must(['for-each-ref', '--format=%(refname) %(objectname)'])
  return listed.split('\n').filter(Boolean)
}

function gives(commit: string, ref = scene.ref): void {
  scene.says = { ...scene.says, commit, ahead: 1 }
  scene.gives = new Map([[ref, commit]])
}

describe('a result', () => {
  it('that came home on one host is whole on another, and what comes there is whole on the first', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    const first = await bringHome(scene, scene.task, scene.agent)
    const second = folder()
    const other = serve(second)
    expect(await other.describe(scene.task, first.salvage)).toEqual(first.result)
    expect(await refsAt(other)).toEqual(await refsAt(scene.results))

    gives(scene.commit({ 'a.txt': 'three\n' }, scene.says.commit))
    const later = await bringHome({ ...scene, results: other }, scene.task, scene.agent)
    const again = serve(scene.root)
    expect(await again.describe(scene.task, later.salvage)).toEqual(later.result)
    expect(await refsAt(again)).toEqual(await refsAt(other))
    expect(await (await again.of(scene.task)).must(['fsck', '--strict', '--no-dangling'])).toBe('')
  })

  it('is not at home while the database does not have it, and no other host knows of it', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    await bringHome(scene, scene.task, scene.agent)
    const before = await refsAt(scene.results)
    for (const lost of ['manifest', '.pack']) {
      const away: BlobStore = {
        ...blobs,
        put: (name, parts) => (name.endsWith(lost) ? Promise.reject(new Error('it is away')) : blobs.put(name, parts)),
      }
      gives(scene.commit({ 'a.txt': `not ${lost}\n` }))
      const results = serve(scene.root, away)
      await expect(bringHome({ ...scene, results }, scene.task, scene.agent)).rejects.toThrow('it is away')
      expect(await refsAt(serve(folder()))).toEqual(before)
    }
    // Neither does the host itself, when it begins anew; then it comes home.
    const anew = serve(scene.root)
    expect(await refsAt(anew)).toEqual(before)
    await bringHome({ ...scene, results: anew }, scene.task, scene.agent)
    expect(await refsAt(serve(folder()))).toContain(`${scene.ref} ${scene.says.commit}`)
  })

  it('stays whole over many changes, whose packs become one', async () => {
    const repository = await scene.results.of(scene.task)
    for (let change = 0; change < 70; change++) {
      const oid = (await repository.must(['hash-object', '-w', '--stdin'], { input: `${change}` })).trim()
      await repository.must(['update-ref', `refs/tdf/blob-${change % 3}`, oid])
      await repository.save()
    }
    const packs = [...stored.keys()].filter(name => name.endsWith('.pack'))
    expect(packs.length).toBeLessThan(10)
    const other = await serve(folder()).of(scene.task)
    const texts = await Promise.all([0, 1, 2].map(at => other.must(['cat-file', 'blob', `refs/tdf/blob-${at}`])))
    expect(texts).toEqual(['69', '67', '68'])
  })

  it('that only changed its names takes no pack, and what was removed is gone on every host', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    await bringHome(scene, scene.task, scene.agent)
    const packs = [...stored.keys()].filter(name => name.endsWith('.pack'))
    const repository = await scene.results.of(scene.task)
    await repository.must(['update-ref', '-d', scene.ref])
    await repository.save()
    expect([...stored.keys()].filter(name => name.endsWith('.pack'))).toEqual(packs)
    expect((await refsAt(serve(scene.root))).filter(row => row.startsWith(scene.ref))).toEqual([])
    expect((await refsAt(serve(folder()))).filter(row => row.startsWith(scene.ref))).toEqual([])
  })
})

it('a checkpoint of one host becomes the result on another', async () => {
  const ref = scene.ref.replace('refs/tdf/', 'refs/tdf-checkpoint/')
  gives(scene.commit({ 'a.txt': 'so far\n' }), ref)
  await saveCheckpoint(scene, scene.task, scene.agent)
  const other = serve(folder())
  expect(await other.takeCheckpoint(scene.task)).toMatchObject({ commit: scene.says.commit })
  expect(await refsAt(serve(folder()))).toContain(`${scene.ref} ${scene.says.commit}`)
})

it('a task goes on elsewhere from the repository that was uploaded here', async () => {
  const sha256 = 'f'.repeat(64)
  const [first, second] = [folder(), folder()]
  const bundle = path.join(first, 'bundles', `${sha256}.bundle`)
  await mkdir(path.dirname(bundle))
  gitIn(scene.node, 'branch', 'uploaded', scene.base)
  gitIn(scene.node, 'bundle', 'create', '-q', bundle, 'refs/heads/uploaded')
  await serve(first).files.keep(bundle)

  const repo = {
    kind: 'bundle' as const,
    url: '/r',
    ref: 'refs/heads/uploaded',
    sha256,
    bytes: 1,
    baseCommit: scene.base,
  }
  const task = { ...scene.task, spec: { ...scene.task.spec, repo } }
  gives(scene.commit({ 'a.txt': 'two\n' }))
  const results = serve(second)
  const { result } = await bringHome({ ...scene, results }, task, scene.agent)
  expect([scene.had, result.commit]).toEqual([[scene.base], scene.says.commit])
  expect(readFileSync(path.join(second, 'bundles', `${sha256}.bundle`)).equals(readFileSync(bundle))).toBe(true)
})

describe('logs', () => {
  const attempt = { id: 'task-1', attempt: 1 }
  /** A node whose log has this much. */
  const from = (text: string) => async (after: number) => ({ bytes: Buffer.from(text).subarray(after) })

  it('that one host kept are read on another, grow there, and are read on the first', async () => {
    const [first, second] = [folder(), folder()]
    await serve(first).logs.keep(attempt, 'session', from('one\n'))
    const other = serve(second)
    expect(String(await other.logs.read(attempt, 'session', 0))).toBe('one\n')
    await other.logs.keep(attempt, 'session', from('one\ntwo\n'))
    expect(String(await serve(first).logs.read(attempt, 'session', 0))).toBe('one\ntwo\n')
    expect(await other.logs.read(attempt, 'none', 0)).toBeUndefined()
  })

  it('go with their task, on every host', async () => {
    const results = serve(folder())
    await results.logs.keep(attempt, 'session', from('one\n'))
    await results.logs.keep({ ...attempt, id: 'task-12' }, 'session', from('other\n'))
    await results.logs.remove(attempt.id)
    expect(await results.logs.read(attempt, 'session', 0)).toBeUndefined()
    expect([...stored.keys()]).toEqual(['logs/task-12/1-session.log'])
  })
})

it.each([
  ['half of it came', 'the first half'],
  ['nothing came', ''],
])('a file that cannot be brought here whole is not here: %s', async (_, came) => {
  const stateDir = folder()
  const file = path.join(stateDir, 'packs', 'one.bundle')
  const broken: BlobStore = {
    ...blobs,
    async get() {
      return (async function* () {
        if (came !== '') yield Buffer.from(came)
        throw new Error('it went away')
      })()
    },
  }
  await expect(keptFiles(stateDir, broken).bring(file)).rejects.toThrow('it went away')
  expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false])
})

it('a file of a task that is over goes, in the database too', async () => {
  const stateDir = folder()
  const files = keptFiles(stateDir, blobs)
  const packs = path.join(stateDir, 'packs')
  await mkdir(packs)
  for (const name of ['live', 'over']) {
    writeFileSync(path.join(packs, name), name)
    await files.keep(path.join(packs, name))
  }
  await files.prune(packs, name => name === 'over')
  expect([...stored.keys()]).toEqual(['packs/live'])
})

describe('what is made of a result', () => {
  it('to land it is there on another host, which checks it and moves the branch to it', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    const { result, salvage } = await bringHome(scene, scene.task, scene.agent)
    const facts = { ...scene.task.facts, salvage }
    const task = { ...scene.task, result, facts, completedAt: Date.UTC(2026, 10, 30) }
    const made = await commitOnto(await scene.results.of(task), task, scene.base, true)
    const landing = `${scene.ref}-landing ${made.kind === 'clean' ? made.commit : made.kind}`
    expect(await refsAt(serve(folder()))).toContain(landing)
  })

  it('to answer a pull request from is there on another host, with the conversation', async () => {
    const commit = scene.commit({ 'a.txt': 'two\n' })
    gives(commit)
    scene.gives.set(`${scene.ref}-session`, scene.base)
    await bringHome(scene, scene.task, scene.agent)
    await nameStart(await scene.results.of(scene.task), scene.ref, commit)
    const refs = await refsAt(serve(folder()))
    expect(refs).toEqual(
      expect.arrayContaining([`${scene.ref}-start ${commit}`, `${scene.ref}-start-session ${scene.base}`]),
    )
  })
})
