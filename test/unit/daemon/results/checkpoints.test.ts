/** What a run had done so far, what goes on from it, and what people read of a result: each from our own repository. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { bringHome, saveCheckpoint } from '../../../../daemon/results/bring-home.ts'
import { bundleResult, writeDiff } from '../../../../daemon/results/bundles.ts'
import type { Task } from '../../../../src/core/task.ts'
import { besideRef, gitIn, type ResultsScene, resultsScene } from './node.ts'

let scene: ResultsScene
const CHECKPOINT = 'refs/tdf-checkpoint/t1/1'
beforeEach(() => {
  scene = resultsScene()
})
const file = (name: string) => path.join(scene.root, name)

describe('a checkpoint', () => {
  const save = () => saveCheckpoint(scene, scene.task, scene.agent)
  const take = () => scene.results.takeCheckpoint(scene.task)

  /** The agent has done this so far. */
  function did(commit: string, side?: string): void {
    const saved = side === undefined ? [] : [besideRef(`${CHECKPOINT}-heads/x`, 'branch', 'x', side)]
    scene.says = { ...scene.says, commit, ahead: 1, salvaged: true, saved }
    scene.gives = new Map([[CHECKPOINT, commit], ...saved.map(({ ref, commit: at }): [string, string] => [ref, at])])
  }

  it('stands beside the result and is none, until it is taken for want of a better one', async () => {
    const [commit, side] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'b.txt': 'side\n' })]
    did(commit, side)
    await save()
    expect(scene.asked).toEqual([`salvage ${CHECKPOINT} live`, `bundle ${CHECKPOINT}`])
    expect(await scene.refs()).toEqual({
      ...{ [CHECKPOINT]: commit, [`${CHECKPOINT}-heads/x`]: side, [`${CHECKPOINT}-base`]: scene.base },
      [`${CHECKPOINT}-answer`]: expect.any(String),
    })
    const beside = { ...besideRef(`${scene.ref}-heads/x`, 'branch', 'x', side) }
    expect(await take()).toEqual({ ...scene.says, saved: [beside] })
    const results = Object.entries(await scene.refs()).filter(([name]) => name.startsWith('refs/tdf/'))
    expect(Object.fromEntries(results)).toEqual({ [scene.ref]: commit, [`${scene.ref}-heads/x`]: side })
    expect(existsSync(`${scene.results.downloadFile(scene.task)}.checkpoint`)).toBe(false)
  })

  it('that says nothing new is not fetched again; a newer one needs only what is new', async () => {
    const [one, side] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'b.txt': 'side\n' })]
    did(one, side)
    await save()
    await save()
    expect(scene.asked.filter(call => call.startsWith('bundle'))).toHaveLength(1)
    const two = scene.commit({ 'a.txt': 'three\n' }, one)
    did(two)
    await save()
    expect(await take()).toMatchObject({
      ...{ commit: two, baseCommit: scene.base },
      // What was at home by then stays.
      saved: [besideRef(`${scene.ref}-heads/x`, 'branch', 'x', side)],
    })
  })

  it('there is none before the first, nor of a task without a workspace', async () => {
    expect(await take()).toBeNull()
    await saveCheckpoint(scene, { ...scene.task, workspaceId: null }, scene.agent)
    expect(scene.asked).toEqual([])
  })

  it('whose objects did not come is none', async () => {
    const commit = scene.commit({ 'a.txt': 'two\n' })
    did(commit)
    scene.gives = new Map()
    await expect(save()).rejects.toMatchObject({ message: `commit ${commit} did not come home` })
    expect(await take()).toBeNull()
  })

  it('of an older version counts by its commit and its marks', async () => {
    const commit = scene.commit({ 'a.txt': 'two\n' })
    did(commit)
    await save()
    await scene.home('update-ref', '-d', `${CHECKPOINT}-answer`)
    const old = { commit, baseCommit: scene.base, ahead: 1, salvaged: false, saved: [], leftOut: [] }
    expect(await take()).toEqual(old)
    await scene.home('update-ref', `${CHECKPOINT}-salvaged`, commit)
    expect(await take()).toEqual({ ...old, salvaged: true })
    expect((await scene.refs())[scene.ref]).toBe(commit)
    await scene.home('update-ref', '-d', `${CHECKPOINT}-base`)
    expect(await take()).toBeNull()
  })

  it('whose commit was moved without its answer is read as one of an older version', async () => {
    const [one, two] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'a.txt': 'three\n' })]
    did(one, two)
    await save()
    await scene.home('update-ref', CHECKPOINT, two)
    expect(await take()).toMatchObject({ commit: two, salvaged: false, saved: [] })
  })

  it('whose answer is damaged is said to be, and one that says too little is none', async () => {
    did(scene.commit({ 'a.txt': 'two\n' }))
    await save()
    const answers = async (text: string) => {
      writeFileSync(file('answer'), text)
      const blob = await scene.home('hash-object', '-w', file('answer'))
      await scene.home('update-ref', `${CHECKPOINT}-answer`, blob)
      return take()
    }
    await expect(answers('{"commit":')).rejects.toMatchObject({ code: 'RESULT_BROKEN' })
    expect(await answers('{"commit":"x"}')).toMatchObject({ salvaged: false })
  })
})

