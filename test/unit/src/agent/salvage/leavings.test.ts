/** Everything that an agent can leave comes home or is named, blob by blob: whoever runs the agent, whatever HEAD is. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { tempFolder } from '../support/temp.ts'
import { git, readyWorkspace, repository, runScript } from '../support/work.ts'

const REF = 'refs/tdf/task-1/1'
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const FILES = { '.gitignore': '*.log\n/.claude/\n', 'a.txt': 'a\n', 'd/b.txt': 'b\n' }

interface Saved {
  ref: string
  name: string
  kind: string
  commit: string
  ahead: number
}

interface LeftOut {
  path: string
  bytes: number | null
  reason: string
}

let agent: AgentProcess
let source: string
let served: string
let base: string

async function savedAfter(script: string, more: Record<string, unknown> = {}) {
  const id = await readyWorkspace(agent, `file://${served}`, more)
  await runScript(agent, id, script)
  return { id, ...(await salvage(id)) }
}

/** What a daemon has that knows the base commit: the objects of the bundle, and the names of the answer. */
async function salvage(id: string, have: readonly string[] = [base]) {
  const { status, json } = await agent.post(`/workspaces/${id}/salvage`, { ref: REF })
  if (status !== 200) throw new Error(`salvage refused: ${JSON.stringify(json)}`)
  const home = tempFolder()
  git(home, 'clone', '-q', '--bare', source, '.')
  const bundle = join(home, 'result.bundle')
  const answer = await agent.get(`/workspaces/${id}/bundle?ref=${REF}${have.map(oid => `&have=${oid}`).join('')}`)
  if (answer.status === 200) {
    writeFileSync(bundle, answer.bytes)
    git(home, 'fetch', '-q', bundle, '+refs/*:refs/*')
  }
  const saved = json.saved as Saved[]
  for (const { ref, commit } of [{ ref: REF, commit: json.commit }, ...saved]) git(home, 'update-ref', ref, commit)
  git(home, 'fsck', '--connectivity-only')
  const named = new Map(saved.map(one => [one.name, one]))
  const show = (ref: string, path: string) => git(home, 'show', `${named.get(ref)?.ref ?? ref}:${path}`)
  return { json, status: answer.status, home, saved, named, show, leftOut: json.leftOut as LeftOut[] }
}

const leftOf = (leftOut: readonly LeftOut[], path: string) => leftOut.find(one => one.path === path)

/** The repository, and where the agent's user may clone it from. */
function prepare(uid?: number): void {
  source = repository(FILES)
  writeFileSync(join(source, 'a.txt'), 'second\n')
  git(source, 'commit', '-q', '-am', 'second')
  base = git(source, 'rev-parse', 'HEAD').trim()
  served = source
  if (uid === undefined) return
  const folder = tempFolder()
  served = join(folder, 'repo')
  cpSync(source, served, { recursive: true })
  execFileSync('chown', ['-R', String(uid), folder])
}

const COMMIT = (name: string) => `echo ${name} > ${name}; git add -A; git commit -qm ${name}`

