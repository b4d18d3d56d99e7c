/** How work comes home: every object first, then all names at once; nothing that is at home goes, nothing of others is named. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { bringArtifacts, bringHome } from '../../../../daemon/results/bring-home.ts'
import { writeArtifact } from '../../../../daemon/results/receive/artifacts.ts'
import type { Task } from '../../../../src/core/task.ts'
import { besideRef, gitIn, type ResultsScene, resultsScene } from './node.ts'

let scene: ResultsScene
let room: { assertRoom(): void }
beforeEach(() => {
  room = { assertRoom() {} }
  scene = resultsScene(room)
})

const bring = (task: Task = scene.task) => bringHome(scene, task, scene.agent)

/** The agent says that this is the result, and its bundle has it, with what else is given. */
function gives(commit: string, beside: Record<string, string> = {}): void {
  scene.says = { ...scene.says, commit, ahead: 1 }
  scene.gives = new Map([[scene.ref, commit]])
  for (const [suffix, oid] of Object.entries(beside)) scene.gives.set(scene.ref + suffix, oid)
}
const downloads = () => readdirSync(path.join(scene.root, 'downloads'))
const refused = (message: string | RegExp) => ({
  ...{ code: 'RESULT_BROKEN', message: typeof message === 'string' ? message : expect.stringMatching(message) },
})

describe('a result', () => {
  it('is at home under its name, and is described by what our own copy holds', async () => {
    const commit = scene.commit({ 'a.txt': 'one\ntwo\nthree\n', 'b.bin': 'x\0y', 'c.txt': 'new\n' })
    gives(scene.commit({ 'a.txt': 'two\n' }, commit))
    const exit = { exitCode: 0, summary: 'did it' } as Task['facts']['exit']
    const task = { ...scene.task, facts: { ...scene.task.facts, ...(exit && { exit }) } }
    const { result, missing, salvage } = await bring(task)
    expect(result).toEqual({
      ...{ branch: 'tdf/say-hi', commit: scene.says.commit, ahead: 2, filesChanged: 3, insertions: 2, deletions: 1 },
      ...{ summary: 'did it', salvaged: false, check: null },
    })
    expect([missing, salvage]).toEqual([[], scene.says])
    expect(await scene.refs()).toEqual({ [scene.ref]: scene.says.commit })
    expect(await scene.results.have(scene.task, scene.says)).toEqual([scene.base])
    expect([downloads(), scene.asked]).toEqual([[], [`salvage ${scene.ref}`, `bundle ${scene.ref}`]])
  })

  it('comes with the content of files in Git LFS, which has the hash that it is called by or is not taken', async () => {
    const named = (text: string) => createHash('sha256').update(text).digest('hex')
    const large = (name: string) => gitIn(scene.node, 'rev-parse', scene.commit({ 'a.txt': null, [name]: 'content' }))
    const commit = scene.commit({ 'a.txt': 'two\n' })
    gives(commit, { '-large': large(named('content')) })
    await bring()
    expect(await scene.home('cat-file', 'blob', `${scene.ref}-large:${named('content')}`)).toBe('content')
    for (const [name, why] of [
      [named('other'), /has another hash/],
      ['x.bin', /is no file of Git LFS/],
    ] as const) {
      scene = resultsScene(room)
      gives(scene.commit({ 'a.txt': 'two\n' }), { '-large': large(name) })
      await expect(bring()).rejects.toMatchObject(refused(why))
      expect(await scene.refs()).toEqual({})
    }
    expect(downloads()).toEqual([])
  })

  it('that is here already needs no bundle, and coming again changes nothing', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    const first = await bring()
    scene.gives = new Map()
    expect(await bring()).toEqual(first)
    expect(await scene.refs()).toEqual({ [scene.ref]: scene.says.commit })
  })

  it('comes on top of the repository that was uploaded, of which it has no history', async () => {
    const sha256 = 'f'.repeat(64)
    gitIn(scene.node, 'branch', 'uploaded', scene.base)
    gitIn(scene.node, 'bundle', 'create', '-q', path.join(scene.root, `${sha256}.bundle`), 'refs/heads/uploaded')
    const repo = {
      kind: 'bundle' as const,
      url: '/r',
      ref: 'refs/heads/uploaded',
      baseCommit: scene.base,
      sha256,
      bytes: 1,
    }
    scene.task = { ...scene.task, spec: { ...scene.task.spec, repo } }
    gives(scene.commit({ 'a.txt': 'two\n' }))
    expect((await bring()).result).toMatchObject({ ahead: 1, filesChanged: 1 })
    expect(scene.had).toEqual([scene.base])
    expect(await scene.home('for-each-ref', '--format=%(refname)', 'refs/tdf-base')).toBe(`refs/tdf-base/${scene.base}`)
  })

  it('of a resumed attempt begins where the task began, and keeps that tdf made a commit of it', async () => {
    const middle = scene.commit({ 'a.txt': 'two\n' })
    gives(scene.commit({ 'a.txt': 'three\n' }, middle))
    scene.says.baseCommit = middle
    const resume = { ref: scene.ref, commit: middle, baseCommit: scene.base, salvaged: true, resumeRef: null }
    const { result } = await bring({ ...scene.task, facts: { resume } })
    expect(result).toMatchObject({ ahead: 2, salvaged: true })
    const plain = await bring({ ...scene.task, facts: { resume: { ...resume, salvaged: false } } })
    expect(plain.result.salvaged).toBe(false)
  })

  it('is not named while an object of it is missing', async () => {
    const [commit, other] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'a.txt': 'other\n' })]
    gives(commit)
    scene.says.saved = [besideRef(`${scene.ref}-heads/x`, 'branch', 'x', other)]
    await expect(bring()).rejects.toMatchObject(refused(`commit ${other} did not come home`))
    expect([await scene.refs(), downloads()]).toEqual([{}, []])
  })

  it('is refused where it is no commit, and where the bundle says something else than the agent', async () => {
    const commit = scene.commit({ 'a.txt': 'two\n' })
    gives(commit)
    const tree = gitIn(scene.node, 'rev-parse', `${commit}^{tree}`)
    scene.says.saved = [besideRef(`${scene.ref}-heads/x`, 'branch', 'x', tree)]
    await expect(bring()).rejects.toMatchObject(refused(`commit ${tree} did not come home`))
    scene.says.saved = []
    scene.says.commit = scene.base
    await expect(bring()).rejects.toMatchObject(refused(`the bundle holds ${commit}, the agent spoke of ${scene.base}`))
    expect(await scene.refs()).toEqual({})
  })

  it('of a task without a workspace is a mistake of ours', async () => {
    await expect(bring({ ...scene.task, workspaceId: null })).rejects.toMatchObject({ code: 'BUG' })
  })

  it('does not come while there is no room', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    room.assertRoom = () => {
      throw new Error('the disk is low')
    }
    await expect(bring()).rejects.toThrow('the disk is low')
    expect([scene.asked, existsSync(path.join(scene.root, 'downloads'))]).toEqual([[`salvage ${scene.ref}`], false])
  })
})