describe('a result that is there', () => {
  let task: Task
  let commit: string
  let side: string
  beforeEach(async () => {
    commit = scene.commit({ 'a.txt': 'one\ntwo\n', 'b.bin': 'x\0y' })
    side = scene.commit({ 'c.txt': 'side\n' })
    const beside = besideRef(`${scene.ref}-heads/x`, 'branch', 'x', side)
    scene.says = { ...scene.says, commit, ahead: 1, saved: [beside] }
    scene.gives = new Map([[scene.ref, commit], [beside.ref, side], [`${scene.ref}-session`, side]]) // biome-ignore format: a table
    const { salvage, result } = await bringHome(scene, scene.task, scene.agent)
    task = { ...scene.task, result, facts: { salvage } }
  })

  const heads = (name: string) =>
    gitIn(scene.root, 'bundle', 'list-heads', file(name))
      .split('\n')
      .map(line => line.split(' ').reverse())

  it('is written as a patch that git can apply, or as its summary', async () => {
    const repository = await scene.results.of(task)
    await writeDiff(repository, task, false, file('patch'))
    const patch = readFileSync(file('patch'), 'utf8')
    expect(patch).toContain('+two\n')
    expect(patch).toContain('GIT binary patch')
    gitIn(scene.node, 'checkout', '-q', '--detach', scene.base)
    gitIn(scene.node, 'apply', file('patch'))
    await writeDiff(repository, task, true, file('stat'))
    expect(readFileSync(file('stat'), 'utf8')).toMatch(/a\.txt \|\s+1 \+[\s\S]*2 files changed, 1 insertion/)
  })

  it('is bundled whole, or by the names that are wanted, without what is there already', async () => {
    const repository = await scene.results.of(task)
    const bundle = (name: string, have: string[], wanted: string[]) =>
      bundleResult(repository, task, { have, wanted }, file(name))
    expect(await bundle('one', [], [])).toBe(true)
    expect(heads('one')).toEqual([[scene.ref, commit]])
    expect(await bundle('two', [scene.base], [`${scene.ref}-heads/x`, 'refs/tdf/other/1'])).toBe(true)
    expect(heads('two')).toEqual([[`${scene.ref}-heads/x`, side]])
    expect(gitIn(scene.node, 'bundle', 'verify', file('two'))).toContain(scene.base)
    expect(await bundle('three', ['f'.repeat(40), scene.base, commit], [])).toBe(false)
    expect(existsSync(file('three'))).toBe(false)
  })

  it.each([
    ['no result', { result: null }],
    ['no saved refs', { facts: {} }],
  ])('while there is %s nothing is given, with the command that says why', async (_, change) => {
    const none = { code: 'NO_RESULT', message: 'task t1 has no result yet: it is delegated', hint: 'tdf why t1' }
    const repository = await scene.results.of(task)
    await expect(writeDiff(repository, { ...task, ...change }, false, file('x'))).rejects.toMatchObject(none)
    const wish = { have: [], wanted: [] }
    await expect(bundleResult(repository, { ...task, ...change }, wish, file('x'))).rejects.toMatchObject(none)
  })

  it('is packed with its conversation, for the machine where the work goes on', async () => {
    const resume = { ref: scene.ref, commit, baseCommit: scene.base, salvaged: false, resumeRef: 'c1' }
    const { bytes, sha256 } = await scene.results.pack(task, resume)
    const packed = scene.results.packFile(task)
    expect([bytes, sha256]).toEqual([readFileSync(packed).length, expect.stringMatching(/^[0-9a-f]{64}$/)])
    const names = gitIn(scene.root, 'bundle', 'list-heads', packed)
    expect(names.split('\n').sort()).toEqual([`${commit} ${scene.ref}`, `${side} ${scene.ref}-session`].sort())
    await scene.home('update-ref', '-d', `${scene.ref}-session`)
    await scene.results.pack(task, resume)
    expect(gitIn(scene.root, 'bundle', 'list-heads', packed)).toBe(`${commit} ${scene.ref}`)
    const left = scene.results.pack(task, resume, AbortSignal.abort(new Error('given up')))
    await expect(left).rejects.toThrow()
    expect(gitIn(scene.root, 'bundle', 'list-heads', packed)).toBe(`${commit} ${scene.ref}`)
    const message = `${scene.ref} is ${commit}, and ${side} was saved`
    const moved = scene.results.pack(task, { ...resume, commit: side })
    await expect(moved).rejects.toMatchObject({ code: 'RESULT_BROKEN', message })
  })
})