describe.each([
  { who: 'root or whoever runs the tests', uid: undefined },
  ...(isRoot ? [{ who: 'an ordinary user', uid: NOBODY }] : []),
])('an agent of $who', ({ uid }) => {
  beforeAll(async () => {
    prepare(uid)
    agent = await startAgentProcess({
      ...(uid === undefined ? {} : { uid }),
      env: { TDF_SALVAGE_MAX_BYTES: '100000', HOME: tmpdir() },
    })
  })

  it('has made nothing when its run made nothing', async () => {
    const { json, saved, leftOut } = await savedAfter('true')
    expect(json).toMatchObject({ commit: base, ahead: 0, salvaged: false })
    expect([saved, leftOut]).toEqual([[], []])
  })

  it('brings its log home although HEAD is where it began', async () => {
    const { status, home } = await savedAfter('echo said something')
    expect(status).toBe(200)
    expect(git(home, 'ls-tree', '-r', '--name-only', `${REF}-log`)).toContain('output.log')
  })

  it('brings branches, stashes and detached commits home although HEAD is where it began', async () => {
    const script = [
      `git checkout -q -b side; ${COMMIT('one')}; ${COMMIT('two')}; git checkout -q -`,
      'echo tracked > a.txt; echo new > untracked; git stash -q -u',
      `git checkout -q --detach; ${COMMIT('free')}; git tag mark; git checkout -q tdf/task-1`,
      `git checkout -q --detach; ${COMMIT('lost')}; git checkout -q tdf/task-1`,
      `${COMMIT('undone')}; git reset -q --hard HEAD~1`,
      `git checkout -q -b gone; ${COMMIT('gone')}; git checkout -q -; git branch -q -D gone`,
    ].join('\n')
    const { json, named, show, home } = await savedAfter(script)
    expect(json).toMatchObject({ commit: base, ahead: 0, salvaged: false })
    expect(named.get('side')).toMatchObject({ kind: 'branch', ahead: 2, ref: `${REF}-heads/side` })
    expect([show('side', 'one'), show('side', 'two')]).toEqual(['one\n', 'two\n'])
    expect(named.get('stash@{0}')?.kind).toBe('stash')
    expect(show('stash@{0}', 'a.txt')).toBe('tracked\n')
    expect(git(home, 'show', `${named.get('stash@{0}')?.commit}^3:untracked`)).toBe('new\n')
    expect(show('tags/mark', 'free')).toBe('free\n')
    const behind = [...named.keys()].filter(name => name.startsWith('left-behind-'))
    const texts = behind.flatMap(name => git(home, 'ls-tree', '--name-only', named.get(name)?.ref ?? '').split('\n'))
    expect(texts).toEqual(expect.arrayContaining(['lost', 'undone', 'gone']))
    expect(behind).toHaveLength(3)
  })

  it('brings commits home although their repository was moved out of the work tree', async () => {
    const script = `${COMMIT('one')}; git init -q --separate-git-dir ../moved; ${COMMIT('two')}; git checkout -q -b side; ${COMMIT('three')}; git checkout -q -; echo l > loose`
    const { json, show, leftOut } = await savedAfter(script)
    expect(json).toMatchObject({ ahead: 3, salvaged: true })
    expect([show(REF, 'two'), show(REF, 'loose'), show('side', 'three')]).toEqual(['two\n', 'l\n', 'three\n'])
    expect(leftOut).toEqual([])
  })

  it('does not name what an amended commit or a rebase replaced', async () => {
    const script = `${COMMIT('one')}; echo more >> one; git commit -qa --amend --no-edit; ${COMMIT('two')}; git rebase -q HEAD~1`
    const { json, saved } = await savedAfter(script)
    expect([json.ahead, saved]).toEqual([2, []])
  })

  it('brings linked work trees home, inside, below ignored folders and outside, with what is not committed in them', async () => {
    const script = [
      `git worktree add -q .claude/worktrees/deep -b deep; (cd .claude/worktrees/deep; ${COMMIT('deep')}; echo dirty > loose)`,
      `git worktree add -q --detach inner; (cd inner; ${COMMIT('inner')})`,
      'git worktree add -q ../outer -b outer; (cd ../outer; echo out > out; chmod 000 out; rm a.txt)',
      'git worktree add -q untouched -b untouched',
      'git stash list; echo x > main.txt; echo i > .claude/ignored',
    ].join('\n')
    const { json, named, show, home, leftOut } = await savedAfter(script)
    expect(git(home, 'ls-tree', '-r', '--name-only', json.commit).trim().split('\n')).toEqual([
      ...['.gitignore', 'a.txt', 'd/b.txt', 'main.txt'],
    ])
    expect(show('deep', 'deep')).toBe('deep\n')
    expect(named.get('.claude/worktrees/deep')).toMatchObject({ kind: 'worktree', ahead: 2 })
    expect(show('.claude/worktrees/deep', 'loose')).toBe('dirty\n')
    expect(named.get('inner')).toMatchObject({ kind: 'worktree', ahead: 1 })
    expect(show('inner', 'inner')).toBe('inner\n')
    const outer = [...named.values()].find(({ name }) => name.endsWith('/outer'))
    expect(outer).toMatchObject({ kind: 'worktree', ahead: 1 })
    expect(
      git(home, 'ls-tree', '-r', '--name-only', outer?.ref ?? '')
        .trim()
        .split('\n'),
    ).toEqual([...['.gitignore', 'd/b.txt', 'out']])
    expect(named.get('untouched')).toMatchObject({ kind: 'branch', ahead: 0 })
    expect(leftOut.map(({ path }) => path)).toEqual(['.claude/ignored'])
  })

  it('brings what is open home: a rebase with its autostash, a merge with its other side', async () => {
    const rebase = [
      `git checkout -q -b theirs; echo t > a.txt; git commit -qam theirs; git checkout -q tdf/task-1`,
      `echo m > a.txt; git commit -qam mine; echo dirty > d/b.txt; git rebase -q --autostash theirs; true`,
    ].join('\n')
    const rebased = await savedAfter(rebase)
    const autostash = [...rebased.named.values()].find(({ name }) => name.includes('autostash'))
    expect(autostash).toMatchObject({ kind: 'stash' })
    expect(git(rebased.home, 'show', `${autostash?.ref}:d/b.txt`)).toBe('dirty\n')
    expect(rebased.show('tdf/task-1', 'a.txt')).toBe('m\n')
    const merge = [
      `git checkout -q --detach; echo t > a.txt; git commit -qam other; echo $(git rev-parse HEAD) > ../other`,
      `git checkout -q tdf/task-1; echo m > a.txt; git commit -qam mine; git merge -q $(cat ../other); true`,
    ].join('\n')
    const merged = await savedAfter(merge)
    expect(merged.show('MERGE_HEAD', 'a.txt')).toBe('t\n')
    expect(merged.json).toMatchObject({ ahead: 2, salvaged: true })
  })

  it('makes its own files readable, whatever their mode', async () => {
    const script = [
      'echo changed > a.txt; chmod 000 a.txt',
      'mkdir shut; echo s > shut/s; chmod 000 shut',
      'mkdir listed; echo l > listed/l; chmod 444 listed',
      'mkdir -p deep/er; echo d > deep/er/d; chmod 100 deep/er/d; chmod 000 deep/er; chmod 000 deep',
      '(umask 777; echo m > masked)',
      'chmod 000 .',
    ].join('\n')
    const { show, leftOut, json } = await savedAfter(script)
    expect(leftOut).toEqual([])
    expect(json.salvaged).toBe(true)
    expect(['a.txt', 'shut/s', 'listed/l', 'deep/er/d', 'masked'].map(path => show(REF, path))).toEqual([
      ...['changed\n', 's\n', 'l\n', 'd\n', 'm\n'],
    ])
  })

  it('names what stays: too large alone and together, special, refused, ignored, filtered, without its history', async () => {
    const script = [
      'for size in 30000 40000 50000 60000 200000; do head -c $size /dev/zero > $size.bin; done',
      'mkfifo fifo; mkdir .GIT; echo x > .GIT/x; mkdir -p sub/.git; echo c > sub/.git/config',
      'echo 1 > one.log; echo 2 > two.log; mkdir .claude; echo 3 > .claude/three; mkdir only; echo 4 > only/four.log',
      'git init -q inner; (cd inner; git config user.email a@b; git config user.name a; echo i > i; git add -A; git commit -qm i)',
      `printf '*.secret filter=crypt\\n' > .gitattributes; echo s > s.secret`,
    ].join('\n')
    const { leftOut, show } = await savedAfter(script)
    const paths = leftOut.map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(['50000.bin', '60000.bin', '200000.bin']))
    expect(paths).toEqual(expect.arrayContaining(['fifo', '.GIT/x', 'sub/.git/config', 'inner/.git', 's.secret']))
    expect(paths).toEqual(expect.arrayContaining(['one.log', 'two.log', '.claude/', 'only/four.log']))
    expect(leftOf(leftOut, '60000.bin')).toMatchObject({
      bytes: 60_000,
      reason: expect.stringContaining('salvage_max_bytes'),
    })
    expect(leftOf(leftOut, 's.secret')?.reason).toContain('crypt')
    expect([show(REF, 'inner/i'), show(REF, '30000.bin').length]).toEqual(['i\n', 30_000])
    expect(paths).not.toContain('30000.bin')
    expect(paths).not.toContain('only/')
  })

  it('does not name what its set-up left ignored', async () => {
    const setup = { command: 'echo s > setup.log; mkdir -p .claude; echo s > .claude/s', timeoutMs: 60_000 }
    const { leftOut } = await savedAfter('echo mine > mine.log', { setup })
    expect(leftOut.map(({ path }) => path)).toEqual(['mine.log'])
  })

  it('says that HEAD moved back, and where to', async () => {
    const { json } = await savedAfter('git reset -q --hard HEAD~1')
    expect(json).toMatchObject({ ahead: 0, salvaged: false, baseCommit: base })
    expect(json.commit).not.toBe(base)
  })
})

