/** What stands beside a result in the repository that keeps it, when a salvage is refused, and the bundle that takes it all along. */
import { mkdirSync, readdirSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openKeeper, prepareRepository, writeBundle } from '../../../../../src/agent/salvage/keep.ts'
import { salvage } from '../../../../../src/agent/salvage/salvage.ts'
import { removeTree } from '../../../../../src/agent/state/remove-tree.ts'
import { tempFolder } from '../support/temp.ts'
import { git } from '../support/work.ts'
import { COMMIT, ENDED, REF, type Scene, scene, type Template, template } from './scene.ts'

let plain: Template
beforeAll(() => {
  plain = template()
})

const byName = ({ saved }: { saved: readonly { name: string }[] }) => saved.map(({ name }) => name)

describe('beside the result', () => {
  it('are branches, stashes, tags and what was left behind, each with how far it is ahead', async () => {
    const s = scene(plain)
    s.sh(`git checkout -q -b side; ${COMMIT('one')}; ${COMMIT('two')}; git checkout -q tdf/task-1`)
    s.sh('echo w > a.txt; git stash -q; echo v > a.txt; git stash -q')
    s.sh(`git checkout -q --detach; ${COMMIT('free')}; git tag -a -m t mark; git checkout -q tdf/task-1`)
    s.sh(`${COMMIT('undone')}; git reset -q --hard HEAD~1; git branch same; git update-ref refs/odd/blob HEAD:a.txt`)
    const answer = await s.salvage()
    expect(answer).toMatchObject({ commit: s.base, ahead: 0, salvaged: false, leftOut: [] })
    expect(answer.saved.map(({ name, kind, ahead }) => [name, kind, ahead])).toEqual([
      ...[['same', 'branch', 0]],
      ...[['side', 'branch', 2]],
      ...[['stash@{0}', 'stash', 2]],
      ...[['stash@{1}', 'stash', 2]],
      ...[['tags/mark', 'branch', 1]],
      ...[['left-behind-1', 'branch', 1]],
    ])
    for (const { ref, commit } of answer.saved) expect(s.kept('rev-parse', ref)).toBe(commit)
    expect(s.kept('show', `${REF}-others/tags/mark:free`)).toBe('free')
  })

  it('is what of it is whole: the rest is named', async () => {
    const s = scene(plain)
    s.sh(`git checkout -q -b good; ${COMMIT('good')}; git checkout -q -b bad tdf/task-1; ${COMMIT('bad')}`)
    s.sh(`rm -f .git/objects/$(git rev-parse bad:bad | sed 's#^..#&/#'); git checkout -q -f tdf/task-1 2>/dev/null`)
    s.sh(`git checkout -q -b worse; ${COMMIT('w1')}; ${COMMIT('w2')}; git checkout -q tdf/task-1`)
    s.sh(`rm -f .git/objects/$(git rev-parse worse~1 | sed 's#^..#&/#'); echo ${'1'.repeat(40)} > .git/refs/heads/gone`)
    const answer = await s.salvage()
    expect(byName(answer)).toEqual(['good'])
    const left = answer.leftOut.map(({ path, kind }) => `${kind} ${path}`).sort()
    expect(left).toEqual(['broken bad', 'broken gone', 'broken left-behind-1', 'broken worse'])
    expect(Object.keys(await refsOf(s))).toEqual([REF, `${REF}-heads/good`])
  })

  it('is nothing that was there before, and nothing of an earlier salvage', async () => {
    const s = scene(plain)
    s.sh(`git branch one; echo x > x`)
    expect(byName(await s.salvage())).toEqual(['one'])
    s.sh('git branch -D one; git branch two')
    s.session('s-1', 1)
    expect(byName(await s.salvage())).toEqual(['two'])
    expect(Object.keys(await refsOf(s))).toEqual([REF, `${REF}-heads/two`])
  })

  it('are the output of each session and the newest conversation, unless a session runs', async () => {
    const s = scene(plain)
    const about = (text: string) => ({
      'conversation/about.json': text,
      'conversation/conversation.jsonl': `${text}\n`,
    })
    s.session('setup', 0, { 'output.log': 'setting up\n' })
    s.session('s-2', 2, { 'output.log': 'second\n', ...about('newer') })
    s.session('s-1', 1, { 'output.log': 'first\n', ...about('older') })
    s.session('s-3', 3, { 'exit.json': { ...ENDED, endedAt: '2026-01-02T03:04:59.000Z' } })
    const open = s.session('s-4', 4)
    for (const name of ['exit.json', 'claim.json']) rmSync(join(open, name))
    await s.checkpoint()
    expect(Object.keys(await refsOf(s))).toEqual([REF])
    await s.salvage()
    expect(Object.keys(await refsOf(s)).sort()).toEqual([REF, `${REF}-log`, `${REF}-session`])
    expect(s.files(`${REF}-log`)).toEqual(['s-1/output.log', 's-2/output.log', 'setup/output.log'])
    expect(s.kept('show', `${REF}-log:s-2/output.log`)).toBe('second')
    expect(s.files(`${REF}-session`)).toEqual(['about.json', 'conversation.jsonl'])
    expect(s.kept('show', `${REF}-session:conversation.jsonl`)).toBe('newer')
    expect(s.kept('log', '-1', '--format=%s', `${REF}-log`)).toBe('Output of task task-1')
    expect(s.kept('log', '-1', '--format=%s|%P', `${REF}-session`)).toBe('Conversation of task task-1|')
    expect(s.kept('log', '-1', '--format=%ct', `${REF}-log`)).toBe(String(Date.parse('2026-01-02T03:05:00Z') / 1000))
  })
})

