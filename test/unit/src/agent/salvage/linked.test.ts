/** Work trees and repositories that an agent put elsewhere: which of them are looked into, and what is said of the others. */
import { chmodSync, chownSync, cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readAgentRefs } from '../../../../../src/agent/salvage/agent-refs.ts'
import { linkedTrees, separateGitDir } from '../../../../../src/agent/salvage/linked.ts'
import { boundaryOf } from '../../../../../src/agent/salvage/untrusted.ts'
import { tempFolder } from '../support/temp.ts'
import { COMMIT, REF, scene, type Template, template } from './scene.ts'

let plain: Template
beforeAll(() => {
  plain = template()
})

const uid = process.getuid?.() ?? 0
const isRoot = uid === 0

function trees(work: string, change: Partial<Parameters<typeof linkedTrees>[0]> = {}) {
  const boundary = boundaryOf(work)
  const folder = { own: join(work, '.git'), shared: join(work, '.git') }
  const refs = readAgentRefs(boundary, folder, 40)
  const found = linkedTrees({
    ...{ boundary, folder, refs, workTree: realpathSync(work), oidLength: 40, uid, mayLookOutside: true },
    ...{ isLive: false, isConfined: false, ...change },
  })
  return found.map(({ id, tree, name, obstacle }) => ({ id, tree, name, obstacle }))
}

describe('a linked work tree', () => {
  it('is looked into inside and outside, and named by its path', () => {
    const { work, folder, sh } = scene(plain)
    sh('git worktree add -q in/ner -b inner; git worktree add -q ../outer -b outer')
    const outer = join(realpathSync(folder), 'outer')
    expect(trees(work)).toEqual([
      { id: 'ner', tree: join(work, 'in/ner'), name: 'in/ner', obstacle: null },
      { id: 'outer', tree: outer, name: outer, obstacle: null },
    ])
    const obstacle = 'it lies outside of the work tree and its session still runs'
    expect(trees(work, { mayLookOutside: false })).toMatchObject([
      { tree: join(work, 'in/ner') },
      { tree: null, obstacle },
    ])
  })

  it('that is not there is an obstacle only where sessions saw other files', () => {
    const { work, sh } = scene(plain)
    sh('git worktree add -q inner -b inner; git worktree add -q ../outer -b outer; rm -r inner ../outer')
    expect(trees(work).map(({ tree, obstacle }) => [tree, obstacle])).toEqual([...[[null, null]], ...[[null, null]]])
    const obstacle = 'it lay outside of the work tree, within the sandbox'
    expect(trees(work, { isConfined: true }).map(one => one.obstacle)).toEqual([null, obstacle])
  })

  it('has to be a folder that points back', () => {
    const { work, sh } = scene(plain)
    sh('for w in a b c f e; do git worktree add -q $w -b $w; done')
    sh(
      'rm -r a; echo file > a; echo gitdir: /nonexistent/x > b/.git; echo "gitdir: ../.git/worktrees/a" > c/.git; rm f/.git; git init -q f',
    )
    sh('rm .git/worktrees/e/gitdir')
    expect(
      trees(work)
        .map(({ name, tree, obstacle }) => [name, tree, obstacle])
        .sort(),
    ).toEqual(['a', 'b', 'c', 'f', 'e'].sort().map(name => [name, null, null]))
  })

  it('cannot be the main work tree, or what stands around it', () => {
    const { work, folder, sh } = scene(plain)
    sh('git worktree add -q w -b w; echo "$PWD/.git" > .git/worktrees/w/gitdir')
    expect(trees(work)).toEqual([{ id: 'w', tree: null, name: realpathSync(work), obstacle: null }])
    sh('echo "$(dirname "$PWD")/.git" > .git/worktrees/w/gitdir')
    expect(trees(work)).toEqual([{ id: 'w', tree: null, name: realpathSync(folder), obstacle: null }])
  })

  it('of another user is an obstacle', () => {
    const { work, sh } = scene(plain)
    sh('git worktree add -q w -b w')
    expect(trees(work, { uid: uid + 1 })).toMatchObject([{ tree: null, obstacle: 'it belongs to another user' }])
  })

  it('is opened for its owner, and not while a session runs', () => {
    const { work, sh } = scene(plain)
    sh('git worktree add -q w -b w')
    chmodSync(join(work, 'w'), 0o300)
    trees(work, { isLive: true })
    expect(sh('stat -c %a w')).toBe('300\n')
    trees(work)
    expect(sh('stat -c %a w')).toBe('700\n')
    chmodSync(join(work, 'w'), 0o755)
    trees(work)
    expect(sh('stat -c %a w')).toBe('755\n')
  })

  it('beyond two hundred is only named', () => {
    const { work } = scene(plain)
    const parent = join(work, '.git', 'worktrees')
    for (let at = 0; at < 202; at++) mkdirSync(join(parent, `w${at}`), { recursive: true })
    const found = trees(work)
    const obstacle = 'more than 200 work trees are not looked into'
    expect(found.filter(one => one.obstacle === obstacle)).toHaveLength(2)
    expect(found[199]?.obstacle).toBe(null)
  })
})

