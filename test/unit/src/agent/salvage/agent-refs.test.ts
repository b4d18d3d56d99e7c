/** Refs, HEAD and reflogs are read from the agent's files, which may say anything. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  type AgentRefs,
  linkedFolders,
  readAgentHead,
  readAgentRefs,
  remoteTips,
} from '../../../../../src/agent/salvage/agent-refs.ts'
import { type Boundary, boundaryOf, type GitFolder } from '../../../../../src/agent/salvage/untrusted.ts'
import { tempFolder } from '../support/temp.ts'
import { writeFiles } from '../support/work.ts'

const oid = (digit: string) => digit.repeat(40)
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(oid) as [string, string, string, string]
const NONE = oid('0')

let boundary: Boundary
let tree: string
let folder: GitFolder
beforeEach(() => {
  tree = tempFolder()
  boundary = boundaryOf(tree)
  folder = { own: join(tree, '.git'), shared: join(tree, '.git') }
})

const write = (files: Record<string, string>) => writeFiles(folder.own, files)
const refs = (): AgentRefs => readAgentRefs(boundary, folder, 40)
const head = (all: Record<string, string> = {}) =>
  readAgentHead(boundary, folder, { all: new Map(Object.entries(all)), stashes: [] }, 40)
const log = (before: string, after: string, message: string) =>
  `${before} ${after} A <a@example.com> 1 +0000\t${message}\n`

describe('the refs', () => {
  it('are those of packed-refs and of files, of which the file counts', () => {
    write({
      'packed-refs': `# pack-refs with: peeled\n${A} refs/heads/packed\n^${D}\n${A} refs/heads/both\n${B} refs/tags/v\n`,
      'refs/heads/both': `${C}\n`,
      'refs/heads/deep/er': `${D}\n`,
    })
    expect(Object.fromEntries(refs().all)).toEqual({
      ...{ 'refs/heads/packed': A, 'refs/heads/both': C, 'refs/tags/v': B, 'refs/heads/deep/er': D },
    })
    expect(refs().stashes).toEqual([])
  })

  it('are none where nothing can be read', () => {
    expect(refs()).toEqual({ all: new Map(), stashes: [] })
  })

  it('are no lines that are not whole, no names that git refuses, and nothing by a link', () => {
    write({
      'packed-refs': `${A.slice(1)} refs/heads/short\n${A} HEAD\n${A}\nrefs/heads/x\n${A} refs/heads/a..b\n${B} refs/heads/good\n`,
      'refs/heads/empty': '',
      'refs/heads/text': 'not an id\n',
      'refs/heads/x.lock': `${A}\n`,
      'refs/heads/large': `${A}\n${' '.repeat(4096)}`,
      elsewhere: `${A}\n`,
    })
    symlinkSync(join(folder.own, 'elsewhere'), join(folder.own, 'refs', 'heads', 'link'))
    expect(Object.fromEntries(refs().all)).toEqual({ 'refs/heads/good': B })
  })

  it('that name other refs are followed for a few steps, and not in a circle', () => {
    write({
      'refs/heads/main': `${A}\n`,
      'refs/remotes/origin/HEAD': 'ref: refs/heads/main\n',
      'refs/heads/circle': 'ref: refs/heads/circle\n',
      'refs/heads/nowhere': 'ref: refs/heads/gone\n',
      'refs/heads/outside': 'ref: HEAD\n',
      'refs/heads/wordy': 'x ref: refs/heads/main\n',
      'refs/heads/two': 'ref: refs/heads/main refs/heads/main\n',
      ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8].map(at => [`refs/chain/${at}`, `ref: refs/chain/${at - 1}\n`])),
      'refs/chain/0': `${B}\n`,
    })
    const { all } = refs()
    expect(all.get('refs/remotes/origin/HEAD')).toBe(A)
    expect([...all.keys()].filter(name => name.startsWith('refs/heads/'))).toEqual(['refs/heads/main'])
    const chain = [...all.keys()].filter(name => name.startsWith('refs/chain/')).sort()
    expect(chain).toEqual([0, 1, 2, 3, 4, 5, 6].map(at => `refs/chain/${at}`))
  })

  it('are at most ten thousand', () => {
    write({ 'packed-refs': Array.from({ length: 10_001 }, (_, at) => `${A} refs/heads/b${at}\n`).join('') })
    expect(refs().all.size).toBe(10_000)
  })

  it('lie not too deep', () => {
    const at = (depth: number) => `refs/${'d/'.repeat(depth)}x`
    write({ [at(32)]: `${A}\n`, [`refs/e/${'d/'.repeat(32)}x`]: `${B}\n` })
    expect([...refs().all.keys()]).toEqual([at(32)])
  })

  it('of remotes are what is published', () => {
    const all = new Map([
      ['refs/remotes/origin/a', A],
      ['refs/heads/b', B],
      ['refs/remotes/up/c', C],
    ])
    expect(remoteTips({ all, stashes: [] })).toEqual([A, C])
  })
})

describe('the stashes', () => {
  it('are the lines of their log, the newest first', () => {
    write({ 'refs/stash': `${B}\n`, 'logs/refs/stash': log(NONE, A, 'WIP: a') + log(A, B, 'WIP: b') })
    expect(refs().stashes).toEqual([B, A])
  })

  it('begin with the ref itself, whatever the log says', () => {
    write({ 'refs/stash': `${C}\n`, 'logs/refs/stash': `broken\n${A} short x\n${log(NONE, A, 'WIP: a')}` })
    expect(refs().stashes).toEqual([C, A])
    write({ 'logs/refs/stash': '' })
    expect(refs().stashes).toEqual([C])
  })
})

describe('HEAD', () => {
  it('is on a branch, or on a commit alone, or says nothing', () => {
    write({ HEAD: 'ref: refs/heads/main\n' })
    expect(head({ 'refs/heads/main': A })).toMatchObject({ commit: A, branch: 'refs/heads/main', isUnborn: false })
    expect(head()).toMatchObject({ commit: null, branch: 'refs/heads/main', isUnborn: true })
    write({ HEAD: `${B}\n` })
    expect(head()).toMatchObject({ commit: B, branch: null, isUnborn: false })
    for (const text of ['garbage\n', '', 'x ref: refs/heads/main\n', 'ref: refs/heads/main x\n', 'ref: HEAD\n']) {
      write({ HEAD: text })
      expect(head({ 'refs/heads/main': A })).toMatchObject({ commit: null, branch: null, isUnborn: false })
    }
    write({ HEAD: 'ref: refs/tags/v\n' })
    expect(head({ 'refs/tags/v': C })).toMatchObject({ commit: C, branch: null })
  })

  it('is nothing where there is no such file', () => {
    expect(head()).toEqual({ commit: null, branch: null, isUnborn: false, open: new Map(), leftBehind: [] })
  })

  it('has what is open beside it, each side of an octopus too', () => {
    write({
      HEAD: `${A}\n`,
      MERGE_HEAD: `${B}\n${C}\nno id\n${D}\n`,
      'rebase-merge/autostash': `${D}\n`,
      CHERRY_PICK_HEAD: 'no id\n',
    })
    expect(Object.fromEntries(head().open)).toEqual({
      ...{ MERGE_HEAD: B, 'MERGE_HEAD-2': C, 'MERGE_HEAD-3': D, 'rebase-merge/autostash': D },
    })
  })

  it('left behind what a reset or a checkout went away from, the newest first, each once', () => {
    const lines = [
      log(NONE, A, 'checkout: moving to main'),
      log(A, B, 'commit: one'),
      log(B, A, 'reset: moving to HEAD~1'),
      log(A, C, 'commit: two'),
      log(C, A, 'checkout: moving from x to main'),
      log(B, A, 'commit (amend): reset: not at the start'),
      log(D, A, 'commit: checkout: neither'),
      log(D, A, 'resetting: x'),
      log(B, A, 'reset: moving to HEAD~1'),
    ]
    write({ HEAD: `${A}\n`, 'logs/HEAD': lines.join('') })
    expect(head().leftBehind).toEqual([B, C])
  })

  it('left behind at most a thousand commits', () => {
    const id = (at: number) => `f${at.toString(16).padStart(39, '0')}`
    const lines = Array.from({ length: 1_002 }, (_, at) => log(id(at), A, 'reset: moving to x'))
    write({ HEAD: `${A}\n`, 'logs/HEAD': lines.join('') })
    const { leftBehind } = head()
    expect([leftBehind.length, leftBehind[0], leftBehind[999]]).toEqual([1_000, id(1_001), id(2)])
  })
})

it('linked work trees are the folders that the repository has for them', () => {
  write({ 'worktrees/one/HEAD': `${A}\n`, 'worktrees/file': '' })
  mkdirSync(join(folder.own, 'worktrees', 'two'))
  writeFileSync(join(tree, 'x'), '')
  symlinkSync(join(folder.own, 'worktrees', 'one'), join(folder.own, 'worktrees', 'link'))
  const parent = join(folder.shared, 'worktrees')
  expect(linkedFolders(boundary, folder).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
    ['one', 'two'].map(id => ({ id, folder: { own: join(parent, id), shared: folder.shared } })),
  )
})