async function refsOf(s: Scene): Promise<Record<string, string>> {
  const keeper = openKeeper(s.workspace, 60_000, new AbortController().signal)
  return Object.fromEntries(keeper.refsOf(REF))
}

describe('a salvage', () => {
  it('is refused while its workspace is built or a session runs; a checkpoint waits for no session', async () => {
    const s = scene(plain)
    s.session('s-1', 1, {
      'exit.json': 'null',
      'claim.json': { kind: 'runner', runner: { pid: process.pid, startTicks: 'x', bootId: 'y' } },
    })
    rmSync(join(s.folder, 'sessions', 's-1', 'exit.json'))
    s.workspace.record.status = 'creating'
    const words = 'workspace ws-1 is creating and has no work tree'
    await expect(s.salvage()).rejects.toMatchObject({ code: 'workspace_not_ready', message: words })
    await expect(s.checkpoint()).rejects.toMatchObject({ code: 'workspace_not_ready' })
    s.workspace.record.status = 'ready'
    s.workspace.record.baseCommit = null
    await expect(s.salvage()).rejects.toMatchObject({ code: 'workspace_not_ready' })
    s.workspace.record.baseCommit = s.base
    s.sh('echo half > half')
    expect(await s.checkpoint()).toMatchObject({ salvaged: true })
    expect(s.files()).toContain('half')
  })

  it('that fails says why, and says so where its workspace is gone', async () => {
    const s = scene(plain)
    const real = s.workspace.folder
    rmSync(join(real, 'salvage.git'), { recursive: true })
    rmSync(s.work, { recursive: true })
    const failed = await s.salvage().catch(error => error)
    expect(failed).toMatchObject({ code: 'salvage_failed', message: expect.stringMatching(/./) })
    expect([s.logged.at(-1), s.facts.at(-1)]).toEqual(['salvage failed', { workspace: 'ws-1', reason: failed.message }])
    s.workspace.deleted = true
    await expect(s.salvage()).rejects.toMatchObject({ code: 'not_found', message: 'workspace ws-1 was deleted' })
  })

  it('ends when its workspace is left', async () => {
    const s = scene(plain)
    s.workspace.leaving.abort()
    await expect(s.salvage()).rejects.toMatchObject({ code: 'salvage_failed' })
    expect(s.logged).toEqual(['salvage failed'])
  })

  it('ends when it takes too long: nine minutes, and one for a checkpoint, which others wait for', async () => {
    const s = scene(plain)
    const waits: number[] = []
    const clock = {
      ...s.agent.world.clock,
      timer(ms: number, fn: () => void) {
        waits.push(ms)
        fn()
        return () => waits.push(0)
      },
    }
    s.agent.world = { ...s.agent.world, clock }
    const late = { code: 'salvage_failed', message: 'the salvage took too long' }
    await expect(s.salvage()).rejects.toMatchObject(late)
    await expect(s.checkpoint()).rejects.toMatchObject(late)
    expect(waits).toEqual([540_000, 0, 60_000, 0])
  })

  it('names at most two hundred entries, what may be lost first', async () => {
    const s = scene(plain)
    s.sh('echo x > 0.log; for i in $(seq 100 304); do mkfifo $i; done')
    const { leftOut } = await s.salvage()
    expect(leftOut).toHaveLength(201)
    expect(leftOut[0]).toMatchObject({ path: '100', kind: 'special', bytes: null })
    expect(leftOut[199]?.path).toBe('299')
    expect(leftOut[200]).toEqual({ path: '…', bytes: null, reason: '6 more', kind: 'special' })
    s.sh('rm 1??; for i in $(seq 100 304); do echo $i > $i.log; done')
    s.session('s-1', 1)
    const again = (await s.salvage()).leftOut
    expect([again[0]?.path, again[200]?.kind]).toEqual(['200', 'ignored'])
  })

  it('takes a repository of 64 digits', async () => {
    const s = scene(template(undefined, 'sha256'))
    s.sh(`${COMMIT('one')}; git branch side; echo x > x`)
    const answer = await s.salvage()
    expect([answer.commit.length, answer.ahead, byName(answer)]).toEqual([64, 2, ['side']])
  })
})

