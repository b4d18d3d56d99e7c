/** Repositories within a work tree: their files come home in their place, and a submodule that nobody touched stays a pointer. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { git, repository } from '../../support/work.ts'
import { COMMIT, REF, scene, type Template, template } from '../scene.ts'

let plain: Template
beforeAll(() => {
  plain = template()
})

const leftOf = ({ leftOut }: { leftOut: readonly { path: string }[] }) => leftOut.map(({ path }) => path).sort()

describe('a repository within', () => {
  it('comes as files in its place, in any depth, with its history named', async () => {
    const s = scene(plain)
    s.sh(
      `git init -q in; cd in; ${COMMIT('i')}; git init -q deep; echo d > deep/d; echo l > l.log; echo '*.tmp' > .gitignore; echo t > t.tmp`,
    )
    const answer = await s.salvage()
    expect(answer).toMatchObject({ salvaged: true, ahead: 1 })
    expect(s.files()).toEqual(expect.arrayContaining(['in/i', 'in/deep/d', 'in/.gitignore', 'in/l.log']))
    expect(answer.leftOut.filter(({ kind }) => kind === 'history').map(({ path }) => path)).toEqual([
      ...['in/.git', 'in/deep/.git'],
    ])
    expect(s.files()).not.toContain('in/t.tmp')
  })

  it('whose history is elsewhere is named once too, also within another', async () => {
    const s = scene(plain)
    s.sh('git init -q in; git init -q --separate-git-dir store in/deep; echo d > in/deep/d; mv store in/.claude')
    s.sh('cd in/deep; rm .git; mkdir .git; cp ../.claude/HEAD .git/HEAD; echo ../../.claude > .git/commondir')
    const { leftOut } = await s.salvage()
    expect(leftOut.map(({ path, kind }) => [path, kind])).toEqual([
      ...[['in/.git', 'history']],
      ...[['in/deep/.git', 'history']],
    ])
    expect(s.files()).toContain('in/deep/d')
  })

  it('that its agent added as a submodule comes as files too', async () => {
    const s = scene(plain)
    s.sh(`git init -q in; (cd in; ${COMMIT('i')}); git add in; git commit -qm in`)
    await s.salvage()
    expect(s.files()).toEqual(expect.arrayContaining(['in/i']))
    expect(s.kept('ls-tree', REF, 'in')).toMatch(/^040000 tree/)
  })

  it('in a folder that has files of the work tree is named once, as its history', async () => {
    const s = scene(plain)
    s.sh(`git init -q d; cd d; ${COMMIT('i')}; git tag -a -m t t`)
    expect(leftOf(await s.salvage())).toEqual(['d/.git'])
    expect(s.files()).toEqual(expect.arrayContaining(['d/b.txt', 'd/i']))
  })

  it('that is empty is nothing', async () => {
    const s = scene(plain)
    s.sh('git init -q in')
    const answer = await s.salvage()
    expect([answer.commit, leftOf(answer)]).toEqual([s.base, ['in/.git']])
  })
})

describe('a submodule', () => {
  /** A template whose base has the submodule `sub`, checked out. */
  function withSubmodule(files: Record<string, string> = { 'i.txt': 'i\n' }): Template {
    const inner = repository(files)
    const made = template()
    const work = join(made.folder, 'work')
    git(work, 'submodule', '--quiet', 'add', inner, 'sub')
    git(work, 'commit', '-q', '-m', 'sub')
    const base = git(work, 'rev-parse', 'HEAD').trim()
    git(join(made.folder, 'salvage.git'), 'fetch', '-q', '../work', `+HEAD:refs/keep/base`)
    writeFileSync(join(made.folder, 'built-refs.json'), JSON.stringify({ 'refs/heads/tdf/task-1': base }))
    return { folder: made.folder, base }
  }
  const module = (s: { kept(...args: string[]): string }) => s.kept('ls-tree', REF, 'sub').slice(0, 6)

  it('that is untouched, empty or gone stays what it is; one that was changed comes as files', async () => {
    const from = withSubmodule()
    const untouched = scene(from)
    untouched.sh('echo x > x')
    expect((await untouched.salvage()).leftOut).toEqual([])
    expect(module(untouched)).toBe('160000')

    const empty = scene(from)
    empty.sh('rm -rf sub; mkdir sub; echo x > x')
    expect([(await empty.salvage()).leftOut, module(empty)]).toEqual([[], '160000'])

    const gone = scene(from)
    gone.sh('rm -rf sub')
    expect([(await gone.salvage()).leftOut, module(gone)]).toEqual([[], ''])

    const file = scene(from)
    file.sh('rm -rf sub; echo file > sub')
    expect([(await file.salvage()).leftOut, module(file)]).toEqual([[], '100644'])

    const changed = scene(from)
    changed.sh('echo more > sub/more')
    expect((await changed.salvage()).leftOut).toEqual([expect.objectContaining({ path: 'sub/.git', kind: 'history' })])
    expect(changed.files()).toEqual(expect.arrayContaining(['sub/i.txt', 'sub/more']))
  })

  it('of which a file was deleted comes as the files that are left', async () => {
    const s = scene(withSubmodule({ 'i.txt': 'i\n', 'j.txt': 'j\n' }))
    s.sh('rm sub/i.txt')
    await s.salvage()
    expect(s.files()).toContain('sub/j.txt')
    expect(s.files()).not.toContain('sub/i.txt')
  })

  it('whose objects are gone comes as files, as it cannot be compared', async () => {
    const s = scene(withSubmodule())
    s.sh('rm -rf .git/modules/sub/objects/??; echo more > sub/more')
    await s.salvage()
    expect(s.files()).toEqual(expect.arrayContaining(['sub/i.txt', 'sub/more']))
  })

  it('of which every file was deleted is not there any more', async () => {
    const s = scene(withSubmodule())
    s.sh('rm sub/i.txt')
    await s.salvage()
    expect([s.files().includes('sub'), module(s)]).toEqual([false, ''])
  })

  it('with commits of its own comes as files; one that its remote has stays a pointer', async () => {
    const from = withSubmodule()
    const own = scene(from)
    own.sh(`cd sub; ${COMMIT('mine')}; cd ..; git add sub; git commit -qm moved`)
    await own.salvage()
    expect(own.files()).toEqual(expect.arrayContaining(['sub/i.txt', 'sub/mine']))

    const pushed = scene(from)
    // What the index of the check-out says of it is older.
    pushed.sh('cp .git/index ../built-index')
    pushed.sh(
      `cd sub; ${COMMIT('mine')}; git update-ref refs/remotes/origin/new HEAD; cd ..; git add sub; git commit -qm moved`,
    )
    await pushed.salvage()
    expect(module(pushed)).toBe('160000')

    const loose = scene(from)
    loose.sh(`cd sub; ${COMMIT('mine')}`)
    await loose.salvage()
    expect(loose.files()).toEqual(expect.arrayContaining(['sub/i.txt', 'sub/mine']))
  })
})
