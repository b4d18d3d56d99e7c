/** Files in Git LFS that an agent made or changed, without git-lfs: pointers in the result, and their content beside it. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REF, type Scene, scene, template } from '../scene.ts'

const TRACKED = '*.bin filter=lfs diff=lfs merge=lfs -text\n'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')
const pointer = (text: string) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${hashOf(text)}\nsize ${text.length}\n`

/** Where git-lfs has an object, in its folder `lfs`. */
const objectOf = (text: string) => {
  const hash = hashOf(text)
  return join('objects', hash.slice(0, 2), hash.slice(2, 4), hash)
}

const write = (file: string, text: string) => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** What stands beside the result, by hash. */
const contents = (s: Scene) =>
  Object.fromEntries(
    s
      .kept('ls-tree', '--name-only', `${REF}-large`)
      .split('\n')
      .map(hash => [hash, s.kept('cat-file', 'blob', `${REF}-large:${hash}`)]),
  )
const byHash = (...texts: string[]) => Object.fromEntries(texts.map(text => [hashOf(text), text]))
const hasNone = (s: Scene) => expect(() => s.kept('rev-parse', `${REF}-large`)).toThrow()

function commit(s: Scene, name: string, text: string, content: string | null): void {
  writeFileSync(join(s.work, name), pointer(text))
  if (content !== null) write(join(s.work, '.git', 'lfs', objectOf(text)), content)
  s.sh(`git add -A; git commit -qm ${name}`)
}

describe('a file in Git LFS', () => {
  it('that is not committed is saved as its pointer, with its content beside the result', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED, 'old.bin': pointer('old') }))
    s.sh('mkdir in; printf new > new.bin; printf inner > in/x.bin; chmod +x in/x.bin; printf other > old.bin')
    s.sh('cp new.bin plain; : > empty.bin; ln -s new.bin link.bin')
    writeFileSync(join(s.work, 'copy.bin'), pointer('elsewhere'))
    expect((await s.salvage()).leftOut).toEqual([])
    const saved = (name: string) => s.kept('cat-file', 'blob', `${REF}:${name}`)
    expect(saved('new.bin')).toBe(pointer('new').trim())
    expect(saved('in/x.bin')).toBe(pointer('inner').trim())
    expect(saved('old.bin')).toBe(pointer('other').trim())
    expect(saved('copy.bin')).toBe(pointer('elsewhere').trim())
    expect([saved('plain'), saved('empty.bin'), saved('link.bin')]).toEqual(['new', '', 'new.bin'])
    expect(s.kept('ls-tree', REF, 'in/x.bin')).toContain('100755')
    expect(contents(s)).toEqual(byHash('new', 'inner', 'other'))
  })

  it('that is as it was is no change, also where its times say so', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED, 'old.bin': pointer('old') }))
    s.sh('printf old > old.bin')
    const { salvaged, commit, baseCommit } = await s.salvage()
    expect([salvaged, commit]).toEqual([false, baseCommit])
    hasNone(s)
  })

  it('that does not fit is left out by name', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED }))
    s.sh('head -c 2000 /dev/zero > big.bin; printf small > small.bin')
    const { leftOut } = await s.salvage(1_000)
    expect(leftOut).toMatchObject([{ path: 'big.bin', kind: 'oversize', bytes: 2_000 }])
    expect(contents(s)).toEqual(byHash('small'))
  })

  it('that was committed comes with every content that the store of its repository has, each hashed anew', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED }))
    commit(s, 'a.bin', 'first', 'first')
    commit(s, 'a.bin', 'second', 'second')
    commit(s, 'lies.bin', 'truth', 'false')
    commit(s, 'short.bin', 'whole', 'part')
    commit(s, 'elsewhere.bin', 'elsewhere', null)
    const damaged = { kind: 'filter', reason: 'its content in Git LFS is damaged: the result has its pointer' }
    const { leftOut } = await s.salvage()
    expect([...leftOut].sort((one, other) => (one.path < other.path ? -1 : 1))).toMatchObject([
      { path: 'lies.bin', bytes: 5, ...damaged },
      { path: 'short.bin', bytes: 5, ...damaged },
    ])
    expect(contents(s)).toEqual(byHash('first', 'second'))
  })

  it('is not read through a link out of the work tree', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED }))
    const outside = join(s.folder, 'outside')
    write(join(outside, objectOf('secret')), 'secret')
    commit(s, 'a.bin', 'secret', null)
    s.sh(`rm -rf .git/lfs; ln -s ${outside} .git/lfs`)
    await s.salvage()
    hasNone(s)
  })

  it('of a repository within is saved so too', async () => {
    const s = scene(template({ 'a.txt': 'a\n', '.gitattributes': TRACKED }))
    s.sh('git init -q in; echo "*.bin filter=lfs" > in/.gitattributes; printf inner > in/i.bin')
    await s.salvage()
    expect(s.kept('cat-file', 'blob', `${REF}:in/i.bin`)).toBe(pointer('inner').trim())
    expect(contents(s)).toEqual(byHash('inner'))
  })
})