describe('the repository that keeps a result', () => {
  it('is made anew where it was destroyed, without what an agent left in it', () => {
    const at = join(tempFolder(), 'kept.git')
    prepareRepository(at, 40)
    mkdirSync(join(at, 'hooks'))
    mkdirSync(join(at, 'objects', 'info'), { recursive: true })
    writeFileSync(join(at, 'hooks', 'post-update'), 'x')
    writeFileSync(join(at, 'objects', 'info', 'alternates'), '/elsewhere\n')
    writeFileSync(join(at, 'config'), '[core]\n\tfsmonitor = evil\n')
    writeFileSync(join(at, 'HEAD'), 'ref: refs/heads/mine\n')
    prepareRepository(at, 64)
    expect(readdirSync(at).sort()).toEqual(['HEAD', 'config', 'objects', 'refs'])
    expect(readdirSync(join(at, 'objects', 'info'))).toEqual([])
    expect(git(at, 'config', '--file', 'config', '--list')).not.toContain('evil')
    expect(git(at, 'rev-parse', '--show-object-format').trim()).toBe('sha256')
    expect(git(at, 'symbolic-ref', 'HEAD').trim()).toBe('refs/heads/mine')
  })

  it('has nothing to keep or to clear where nothing is named', async () => {
    const s = scene(plain)
    const keeper = openKeeper(s.workspace, 60_000, new AbortController().signal)
    await keeper.keep({} as never, new Map())
    expect(await keeper.keepSound({} as never, new Map())).toEqual(new Set())
    await keeper.clear(REF)
    expect(s.kept('for-each-ref', '--format=%(refname)', 'refs/keep')).toBe('refs/keep/base')
  })
})

