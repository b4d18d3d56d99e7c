/** What stands around a command, such as the user's git configuration or the variables of a hook, changes no result. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { makeRepository, tdf, tdfWith } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

const git = (dir: string, ...args: string[]) => execFileSync('git', args, { cwd: dir, encoding: 'utf8' }).trim()
const headOf = (dir: string) => git(dir, 'rev-parse', 'HEAD')

/** Another repository, whose README has other content. */
function stranger(): string {
  const { dir } = makeRepository()
  writeFileSync(path.join(dir, 'README.md'), 'another project\n')
  git(dir, '-c', 'user.name=you', '-c', 'user.email=you@localhost', 'commit', '-qam', 'another')
  return dir
}

describe('tdf apply', () => {
  it.each(['fix', 'error-all'])('writes what the task wrote, also when apply.whitespace is %s', async value => {
    const { dir } = makeRepository()
    const script = String.raw`printf 'trailing  \n\ttab \n\n\n' > SPACES.md; printf 'indent:\n \t  x  \n' >> README.md`
    const submitted = await tdf(home, 'submit', '--repo', dir, '-q', '--wait', '--', 'sh', '-c', script)
    git(dir, 'config', 'apply.whitespace', value)
    const applied = await tdfWith(home, { cwd: dir }, 'apply', submitted.out.trim())
    expect(applied).toMatchObject({ code: 0 })
    expect(readFileSync(path.join(dir, 'SPACES.md'), 'utf8')).toBe('trailing  \n\ttab \n\n\n')
    expect(readFileSync(path.join(dir, 'README.md'), 'utf8')).toBe('# a project\nindent:\n \t  x  \n')
  })
})

describe('git’s variables of another repository', () => {
  const variables = (dir: string): [string, Record<string, string>][] => [
    ['GIT_DIR', { GIT_DIR: path.join(dir, '.git') }],
    ['GIT_DIR and GIT_WORK_TREE', { GIT_DIR: path.join(dir, '.git'), GIT_WORK_TREE: dir }],
    ['GIT_INDEX_FILE', { GIT_INDEX_FILE: path.join(dir, '.git', 'index') }],
    ['GIT_COMMON_DIR', { GIT_COMMON_DIR: path.join(dir, '.git') }],
    ['GIT_OBJECT_DIRECTORY', { GIT_OBJECT_DIRECTORY: path.join(dir, '.git', 'objects') }],
  ]

  it.each(variables(stranger()))('%s: the repository that is named is the one that is bundled', async (_, env) => {
    const words = ['submit', '--repo', repo.dir, '--wait', '--json', '--', 'cat', 'README.md']
    const { out, err } = await tdfWith(home, { env }, ...words)
    expect(err).not.toContain('error')
    const task: TaskJson = JSON.parse(out)
    expect(task.repo).toMatchObject({ url: repo.dir, baseCommit: headOf(repo.dir) })
    expect((await tdf(home, 'logs', task.id)).out).toBe('# a project\n')
  })

  it('GIT_DIR without --repo: name and content are both of the repository that it names', async () => {
    const other = stranger()
    const place = { cwd: repo.dir, env: { GIT_DIR: path.join(other, '.git') } }
    const { out } = await tdfWith(home, place, 'submit', '--wait', '--json', '--', 'cat', 'README.md')
    const task: TaskJson = JSON.parse(out)
    expect(task.repo).toMatchObject({ url: other, baseCommit: headOf(other) })
  })

  it('in a hook of a linked work tree: its own repository', async () => {
    const { dir } = makeRepository()
    const linked = path.join(dir, 'linked')
    git(dir, 'worktree', 'add', '-q', linked)
    const env = { GIT_DIR: path.join(dir, '.git', 'worktrees', 'linked'), GIT_INDEX_FILE: 'index' }
    const { out } = await tdfWith(home, { cwd: linked, env }, 'submit', '--json', '--', 'true')
    expect(JSON.parse(out).repo).toMatchObject({ url: linked, baseCommit: headOf(dir) })
  })

  it('do not follow into the daemon and its agent', async () => {
    const other = stranger()
    const hooked = { GIT_DIR: path.join(other, '.git'), GIT_WORK_TREE: other, GIT_INDEX_FILE: 'nowhere' }
    const before = headOf(other)
    await tdf(home, 'daemon', 'stop')
    await home.start(hooked)
    const script = 'echo more >> README.md; git commit -qam more'
    const { out } = await tdf(home, 'submit', '--repo', repo.dir, '--wait', '--json', '--', 'sh', '-c', script)
    const task: TaskJson = JSON.parse(out)
    expect(task).toMatchObject({ verdict: 'unverified', result: { ahead: 1, filesChanged: 1 } })
    await tdfWith(home, { cwd: repo.dir, env: hooked }, 'pull', task.id)
    expect(git(repo.dir, 'show', `${task.result?.branch}:README.md`)).toBe('# a project\nmore')
    expect(headOf(other)).toBe(before)
  })
})

describe('--ref of a folder', () => {
  const { dir } = makeRepository()
  git(dir, 'branch', 'topic')

  it.each(['HEAD~9', '^main', 'main..topic', 'main:README.md', '@{upstream'])('refuses %s', async ref => {
    const { code, err } = await tdf(home, 'submit', '--repo', dir, '--ref', ref, '--json', '--', 'true')
    expect([code, JSON.parse(err).error.code]).toEqual([1, 'REF_UNKNOWN'])
  })
})