describe('a salvage of linked work trees', () => {
  it('has their HEAD where it is on no branch, and a commit for what is not committed', async () => {
    const s = scene(plain)
    s.sh(
      `git worktree add -q .claude/deep -b deep; (cd .claude/deep; ${COMMIT('deep')}; echo dirty > loose; echo l > l.log)`,
    )
    s.sh(`git worktree add -q --detach free; (cd free; ${COMMIT('free')}); git worktree add -q clean -b clean`)
    s.sh(
      `git worktree add -q --detach idle; echo i > .claude/ignored; git worktree add -q --detach none; echo n > none/n; echo ref: refs/heads/unborn > .git/worktrees/none/HEAD`,
    )
    const { saved, leftOut, commit } = await s.salvage()
    expect(commit).toBe(s.base)
    const named = Object.fromEntries(saved.map(({ name, kind, ahead }) => [name, [kind, ahead]]))
    expect(named).toEqual({
      ...{ '.claude/deep': ['worktree', 2], free: ['worktree', 1], none: ['worktree', 1] },
      ...{ clean: ['branch', 0], deep: ['branch', 1] },
    })
    expect(s.files(`${REF}-worktrees/deep`)).toContain('loose')
    expect(leftOut.map(({ path }) => path).sort()).toEqual(['.claude/deep/l.log', '.claude/ignored'])
  })

  it('names those that are broken or cannot be looked into, and saves what it can of them', async () => {
    const s = scene(plain)
    s.sh(`git worktree add -q --detach odd; (cd odd; ${COMMIT('odd')}); echo garbage > .git/worktrees/odd/HEAD`)
    s.sh(
      `git worktree add -q --detach bad; (cd bad; ${COMMIT('bad')}; echo x > x); rm -f .git/objects/$(git -C bad rev-parse HEAD^{tree} | sed 's#^..#&/#')`,
    )
    const { saved, leftOut } = await s.salvage()
    expect(leftOut).toEqual([
      expect.objectContaining({ path: 'bad', kind: 'broken' }),
      expect.objectContaining({ path: 'odd', kind: 'broken' }),
    ])
    expect(saved.map(({ name }) => name)).toEqual([])
    const at = s.logged.indexOf('a linked work tree cannot be saved')
    expect(s.facts[at]).toEqual({ name: 'bad', reason: expect.stringMatching(/./) })
  })

  it('has each of two with the same change', async () => {
    const s = scene(plain)
    s.sh('for w in one two; do git worktree add -q --detach $w; echo x > $w/x; done')
    expect((await s.salvage()).saved.map(({ name }) => name)).toEqual(['one', 'two'])
  })

  it('makes files outside readable, and has the HEAD of those that are gone', async () => {
    const s = scene(plain)
    s.sh('git worktree add -q --detach ../outer; echo x > ../outer/x; chmod 000 ../outer/x')
    s.sh(`git worktree add -q --detach gone; (cd gone; ${COMMIT('free')}); rm -r gone`)
    const { saved, leftOut } = await s.salvage()
    expect(saved.map(({ name }) => name)).toEqual(['gone', join(realpathSync(s.folder), 'outer')])
    expect([leftOut, s.sh('stat -c %a ../outer/x')]).toEqual([[], '400\n'])
  })

  it('while a session runs has those that are inside as they are', async () => {
    const s = scene(plain)
    s.sh('git worktree add -q in -b in; echo x > in/x; echo s > in/shut; chmod 000 in/shut')
    expect((await s.checkpoint()).saved.map(({ name }) => name).sort()).toEqual(['in', 'in'])
    expect(s.sh('stat -c %a in/shut')).toBe('0\n')
  })
})