describe.each(isRoot ? ['another user'] : [])('what %s owns', () => {
  beforeAll(async () => {
    prepare(NOBODY)
    agent = await startAgentProcess({ uid: NOBODY, env: { HOME: tmpdir() } })
  })

  it('is named, kept, asked for again, and comes home once it can be read', async () => {
    const id = await readyWorkspace(agent, `file://${served}`)
    await runScript(agent, id, 'echo changed > a.txt; mkdir data; echo y > y')
    const work = join(agent.state, 'workspaces', id, 'work')
    writeFileSync(join(work, 'root.txt'), 'r\n', { mode: 0o600 })
    writeFileSync(join(work, 'data', 'inner'), 'i\n')
    chownSync(join(work, 'data'), 0, 0)
    chmodSync(join(work, 'data'), 0o700)
    chownSync(join(work, 'd'), 0, 0)
    chmodSync(join(work, 'd'), 0o700)
    const first = await salvage(id)
    expect(leftOf(first.leftOut, 'root.txt')).toMatchObject({
      bytes: 2,
      reason: expect.stringMatching(/cannot be read/),
    })
    expect(leftOf(first.leftOut, 'data/')).toMatchObject({ bytes: null })
    expect([first.show(REF, 'a.txt'), first.show(REF, 'y')]).toEqual(['changed\n', 'y\n'])
    // What cannot be looked into was not deleted.
    expect(first.show(REF, 'd/b.txt')).toBe('b\n')
    for (const path of ['root.txt', 'data', 'd']) chownSync(join(work, path), NOBODY, NOBODY)
    const second = await salvage(id)
    expect(second.leftOut).toEqual([])
    expect([second.show(REF, 'root.txt'), second.show(REF, 'data/inner')]).toEqual(['r\n', 'i\n'])
  })

  it('is not believed to be a work tree of the repository because a file says so', async () => {
    const elsewhere = tempFolder()
    writeFileSync(join(elsewhere, 'secret'), 'secret\n')
    chmodSync(elsewhere, 0o755)
    const script = ['git worktree add -q ../real -b real', `echo ${elsewhere}/.git > .git/worktrees/real/gitdir`].join(
      '\n',
    )
    const { saved, home } = await savedAfter(script)
    for (const { ref } of saved) expect(git(home, 'ls-tree', '-r', '--name-only', ref)).not.toContain('secret')
  })
})