describe('what was saved beside a result', () => {
  it('comes home by its kind, in the words of the agent or for itself', async () => {
    const [commit, side] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'b.txt': 'side\n' })]
    const beside = { '-heads/x/y': side, '-stash/0': side, '-worktrees/w': side, '-log': commit, '-session': commit }
    gives(commit, beside)
    const said = besideRef(`${scene.ref}-stash/0`, 'stash', 'stash@{0}', side)
    scene.says.saved = [said]
    const { salvage, missing } = await bring()
    expect(salvage.saved).toEqual([
      said,
      { ...besideRef(`${scene.ref}-heads/x/y`, 'branch', 'x/y', side), ahead: 0 },
      { ...besideRef(`${scene.ref}-worktrees/w`, 'worktree', 'w', side), ahead: 0 },
    ])
    const names = Object.keys(await scene.refs())
    expect(names.sort()).toEqual([scene.ref, ...Object.keys(beside).map(suffix => scene.ref + suffix)].sort())
    expect(missing).toEqual([])
  })

  it('is nothing that is not named as ours, and nothing with a name that git does not take', async () => {
    const commit = scene.commit({ 'a.txt': 'two\n' })
    gives(commit)
    const unsafe = [
      'a b',
      'a..b',
      'a.lock',
      'a.lock/b',
      'a~1',
      'a^',
      'a:b',
      'a?',
      'a*',
      'a@{b',
      'a//b',
      'a/.b',
      'a/',
      'a.',
    ]
    const suffixes = ['-heads', '-heads/', '-secret/x', '-logs', '1', '/x', 'x-heads/y']
    const names = [
      ...[...unsafe, 'a\nb', 'a[b', 'a\\b'].map(name => `${scene.ref}-heads/${name}`),
      ...suffixes.map(suffix => scene.ref + suffix),
      ...['refs/heads/main', 'refs/tdf/other/1', 'refs/tdf/other/1-heads/x'],
    ]
    scene.says.saved = names.map(name => besideRef(name, 'branch', name, commit))
    for (const name of ['refs/heads/main', 'refs/tdf/other/1-heads/x', `${scene.ref}-secret/x`])
      scene.gives.set(name, commit)
    const { salvage, missing } = await bring()
    expect(salvage.saved).toEqual([])
    // What is not taken is still only in the workspace, which may not go.
    expect(missing).toEqual(names)
    expect(await scene.home('for-each-ref', '--format=%(refname)')).toBe(
      [scene.ref, `refs/tdf-base/${scene.base}`].sort().join('\n'),
    )
  })

  it('is never replaced: what had the name before goes on under a name of its own', async () => {
    const [commit, one, two] = ['two\n', 'side one\n', 'side two\n'].map(text => scene.commit({ 'a.txt': text }))
    const name = `${scene.ref}-heads/topic`
    gives(commit ?? '', { '-heads/topic': one ?? '', '-heads/same': one ?? '' })
    const first = await bring()
    const task = { ...scene.task, facts: { salvage: first.salvage } }
    gives(commit ?? '', { '-heads/topic': two ?? '', '-heads/same': one ?? '' })
    const { salvage, missing } = await bring(task)
    const aside = `${scene.ref}-others/earlier-${one?.slice(0, 12)}/heads/topic`
    expect(salvage.saved.map(({ ref, commit: at }) => [ref, at])).toEqual([
      [aside, one],
      [`${scene.ref}-heads/same`, one],
      [name, two],
    ])
    expect(await scene.refs()).toMatchObject({ [aside]: one, [name]: two, [`${scene.ref}-heads/same`]: one })
    expect(missing).toEqual([])
  })

  it.each([
    ['topic', 'topic/a'],
    ['topic/a', 'topic'],
  ])('moves aside where %s is followed by %s, which git cannot hold beside it', async (earlier, later) => {
    const [commit, side] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'b.txt': 'side\n' })]
    gives(commit, { [`-heads/${earlier}`]: side })
    await bring()
    gives(commit, { [`-heads/${later}`]: side })
    await bring()
    const aside = `${scene.ref}-others/earlier-${side.slice(0, 12)}/heads/${earlier}`
    expect(await scene.refs()).toEqual({ [scene.ref]: commit, [`${scene.ref}-heads/${later}`]: side, [aside]: side })
  })
})

