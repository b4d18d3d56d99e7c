/** Artifacts at home: what is named and came is kept by its path, the newest of each, and goes when its time is over. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { artifactsAtHome, writeArtifact } from '../../../../daemon/results/receive/artifacts.ts'
import type { Repository } from '../../../../daemon/results/repository.ts'
import type { Artifact, Artifacts } from '../../../../src/core/saved.ts'
import type { Task } from '../../../../src/core/task.ts'
import { gitIn, type ResultsScene, resultsScene } from './node.ts'

let scene: ResultsScene
let repository: Repository
let full: boolean
beforeEach(async () => {
  full = false
  scene = resultsScene({
    assertRoom() {
      if (full) throw new Error('the disk is low')
    },
  })
  repository = await scene.results.of(scene.task)
})

const artifact = (name: string, text: string, change: Partial<Artifact> = {}): Artifact => ({
  ...{ path: name, bytes: Buffer.byteLength(text), sha256: `of ${text}`.padEnd(64, '0'), from: 'check' },
  ...change,
})
const blob = (text: string) => gitIn(scene.node, 'rev-parse', `HEAD:${text}`)

/** What a node names, in a commit that it has. */
function named(files: Record<string, string>, change: Partial<Artifact> = {}): Artifacts {
  const commit = scene.commit(files)
  return { commit, list: Object.entries(files).map(([name, text]) => artifact(name, text, change)) }
}
/** A task whose agent left these. */
const having = (files: Artifacts | null): Task => ({
  ...scene.task,
  facts: { ...scene.task.facts, salvage: { ...scene.says, files } },
})
const given: string[][] = []
/** The node gives a bundle of it, or none. */
const giving =
  ({ commit }: Artifacts, isNew = true) =>
  async (have: readonly string[], file: string) => {
    given.push([...have])
    if (!isNew) return false
    gitIn(scene.node, 'update-ref', 'refs/given', commit)
    gitIn(scene.node, 'bundle', 'create', '-q', file, 'refs/given')
    return true
  }
const kept = () => scene.home('for-each-ref', '--format=%(refname) %(objectname)', 'refs/tdf/*/*-files')

describe('what a check left', () => {
  it('is kept beside the result with what the agent left, of two with one path the newer', async () => {
    const before = named({ 'a.xml': 'one', 'b.xml': 'b' }, { from: 'agent' })
    await scene.results.keepArtifacts(having(null), before, giving(before))
    const first = await artifactsAtHome(repository, null, before)
    const now = named({ 'a.xml': 'two', 'c.xml': 'c' })
    const found = await scene.results.keepArtifacts(having(first), now, giving(now))
    expect(given.at(-1)).toEqual([before.commit])
    expect(found.commit).toBe(now.commit)
    expect(found.list.map(one => [one.path, one.from, one.bytes])).toEqual([
      ['a.xml', 'check', 3],
      ['b.xml', 'agent', 1],
      ['c.xml', 'check', 1],
    ])
    expect(found.list[0]?.blob).toBe(blob('a.xml'))
    expect(await kept()).toBe(`${scene.ref}-files ${now.commit}`)
    // The same content is what it was, whoever leaves it again.
    const again = { ...now, list: [artifact('a.xml', 'two', { from: 'agent' })] }
    expect((await artifactsAtHome(repository, found, again))?.list[0]).toEqual(found.list[0])
  })

  it('is asked for once: what is there already has no bundle', async () => {
    const left = named({ 'a.xml': 'one' })
    await scene.results.keepArtifacts(having(null), left, giving(left))
    expect((await scene.results.keepArtifacts(having(null), left, giving(left, false))).list).toHaveLength(1)
  })

  it('is what came: a name without content of its length is none, and one without its commit is refused', async () => {
    const left = named({ 'a.xml': 'one' })
    const list = [artifact('a.xml', 'longer'), artifact('nowhere.xml', 'one')]
    expect((await scene.results.keepArtifacts(having(null), { ...left, list }, giving(left))).list).toEqual([])
    const gone = { commit: 'f'.repeat(40), list }
    const refused = scene.results.keepArtifacts(having(null), gone, async () => false)
    await expect(refused).rejects.toMatchObject({ code: 'RESULT_BROKEN' })
  })

  it('is not fetched while there is no room', async () => {
    full = true
    const left = named({ 'a.xml': 'one' })
    await expect(scene.results.keepArtifacts(having(null), left, giving(left))).rejects.toThrow('the disk is low')
  })

  it('is nothing where nothing was named, and what was there stays', async () => {
    const before = { commit: scene.base, list: [artifact('a.xml', 'one')] }
    expect(await artifactsAtHome(repository, undefined, null)).toBeNull()
    expect(await artifactsAtHome(repository, before, undefined)).toBe(before)
  })
})

describe('an artifact', () => {
  it('is written as it was, by its whole path', async () => {
    const left = named({ 'a.xml': 'one\n' })
    const files = await scene.results.keepArtifacts(having(null), left, giving(left))
    const file = path.join(scene.root, 'written')
    await writeArtifact(repository, having(files), 'a.xml', file)
    expect(readFileSync(file, 'utf8')).toBe('one\n')
    const refused = { code: 'NOT_FOUND', hint: `tdf artifacts ${scene.task.id}` }
    await expect(writeArtifact(repository, having(files), 'a', file)).rejects.toMatchObject(refused)
    const withoutContent = { ...left, list: [artifact('a.xml', 'one\n')] }
    await expect(writeArtifact(repository, having(withoutContent), 'a.xml', file)).rejects.toMatchObject(refused)
    await expect(writeArtifact(repository, having(null), 'a.xml', file)).rejects.toMatchObject(refused)
  })

  it('goes with those of its attempt when that is forgotten, and others stay', async () => {
    const left = named({ 'a.xml': 'one' })
    for (const attempt of [1, 2]) {
      await scene.results.keepArtifacts({ ...having(null), attempt }, left, giving(left))
    }
    await repository.must(['update-ref', `${scene.ref}-others/earlier-1/files`, left.commit])
    await repository.must(['update-ref', `${scene.ref}-others/files`, left.commit])
    const asked: object[] = []
    const forget = async (key: { id: string; attempt: number }) => {
      asked.push(key)
      return key.attempt === 1
    }
    expect(await scene.results.removeArtifacts(forget)).toBe(2)
    const { id } = scene.task
    expect(asked).toEqual([
      { id, attempt: 1 },
      { id, attempt: 1 },
      { id, attempt: 2 },
    ])
    expect(await kept()).toBe(`refs/tdf/${id}/2-files ${left.commit}`)
    expect(await scene.home('rev-parse', `${scene.ref}-others/files`)).toBe(left.commit)
  })
})
