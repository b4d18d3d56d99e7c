/** What an agent left is read as plain files within its work tree: nothing is followed out of it, nothing waits. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type Boundary,
  boundaryOf,
  findGitFolder,
  isPlainFile,
  isPlainFolder,
  namesInside,
  objectFolders,
  objectParts,
  plainFilesInside,
  readInside,
  realInside,
  resolveFrom,
  statOf,
} from '../../../../../src/agent/salvage/untrusted.ts'
import { tempFolder } from '../support/temp.ts'
import { writeFiles } from '../support/work.ts'

let parent: string
let tree: string
let boundary: Boundary
const at = (...parts: string[]) => join(tree, ...parts)
beforeEach(() => {
  parent = tempFolder()
  tree = join(parent, 'work')
  mkdirSync(tree)
  mkdirSync(join(parent, 'work-2'))
  writeFiles(parent, { 'work-2/secret': 'secret', 'outside/secret': 'secret' })
  boundary = boundaryOf(tree)
  symlinkSync(join(parent, 'outside'), at('out'))
})

describe('a path', () => {
  it('is within when what it leads to is: the tree itself, what is in it, and no neighbour', () => {
    writeFiles(tree, { 'a/b': 'x' })
    symlinkSync(at('a'), at('in'))
    for (const path of [tree, at('a'), at('a/b'), at('in'), at('in/b')]) expect(realInside(boundary, path)).toBe(path)
    for (const path of [parent, join(parent, 'work-2'), at('out'), at('out/secret'), at('gone')]) {
      expect(realInside(boundary, path)).toBe(null)
    }
    const both = boundaryOf(tree, join(parent, 'outside'))
    expect(realInside(both, at('out/secret'))).toBe(at('out/secret'))
  })
})

describe('a file', () => {
  it('is read byte by byte up to its limit', () => {
    writeFileSync(at('bytes'), Buffer.from([0x61, 0xff, 0x0a]))
    expect(readInside(boundary, at('bytes'), 3)).toBe('a\u00ff\n')
    expect(readInside(boundary, at('bytes'), 2)).toBe(null)
    writeFileSync(at('empty'), '')
    expect(readInside(boundary, at('empty'), 0)).toBe('')
  })

  it('is not read by a link, in a folder elsewhere, or where it is a fifo, a folder or nothing', () => {
    writeFiles(tree, { 'a/b': 'x' })
    symlinkSync(at('a/b'), at('link'))
    execFileSync('sh', ['-c', 'mkfifo "$0"', at('fifo')])
    for (const name of ['link', 'out/secret', 'fifo', 'a', 'gone']) {
      expect(readInside(boundary, at(name), 100)).toBe(null)
    }
    expect([isPlainFile(at('a/b')), isPlainFile(at('link')), isPlainFile(at('gone'))]).toEqual([true, false, false])
    expect([isPlainFolder(at('a')), isPlainFolder(at('out')), isPlainFolder(at('gone'))]).toEqual([true, false, false])
    expect([statOf(at('gone')), statOf(at('a\0b'))]).toEqual([undefined, undefined])
  })
})

describe('a folder', () => {
  it('is listed when it is one and lies within', () => {
    writeFiles(tree, { 'a/b': 'x', 'a/c/d': 'y' })
    expect(namesInside(boundary, at('a')).sort()).toEqual(['b', 'c'])
    for (const name of ['out', 'a/b', 'gone']) expect(namesInside(boundary, at(name))).toEqual([])
    expect(namesInside(boundary, join(parent, 'outside'))).toEqual([])
  })

  it('has plain files, and is pure when it has nothing else', () => {
    writeFiles(tree, { 'pure/b': 'x', 'mixed/b': 'x', 'mixed/c/d': 'y' })
    symlinkSync('b', at('mixed/link'))
    expect(plainFilesInside(boundary, at('pure'))).toEqual({ files: ['b'], isPure: true })
    expect(plainFilesInside(boundary, at('mixed'))).toEqual({ files: ['b'], isPure: false })
    const none = { files: [], isPure: false }
    for (const path of [at('out'), at('gone'), join(parent, 'outside')]) {
      expect(plainFilesInside(boundary, path)).toEqual(none)
    }
  })
})

describe('the git folder of a tree', () => {
  it('is its .git, also by a link that stays within', () => {
    mkdirSync(at('.git'))
    expect(findGitFolder(boundary, tree)).toEqual({ own: at('.git'), shared: at('.git') })
    renameSync(at('.git'), at('moved'))
    symlinkSync('moved', at('.git'))
    expect(findGitFolder(boundary, tree)).toEqual({ own: at('.git'), shared: at('.git') })
  })

  it('is where a file points to, and shares what its own folder says', () => {
    writeFiles(tree, { 'sub/.git': 'gitdir: ../.git/worktrees/w\n', '.git/worktrees/w/commondir': '../..\n' })
    expect(findGitFolder(boundary, at('sub'))).toEqual({ own: at('.git/worktrees/w'), shared: at('.git') })
    writeFiles(tree, { 'sub/.git': `gitdir: ${at('.git')}` })
    expect(findGitFolder(boundary, at('sub'))).toEqual({ own: at('.git'), shared: at('.git') })
  })

  it.each([
    ['nowhere', () => {}],
    ['a link out of the tree', () => symlinkSync(join(parent, 'outside'), at('.git'))],
    ['a pointer out of the tree', () => writeFiles(tree, { '.git': `gitdir: ${join(parent, 'outside')}\n` })],
    ['a pointer to a file', () => writeFiles(tree, { '.git': 'gitdir: file\n', file: 'x' })],
    ['no pointer', () => writeFiles(tree, { '.git': 'x gitdir: sub\n', 'sub/x': 'x' })],
    ['two lines', () => writeFiles(tree, { '.git': 'gitdir: sub\nmore\n', 'sub/x': 'x' })],
    ['something shared out of the tree', () => writeFiles(tree, { '.git/commondir': '../../outside\n' })],
    ['something shared that is a file', () => writeFiles(tree, { '.git/commondir': 'HEAD\n', '.git/HEAD': 'x' })],
  ])('is none where it is %s', (_, make) => {
    make()
    expect(findGitFolder(boundary, tree)).toBe(null)
  })
})

describe('objects', () => {
  const folder = () => ({ own: at('.git'), shared: at('.git') })

  it('are those of the repository and of its alternates within the tree, each once', () => {
    writeFiles(tree, {
      '.git/objects/info/alternates': `# a note\n\n../../other\n${at('third')}\n${join(parent, 'outside')}\n../../gone\n`,
      'other/info/alternates': `${at('.git/objects')}\n`,
      'third/x': '',
    })
    expect(objectFolders(boundary, folder())).toEqual([at('.git/objects'), at('other'), at('third')])
  })

  it('are none where they are not there', () => {
    expect(objectFolders(boundary, folder())).toEqual([])
  })

  it('are followed through five alternates and no more', () => {
    const names = [1, 2, 3, 4, 5, 6, 7].map(String)
    writeFiles(tree, {
      '.git/objects/info/alternates': `${at('1')}\n`,
      ...Object.fromEntries(names.map(name => [`${name}/info/alternates`, `${at(String(Number(name) + 1))}\n`])),
    })
    expect(objectFolders(boundary, folder())).toEqual([at('.git/objects'), ...names.slice(0, 5).map(name => at(name))])
  })

  it('lie in packs and in folders of two digits', () => {
    const parts = ['pack', '0a', 'ff']
    for (const name of [...parts, 'info', 'a', '0ab', 'x0a', 'FF', 'packs']) {
      mkdirSync(at('objects', name), { recursive: true })
    }
    writeFiles(tree, { 'objects/11': 'a file' })
    expect(objectParts(boundary, at('objects')).sort()).toEqual([...parts].sort())
  })
})

it('a pointer is a path from where it stands, in UTF-8', () => {
  expect(resolveFrom('/a', '../b')).toBe('/b')
  expect(resolveFrom('/a', '/b')).toBe('/b')
  expect(resolveFrom('/a', Buffer.from('ü').toString('latin1'))).toBe('/a/ü')
})