it('work that comes after a verdict stands beside the commit that was judged', async () => {
  const [judged, late] = [scene.commit({ 'a.txt': 'two\n' }), scene.commit({ 'a.txt': 'late\n' })]
  gives(judged)
  const { result } = await bring()
  let task: Task = { ...scene.task, result, facts: { kept: true } }
  expect((await bring(task)).salvage).toMatchObject({ commit: judged, saved: [] })
  gives(late, { '-heads/x': late })
  const x = { ...besideRef(`${scene.ref}-heads/x`, 'branch', 'x', late), ahead: 0 }
  for (const _ of [1, 2]) {
    const { salvage, result: described } = await bring(task)
    // What is known of it by then.
    task = { ...task, facts: { ...task.facts, salvage } }
    const beside = { ...besideRef(`${scene.ref}-others/late`, 'branch', 'late', late), ahead: 1 }
    expect([salvage.commit, salvage.saved, described.commit]).toEqual([judged, [x, beside], judged])
    expect(await scene.refs()).toEqual({ [scene.ref]: judged, [x.ref]: late, [beside.ref]: late })
  }
})

it('work that is kept for a verdict that was never given is the result', async () => {
  gives(scene.commit({ 'a.txt': 'two\n' }))
  const { salvage } = await bring({ ...scene.task, facts: { kept: true } })
  expect(salvage.commit).toBe(scene.says.commit)
})