describe('a salvage that is over', () => {
  it('leaves no file open', async () => {
    const s = scene(plain)
    s.sh(`${COMMIT('one')}; git worktree add -q --detach w; echo x > x; echo '*.bin filter=lfs' > .gitattributes`)
    s.sh('git stash -q; git init -q in; echo i > in/i; echo b > b.bin; echo a > a.log')
    mkdirSync(join(s.folder, 'artifacts'))
    symlinkSync(join('..', 'work', 'x'), join(s.folder, 'artifacts', 'link'))
    const wish = { globs: ['*.log'], maxBytes: 100 }
    const { files } = await salvage(s.agent, s.workspace, REF, 100_000, wish)
    expect(files?.list.map(({ path }) => path)).toEqual(['a.log', 'link'])
    const open = readdirSync('/proc/self/fd').flatMap(name => linkOf(join('/proc/self/fd', name)))
    expect(open.filter(path => path.startsWith(realpathSync(s.folder)))).toEqual([])
  })

  it('of a work tree that is gone keeps what was committed, though its artifacts cannot be kept', async () => {
    const s = scene(plain)
    s.sh('find . -mindepth 1 -delete; rmdir "$PWD"')
    mkdirSync(join(s.folder, 'artifacts'))
    writeFileSync(join(s.folder, 'artifacts', 'report'), 'r')
    mkdirSync(join(s.folder, 'salvage.git', 'refs', 'tdf', 'task-1'), { recursive: true })
    writeFileSync(join(s.folder, 'salvage.git', `${REF}-files.lock`), '')
    const { commit, files, leftOut } = await salvage(s.agent, s.workspace, REF, 100, { globs: [], maxBytes: 100 })
    expect([commit, files]).toEqual([s.base, null])
    expect(leftOut.find(({ path }) => path === 'artifacts')?.reason).toBe('git does not take them')
    expect(s.kept('rev-parse', REF)).toBe(s.base)
  })
})

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)]
  } catch {
    // That of the listing itself.
    return []
  }
}

describe('the bundle', () => {
  it('is that of the result that is asked for, and of none that was saved since', async () => {
    const s = scene(plain)
    s.sh(COMMIT('one'))
    const first = await s.salvage()
    s.sh(COMMIT('two'))
    s.session('s-1', 1)
    const other = 'refs/tdf/task-1/2'
    const second = await salvage(s.agent, s.workspace, other, 100_000)
    expect(second.commit).not.toBe(first.commit)
    expect(await writeBundle(s.agent, s.workspace, REF, [s.base, first.commit])).toBe(null)
    const file = (await writeBundle(s.agent, s.workspace, other, [s.base, first.commit])) ?? ''
    expect(git(s.folder, 'bundle', 'list-heads', file).trim()).toBe(`${second.commit} ${other}`)
  })

  it('has all that was saved, less what its caller has; it is none where the caller has it all', async () => {
    const s = scene(plain)
    s.sh(`git checkout -q -b side; ${COMMIT('one')}; git checkout -q tdf/task-1; echo x > x`)
    const { commit, saved } = await s.salvage()
    const bundle = (have: string[], ref = REF) => writeBundle(s.agent, s.workspace, ref, have)
    const whole = (await bundle([])) ?? ''
    expect(
      git(s.folder, 'bundle', 'list-heads', whole)
        .trim()
        .split('\n')
        .map(line => line.slice(41))
        .sort(),
    ).toEqual([...[REF, `${REF}-heads/side`]])
    const thin = (await bundle([s.base, '1'.repeat(40)])) ?? ''
    expect(git(s.work, 'bundle', 'verify', thin)).toMatch(/requires this ref|requires these/)
    const side = (await bundle([commit])) ?? ''
    expect(git(s.folder, 'bundle', 'list-heads', side)).toContain('side')
    expect(await bundle([commit, saved[0]?.commit ?? ''])).toBe(null)
    await expect(bundle([], 'refs/tdf/other/1')).rejects.toMatchObject({ code: 'not_found' })
    expect(readdirSync(join(s.folder, 'scratch')).length).toBe(3)
    s.session('s-1', 1)
    await s.salvage()
    s.sh('echo y > y')
    s.session('s-2', 2)
    await s.salvage()
    // That of an older salvage goes.
    expect(readdirSync(join(s.folder, 'scratch')).length).toBe(4)
    await removeTree(join(s.folder, 'scratch'))
    expect(await bundle([])).toMatch(/scratch\/bundle-[0-9a-f]{12}$/)
  })
})