describe('--dirty', () => {
  /** A PATH of git and what it needs, where Git LFS is not installed. */
  const withoutLfs = mkdtempSync(path.join(tmpdir(), 'tdf-path-'))
  afterFile(() => rmSync(withoutLfs, { recursive: true, force: true }))
  for (const program of ['git', 'sh']) {
    const found = execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
    symlinkSync(found, path.join(withoutLfs, program))
  }

  const dirty = async (dir: string, ...more: string[]) =>
    tdf(home, 'submit', '--repo', dir, '--dirty', ...more, '--json', '--', 'true')

  it('is the commit itself when nothing is changed, and the same commit for the same files at any time', async () => {
    const { dir } = makeRepository()
    expect(JSON.parse((await dirty(dir)).out).repo.baseCommit).toBe(headOf(dir))
    writeFileSync(path.join(dir, 'new.txt'), 'new\n')
    const [one, other] = [await dirty(dir, '--idempotency-key', 'k'), await dirty(dir, '--idempotency-key', 'k')]
    expect(JSON.parse(other.out)).toMatchObject({ id: JSON.parse(one.out).id })
    expect(JSON.parse(one.out).repo.baseCommit).not.toBe(headOf(dir))
  })

  it('is refused on a commit that the working tree does not stand on', async () => {
    const { dir } = makeRepository()
    const first = headOf(dir)
    git(dir, '-c', 'user.name=you', '-c', 'user.email=you@localhost', 'commit', '-q', '--allow-empty', '-m', 'second')
    const { code, err } = await dirty(dir, '--ref', 'HEAD~1')
    expect([code, JSON.parse(err).error.hint]).toEqual([2, `git -C ${dir} checkout ${first}`])
  })

  it.each([
    ['crypt', 'clean', 'crypt-gone --encrypt', 'crypt-gone'],
    ['crypt', 'process', 'crypt-gone --all', 'crypt-gone'],
    // As `git lfs install` sets it.
    ['lfs', 'process', 'git-lfs filter-process', 'git-lfs is not installed'],
  ])('names the filter %s that cannot take the files, by its %s', async (filter, kind, command, why) => {
    const { dir } = makeRepository()
    git(dir, 'config', `filter.${filter}.${kind}`, command)
    git(dir, 'config', `filter.${filter}.required`, 'true')
    writeFileSync(path.join(dir, '.gitattributes'), `*.bin filter=${filter}\n`)
    writeFileSync(path.join(dir, 'x.bin'), 'new\n')
    const words = ['submit', '--repo', dir, '--dirty', '--json', '--', 'true']
    const { code, err } = await tdfWith(home, { env: { PATH: withoutLfs } }, ...words)
    const { error } = JSON.parse(err.trim().split('\n').at(-1) ?? '')
    const shown = `git -C ${dir} config --get-regexp '^filter\\.crypt\\.'`
    expect([code, error.hint]).toEqual([1, filter === 'lfs' ? 'sudo apt-get install git-lfs' : shown])
    expect(error.message).toContain(`clean filter "${filter}" failed: `)
    expect(error.message).toContain(why)
  })
})

it('a result whose branch cannot be made beside another one is pulled by a name that is given', async () => {
  const { dir } = makeRepository()
  const words = ['submit', '--repo', dir, '--wait', '-q', '--output-branch', 'topic/a', '--', 'touch', 'new']
  const id = (await tdf(home, ...words)).out.trim()
  git(dir, 'branch', 'topic')
  const { code, err } = await tdfWith(home, { cwd: dir }, 'pull', id)
  expect([code, err]).toEqual([5, expect.stringContaining('cannot be made where there is a branch topic\n')])
  const [, hint = ''] = /hint: tdf (.*)/.exec(err) ?? []
  expect((await tdfWith(home, { cwd: dir }, ...hint.split(' '))).code).toBe(0)
  expect(git(dir, 'branch', '--list', 'topic-a')).toBe('topic-a')
})

it.each(['~/x', '~', '~you/x'])('TDF_HOME=%s that no shell has expanded is refused', async value => {
  const { code, err } = await tdfWith(home, { cwd: repo.dir, env: { TDF_HOME: value, HOME: '/home/you' } }, 'ls')
  expect(code).toBe(78)
  expect(err).toContain(`hint: export TDF_HOME=/home/you${value === '~/x' ? '/x' : value === '~' ? '' : '/.tdf'}\n`)
})

it.each([
  ['TDF_HOST', { TDF_HOST: '~/tdf.sock' }, ['ls'], 'export TDF_HOST=/home/you/tdf.sock'],
  ['--host', {}, ['--host', '~/tdf.sock', 'ls'], 'tdf --host /home/you/tdf.sock version'],
])('%s with a ~ that no shell has expanded is refused', async (_, env, words, hint) => {
  const { code, err } = await tdfWith(home, { cwd: repo.dir, env: { ...env, HOME: '/home/you' } }, ...words)
  expect([code, err]).toEqual([78, expect.stringContaining(`hint: ${hint}\n`)])
})

it('--repo with a ~ that no shell has expanded names that', async () => {
  const { code, err } = await tdf(home, 'submit', '--repo', '~/project', '-n', '--', 'true')
  expect([code, err]).toEqual([1, expect.stringContaining('the shell did not expand the ~')])
})