describe('artifacts', () => {
  const sha256 = (digit: string) => digit.repeat(64)
  /** A commit of its own with such files, and what the node says of them. */
  function holds(files: Record<string, string>, from: 'agent' | 'check' = 'agent', on?: string) {
    const commit = scene.commit(files, on)
    const list = Object.entries(files).map(([name, text]) => {
      return { path: name, bytes: text.length, sha256: sha256(String(text.length)), from }
    })
    return { commit, list }
  }
  const shown = (task: Task) => task.facts.salvage?.files?.list.map(({ path, from }) => `${path} ${from}`)
  const withSalvage = (task: Task, salvage: Task['facts']['salvage']): Task => ({
    ...task,
    facts: { ...task.facts, ...(salvage && { salvage }) },
  })

  it('are at home beside the result, and only what is there as the node said', async () => {
    const files = holds({ 'shot.png': 'png', 'log.txt': 'text' })
    gives(scene.commit({ 'a.txt': 'two\n' }), { '-files': files.commit })
    const odd = { bytes: 9, sha256: sha256('0'), from: 'agent' as const }
    scene.says.files = { ...files, list: [...files.list, { ...odd, path: 'none' }, { ...odd, path: 'a.txt' }] }
    const { salvage, missing } = await bring()
    expect([shown(withSalvage(scene.task, salvage)), missing]).toEqual([['shot.png agent', 'log.txt agent'], []])
    expect((await scene.refs())[`${scene.ref}-files`]).toBe(files.commit)
    // A workspace whose artifacts are elsewhere stays.
    const elsewhere = { ...salvage, files: { commit: scene.base, list: [] } }
    expect(await scene.results.missing(scene.task, elsewhere)).toEqual(['artifacts'])
    const file = path.join(scene.root, 'out')
    await writeArtifact(await scene.results.of(scene.task), withSalvage(scene.task, salvage), 'shot.png', file)
    expect(readFileSync(file, 'utf8')).toBe('png')
    const none = writeArtifact(await scene.results.of(scene.task), withSalvage(scene.task, salvage), 'none', file)
    await expect(none).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('that the bundle does not have are no result: nothing is named', async () => {
    gives(scene.commit({ 'a.txt': 'two\n' }))
    scene.says.files = { commit: '9'.repeat(40), list: [] }
    await expect(bring()).rejects.toMatchObject(refused(/9{40} did not come home/))
    expect(await scene.refs()).toEqual({})
  })

  it('of an earlier part of the run stay beside those of a later one', async () => {
    const first = holds({ 'one.txt': 'one', 'two.txt': 'two' })
    gives(scene.commit({ 'a.txt': 'two\n' }), { '-files': first.commit })
    scene.says.files = first
    const task = withSalvage(scene.task, (await bring()).salvage)
    const second = holds({ 'two.txt': 'newer' })
    gives(scene.commit({ 'a.txt': 'three\n' }), { '-files': second.commit })
    scene.says.files = second
    const { salvage, missing } = await bring(task)
    expect([shown(withSalvage(task, salvage)), missing]).toEqual([['one.txt agent', 'two.txt agent'], []])
    const aside = `${scene.ref}-others/earlier-${first.commit.slice(0, 12)}/files`
    expect((await scene.refs())[aside]).toBe(first.commit)
  })

  it('of the check come after, and the result stays as it is', async () => {
    const files = holds({ 'one.txt': 'one' })
    const commit = scene.commit({ 'a.txt': 'two\n' })
    gives(commit, { '-files': files.commit })
    scene.says.files = files
    const task = withSalvage(scene.task, (await bring()).salvage)
    const more = holds({ 'junit.xml': 'failed' }, 'check', files.commit)
    scene.says = { ...scene.says, commit: '8'.repeat(40), files: { ...more, list: [...files.list, ...more.list] } }
    scene.gives = new Map([[`${scene.ref}-files`, more.commit]])
    const salvage = await bringArtifacts(scene, task, scene.agent)
    expect(scene.had).toContain(files.commit)
    expect([shown(withSalvage(task, salvage ?? undefined)), salvage?.commit]).toEqual([
      ['one.txt agent', 'junit.xml check'],
      commit,
    ])
    // The same again brings nothing.
    scene.asked.length = 0
    expect(await bringArtifacts(scene, withSalvage(task, salvage ?? undefined), scene.agent)).toEqual(salvage)
    expect(scene.asked).toEqual([`salvage ${scene.ref} after check`])
    const attempts: string[] = []
    const removed = await scene.results.removeArtifacts(async key => attempts.push(`${key.id} ${key.attempt}`) > 0)
    expect([removed, attempts, Object.keys(await scene.refs())]).toEqual([1, ['t1 1'], [scene.ref]])
  })
})
