/** A salvage whose HEAD is damaged, gone or unborn still has the files, on the best commit that there is. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { COMMIT, REF, scene, type Template, template } from './scene.ts'

let plain: Template
beforeAll(() => {
  plain = template()
})

const broken = (path: string) => expect.objectContaining({ path, kind: 'broken' })

describe('where HEAD cannot be built on', () => {
  it('the base commit is, and HEAD is named', async () => {
    const s = scene(plain)
    s.sh(`${COMMIT('one')}; echo loose > loose; rm -f .git/objects/$(git rev-parse HEAD:one | sed 's#^..#&/#')`)
    const answer = await s.salvage()
    expect(answer).toMatchObject({ salvaged: true, ahead: 1 })
    expect(answer.leftOut).toEqual([broken('HEAD')])
    expect(s.files()).toEqual(expect.arrayContaining(['one', 'loose']))
    const piecewise = 'not all of it is sound: salvage takes it piece by piece'
    expect(s.logged).toEqual([piecewise, 'salvage cannot build on a commit'])
    const why = { workspace: 'ws-1', reason: expect.stringMatching(/./) }
    expect(s.facts).toEqual([why, { ...why, start: s.sh('git rev-parse HEAD').trim() }])
  })

  it('and nothing can be read of it, the files come home on the base commit', async () => {
    const s = scene(plain)
    s.sh('echo garbage > .git/HEAD; echo n > n')
    const answer = await s.salvage()
    expect([answer.ahead, answer.leftOut]).toEqual([1, [broken('HEAD')]])
    expect(s.files()).toContain('n')
    const gone = scene(plain)
    gone.sh('rm -rf .git; echo n > n')
    const saved = await gone.salvage()
    expect(saved.leftOut).toEqual([
      { path: '.git', kind: 'broken', reason: expect.stringContaining('the files came home'), bytes: null },
    ])
    expect(gone.files()).toContain('n')
  })

  it('since the object of it is a link to what the agent itself may not read, it is not followed', async () => {
    const s = scene(plain)
    s.sh(COMMIT('one'))
    s.sh(
      `object=.git/objects/$(git rev-parse HEAD | sed 's#^..#&/#'); mv $object ../stolen; ln -s $PWD/../stolen $object`,
    )
    expect((await s.salvage()).leftOut).toEqual([broken('HEAD')])
    expect(s.files()).toContain('one')
  })

  it('and the base is gone too, the files come home on nothing', async () => {
    const s = scene(plain)
    rmSync(join(s.folder, 'salvage.git'), { recursive: true })
    s.sh('rm -rf .git; echo n > n')
    const answer = await s.salvage()
    expect(answer.salvaged).toBe(true)
    expect(s.kept('rev-list', '--count', REF)).toBe('1')
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'd/b.txt', 'n'])
  })

  it('since its branch has no commit yet, nothing is broken', async () => {
    const s = scene(plain)
    s.sh('git checkout -q --orphan fresh; git rm -rq --cached .; echo n > n')
    const answer = await s.salvage()
    expect(answer).toMatchObject({ ahead: 1, salvaged: true, leftOut: [] })
  })
})
