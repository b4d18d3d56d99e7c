/** Content of files in Git LFS with real git-lfs: had once from its server, said where it is not, and brought there before a branch. */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bundleLarge } from '../../../../daemon/results/bundles.ts'
import { pushLarge } from '../../../../daemon/results/push/large.ts'
import type { Repository } from '../../../../daemon/results/repository.ts'
import { type LargeCall, largeFor } from '../../../../daemon/results/sources/large.ts'
import { largeOf } from '../../../../src/core/source.ts'
import type { Task } from '../../../../src/core/task.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { gitIn, type ResultsScene, resultsScene } from '../../../unit/daemon/results/node.ts'

const AWAY = 'http://127.0.0.1:1/web.git'
const { signal } = new AbortController()

let scene: ResultsScene
let repository: Repository
let server: GitServer
let told: string[]
beforeEach(async () => {
  scene = resultsScene()
  repository = await scene.results.of(scene.task)
  const served = path.join(scene.root, 'served')
  mkdirSync(served)
  server = await gitServer(served, null)
  told = []
})
afterEach(() => server.close())

const url = () => `${server.url}/web.git`
const shaOf = (content: string) => createHash('sha256').update(content).digest('hex')
const pointer = (content: string) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${shaOf(content)}\nsize ${Buffer.byteLength(content)}\n`

/** A commit at home with a file in Git LFS for each of the contents, and others as they are. */
function commit(contents: Record<string, string>, files: Record<string, string> = {}): string {
  const pointers = Object.entries(contents).map(([name, content]) => [name, pointer(content)])
  const made = scene.commit({ '.gitattributes': '*.bin filter=lfs\n', ...Object.fromEntries(pointers), ...files })
  gitIn(scene.node, 'push', '-q', '--no-verify', repository.dir, `${made}:refs/kept/${made}`)
  return made
}
const has = (...contents: string[]) => {
  for (const content of contents) server.large.objects.set(shaOf(content), Buffer.from(content))
}
const call = (change: Partial<LargeCall> = {}): LargeCall => ({
  ...{ url: url(), leftMs: () => 60_000, signal, onProgress: text => told.push(text) },
  ...{ folder: path.join(scene.root, 'fetching'), accessTo: async () => ({ env: {} }) as never },
  ...change,
})

describe('a commit', () => {
  it('without files in Git LFS has none, and nothing is asked', async () => {
    expect(await largeFor(repository, scene.base, call())).toEqual({ refs: new Map(), missing: null })
    expect(told).toEqual([])
  })

  it('has the content of its files by one name, and it is fetched once', async () => {
    has('one', 'two')
    const made = commit({ 'x.bin': 'one', 'y.bin': 'two', 'z.bin': 'two' })
    const found = await largeFor(repository, made, call())
    expect([found.missing, found.refs.size, server.large.downloads()]).toEqual([null, 1, 2])
    expect(told[0]).toBe('fetching 2 files in Git LFS')
    const [[, kept = ''] = []] = found.refs
    const contents = gitIn(repository.dir, 'ls-tree', '-r', '--format=%(objectname)', kept).split('\n')
    const read = contents.map(blob => gitIn(repository.dir, 'cat-file', 'blob', blob))
    expect(read).toEqual(expect.arrayContaining(['one', 'two']))
    expect(gitIn(repository.dir, 'for-each-ref', '--format=%(objectname)', 'refs/tdf-base-large')).toBe(kept)
    expect(await largeFor(repository, made, call())).toEqual(found)
    expect(await largeFor(repository, made, null)).toEqual(found)
    expect(server.large.downloads()).toBe(2)
    // One that has a part of it names that part.
    const less = await largeFor(repository, commit({ 'x.bin': 'one' }), null)
    const [[, part = ''] = []] = less.refs
    const blobs = gitIn(repository.dir, 'ls-tree', '-r', '--format=%(objectname)', part).split('\n')
    expect(blobs.map(blob => gitIn(repository.dir, 'cat-file', 'blob', blob))).toEqual(['one'])
  })

  it('has pointers where the content is not here, and says how many and why', async () => {
    has('one')
    const made = commit({ 'x.bin': 'one', 'y.bin': 'two' })
    const missing = '2 of 2 files in Git LFS are pointers: their content is not here'
    expect(await largeFor(repository, made, null)).toEqual({ refs: new Map(), missing })
    const some = await largeFor(repository, made, call())
    expect([some.refs.size, some.missing]).toEqual([
      1,
      expect.stringMatching(/^1 of 2 files in Git LFS are pointers: /),
    ])
  })

  it('whose server is away is waited for, and one that names no server to be asked has pointers', async () => {
    const made = commit({ 'x.bin': 'one' })
    await expect(largeFor(repository, made, call({ url: AWAY }))).rejects.toMatchObject({
      ...{ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining(`files in Git LFS of ${AWAY} did not come`) },
    })
    const config = { '.lfsconfig': '[lfs]\n  url = file:///etc\n' }
    const named = await largeFor(repository, commit({ 'x.bin': 'one' }, config), call())
    expect(named.missing).toMatch(/: \.lfsconfig names a server that is not asked$/)
  })

  it('names a server of its own, which is asked with what is meant for it', async () => {
    has('one')
    const asked: string[] = []
    const accessTo = async (to: string) => {
      asked.push(to)
      return { env: {} } as never
    }
    const config = { '.lfsconfig': `[lfs]\n  url = ${server.url}/other.git/info/lfs\n` }
    const found = await largeFor(repository, commit({ 'x.bin': 'one' }, config), call({ url: AWAY, accessTo }))
    expect([found.missing, asked]).toEqual([null, [`${server.url}/other.git/info/lfs`]])
  })
})

describe('a branch', () => {
  /** A result whose content stands beside it. */
  async function result(contents: Record<string, string>, files: Record<string, string> = {}): Promise<string> {
    has(...Object.values(contents))
    const made = commit(contents)
    const { refs } = await largeFor(repository, made, call())
    const [[, kept = ''] = []] = refs
    await repository.must(['update-ref', largeOf(scene.ref), kept])
    server.large.objects.clear()
    return Object.keys(files).length === 0 ? made : commit(contents, files)
  }
  const push = (commitId: string, remote = url()) =>
    pushLarge(repository, { push: { remote, commitId }, ref: scene.ref, tokenOf: () => null, signal })

  it('has its content at the server first, and one without such files asks nobody', async () => {
    expect(await push(scene.base, AWAY)).toEqual({ kind: 'pushed' })
    const made = await result({ 'x.bin': 'one', 'y.bin': 'two' })
    expect(await push(made)).toEqual({ kind: 'pushed' })
    expect([...server.large.objects.keys()].sort()).toEqual([shaOf('one'), shaOf('two')].sort())
  })

  it('gives its content to the CLI as a bundle, where it has any', async () => {
    const file = path.join(scene.root, 'content.bundle')
    const over = { ...scene.task, result: {}, facts: { salvage: scene.says } } as Task
    expect(await bundleLarge(repository, over, file)).toBe(false)
    await result({ 'x.bin': 'one' })
    expect(await bundleLarge(repository, over, file)).toBe(true)
    expect(gitIn(scene.root, 'bundle', 'list-heads', file)).toContain(largeOf(scene.ref))
    await expect(bundleLarge(repository, scene.task, file)).rejects.toMatchObject({ code: 'NO_RESULT' })
  })

  it('goes nowhere where its content cannot: said with how many files, and tried again while the server is away', async () => {
    const config = { '.lfsconfig': '[lfs]\n  url = file:///etc\n' }
    const why = 'in Git LFS cannot go along: .lfsconfig names a server that is not asked'
    expect(await push(await result({ 'x.bin': 'one' }, config))).toEqual({ kind: 'refused', why: `a file ${why}` })
    const two = await result({ 'x.bin': 'one', 'y.bin': 'two' }, config)
    expect(await push(two)).toEqual({ kind: 'refused', why: `2 files ${why}` })
    const away = await push(await result({ 'x.bin': 'one' }), AWAY)
    expect(away).toEqual({ kind: 'failed', why: expect.stringMatching(/^files in Git LFS were not taken: /) })
  })
})
