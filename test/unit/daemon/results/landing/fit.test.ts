/** Whether results still fit onto where a branch is, and which of them exclude each other. */
import { beforeEach, describe, expect, it } from 'vitest'
import { type Candidate, fitsOf } from '../../../../../daemon/results/landing/fit.ts'
import type { Repository } from '../../../../../daemon/results/repository.ts'
import { gitIn, type ResultsScene, resultsScene } from '../node.ts'

const ONTO = 'refs/heads/main'

let scene: ResultsScene
let repository: Repository
beforeEach(async () => {
  scene = resultsScene()
  repository = await scene.results.of(scene.task)
})

let count = 0
/** A commit that is at home, too. */
function commit(files: Record<string, string | null>, on = scene.base): string {
  const made = scene.commit(files, on)
  gitIn(scene.node, 'push', '-q', repository.dir, `${made}:refs/kept/${++count}`)
  return made
}
const candidate = (id: string, made: string, baseCommit = scene.base): Candidate => ({ id, commit: made, baseCommit })
const fits = (candidates: Candidate[], tip: string) => fitsOf(repository, candidates, { onto: ONTO, commit: tip }, 7)

describe('a result', () => {
  it('fits where the branch has not moved, and is behind by as many commits as the branch has moved', async () => {
    const one = candidate('one', commit({ 'b.txt': 'b\n' }))
    const tip = commit({ 'd.txt': 'd\n' }, commit({ 'c.txt': 'c\n' }))
    const seen = { onto: ONTO, files: [], with: [], at: 7 }
    expect(await fits([one], scene.base)).toEqual([{ ...seen, commit: scene.base, state: 'fits', moved: 0 }])
    expect(await fits([one], tip)).toEqual([{ ...seen, commit: tip, state: 'behind', moved: 2 }])
  })

  it('is in where the branch has its commit, or what it says by others', async () => {
    const made = commit({ 'b.txt': 'b\n' })
    const [has, says] = [commit({ 'c.txt': 'c\n' }, made), commit({ 'b.txt': 'b\n', 'c.txt': 'c\n' })]
    for (const tip of [made, has, says]) {
      expect(await fits([candidate('one', made)], tip)).toMatchObject([{ state: 'in', moved: 0 }])
    }
  })

  it('in conflict says in which files', async () => {
    const one = candidate('one', commit({ 'a.txt': 'uno\n', 'b.txt': 'b\n' }))
    const tip = commit({ 'a.txt': 'other\n' })
    expect(await fits([one], tip)).toMatchObject([{ state: 'conflict', files: ['a.txt'], moved: 1 }])
  })

  it('that is not here has none', async () => {
    const [gone, there] = await fits(
      [candidate('gone', 'f'.repeat(40)), candidate('one', commit({ b: 'b' }))],
      scene.base,
    )
    expect([gone, there?.state]).toEqual([null, 'fits'])
  })
})

describe('results', () => {
  it('exclude each other where both cannot be merged, whatever the branch says of them', async () => {
    const made = [
      commit({ 'a.txt': 'uno\n' }),
      commit({ 'a.txt': 'two\n' }),
      commit({ 'b.txt': 'b\n' }),
      commit({ 'a.txt': 'uno\n', 'c.txt': 'c\n' }),
      commit({ 'a.txt': null }),
    ]
    const ids = ['one', 'two', 'apart', 'same', 'gone']
    const found = await fits(
      ids.map((id, at) => candidate(id, made[at] ?? '')),
      scene.base,
    )
    expect(found.map(fit => fit?.with)).toEqual([
      ['two', 'gone'],
      ['one', 'same', 'gone'],
      [],
      ['two', 'gone'],
      ['one', 'two', 'same'],
    ])
  })

  it('of one commit exclude nothing, and what is in already excludes nothing', async () => {
    const [one, two] = [commit({ 'a.txt': 'uno\n' }), commit({ 'a.txt': 'two\n' })]
    const found = await fits([candidate('one', one), candidate('again', one), candidate('two', two)], one)
    expect(found.map(fit => [fit?.state, fit?.with])).toEqual([
      ['in', []],
      ['in', []],
      ['conflict', []],
    ])
    const open = await fits([candidate('one', one), candidate('again', one)], scene.base)
    expect(open.map(fit => fit?.with)).toEqual([[], []])
  })
})