describe('a repository that was moved out of its work tree', () => {
  it('is found where the .git says, when it is a folder of that user', () => {
    const tree = tempFolder()
    const elsewhere = tempFolder()
    expect(separateGitDir(tree, uid)).toBe(null)
    writeFileSync(join(tree, '.git'), `gitdir: ${elsewhere}\n`)
    expect(separateGitDir(tree, uid)).toBe(elsewhere)
    expect(separateGitDir(tree, uid + 1)).toBe(null)
    for (const text of [`gitdir: ${elsewhere}/gone\n`, `x gitdir: ${elsewhere}\n`, `gitdir: ${elsewhere}\nmore`, '']) {
      writeFileSync(join(tree, '.git'), text)
      expect(separateGitDir(tree, uid)).toBe(null)
    }
    symlinkSync(elsewhere, join(tree, 'link'))
    writeFileSync(join(tree, '.git'), `gitdir: link\n`)
    expect(separateGitDir(tree, uid)).toBe(null)
  })

  it('comes home, and in a sandbox only its files do', async () => {
    const script = `${COMMIT('one')}; git init -q --separate-git-dir ../moved; ${COMMIT('two')}; echo l > loose`
    const s = scene(plain)
    s.sh(script)
    expect(await s.salvage()).toMatchObject({ ahead: 3, salvaged: true, leftOut: [] })
    const confined = scene(plain)
    confined.sh(script)
    confined.session('s-1', 1, { 'request.json': { ...requestOf(confined.work), sandbox: CONFINED } })
    const answer = await confined.salvage()
    expect(answer).toMatchObject({ ahead: 1, salvaged: true, leftOut: [{ path: '.git' }] })
  })
})

const CONFINED = { kind: 'bubblewrap', hidden: [], readable: [], writable: [] }
const requestOf = (work: string) => ({
  ...{
    sessionId: 's-1',
    workspaceId: 'ws-1',
    taskId: 'task-1',
    attempt: 1,
    number: 1,
    contentHash: '',
    type: 'command',
  },
  ...{ command: ['true'], stdin: 'nothing', timeoutMs: null, workTree: work, createdAt: '' },
})

describe.each(isRoot ? ['another user'] : [])('of %s', () => {
  it('files are left as they are', async () => {
    const s = scene(plain)
    s.sh('echo x > x; git worktree add -q w -b w')
    cpSync(join(s.work, 'x'), join(s.work, 'y'))
    chmodSync(join(s.work, 'y'), 0o000)
    chownSync(join(s.work, 'y'), 65_534, 65_534)
    chownSync(join(s.work, 'w'), 65_534, 65_534)
    const { leftOut } = await s.salvage()
    expect(s.sh('stat -c %a y')).toBe('0\n')
    expect(leftOut).toContainEqual(
      expect.objectContaining({ path: 'w', kind: 'unreadable', reason: 'it belongs to another user' }),
    )
  })

  it('files that the user of a slot may not read are named, kept and asked for again', async () => {
    const s = scene(plain)
    s.agent.slots = [{ name: 'slot', uid: 65_534, gid: 65_534, home: '/nonexistent' }]
    s.workspace.record.slot = 'slot'
    // The place is open to the slot; what is shut in it is what its user meets.
    for (const path of [join(s.folder, '..'), s.folder]) chmodSync(path, 0o755)
    s.sh('echo r > root.txt; chmod 600 root.txt; mkdir shut; echo i > shut/i; chmod 700 shut d; echo x > x')
    s.sh('mkdir list; echo l > list/l; chmod 744 list; echo g > g.log; chmod 600 g.log; mkfifo own')
    s.sh('echo h > .git/h.log; chmod 600 .git/h.log')
    s.sh('echo y > y; chmod 000 y; chown 65534:65534 y')
    const { leftOut } = await s.salvage()
    expect(s.sh('stat -c %a y')).toBe('400\n')
    const kinds = leftOut.map(({ path, kind, bytes }) => [path, kind, bytes])
    expect(kinds).toEqual([
      ...[['.git/h.log', 'unreadable', 2]],
      ...[['d/', 'unreadable', null]],
      ...[['list/', 'unreadable', null]],
      ...[['root.txt', 'unreadable', 2]],
      ...[['shut/', 'unreadable', null]],
      ...[['own', 'special', null]],
      ...[['g.log', 'ignored', 2]],
    ])
    expect(s.files()).toContain('d/b.txt')
    s.sh('chmod 755 d shut list; chmod 644 root.txt; rm own .git/h.log')
    expect((await s.salvage()).leftOut.map(({ path }) => path)).toEqual(['g.log'])
  })
})

describe('files that may not be read', () => {
  it('are made readable where they are our own, and not while a session runs', async () => {
    const s = scene(plain)
    s.sh('mkdir shut; echo s > shut/s; echo x > x')
    chmodSync(join(s.work, 'x'), 0o000)
    chmodSync(join(s.work, 'shut'), 0o000)
    await s.checkpoint()
    expect(s.sh('stat -c %a x shut')).toBe('0\n0\n')
    expect(await s.salvage()).toMatchObject({ leftOut: [] })
    expect(s.files()).toEqual(expect.arrayContaining(['shut/s', 'x']))
    expect(s.sh('stat -c %a x shut')).toBe('400\n700\n')
  })
})
