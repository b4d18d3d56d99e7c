/** What stands around a command, such as the user's git configuration or the variables of a hook, changes no result. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
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
  const commit = (message: string) =>
    git(dir, '-c', 'user.name=you', '-c', 'user.email=you@localhost', 'commit', '-q', '--allow-empty', '-m', message)
  for (const message of ['second', 'third: mend it', 'fourth']) commit(message)
  git(dir, 'branch', 'topic', 'HEAD~1')
  git(dir, 'branch', '-q', '--set-upstream-to=topic', 'main')
  git(dir, 'checkout', '-q', 'topic')
  git(dir, 'checkout', '-q', 'main')

  it.each(['HEAD~2', 'HEAD^', '@{upstream}', '@{-1}', ':/mend it', 'main@{0}', 'topic~0^{commit}', '@'])(
    'takes %s',
    async ref => {
      const { out, err } = await tdf(home, 'submit', '--repo', dir, '--ref', ref, '--json', '--', 'true')
      expect(err).not.toContain('error')
      expect(JSON.parse(out).repo.baseCommit).toBe(git(dir, 'rev-parse', ref))
    },
  )

  it.each(['HEAD~9', '^main', 'main..topic', 'main:README.md', '@{upstream'])('refuses %s', async ref => {
    const { code, err } = await tdf(home, 'submit', '--repo', dir, '--ref', ref, '--json', '--', 'true')
    expect([code, JSON.parse(err).error.code]).toEqual([1, 'REF_UNKNOWN'])
  })
})

it('a repository of another user is refused with the command that git names', async () => {
  const { dir } = makeRepository()
  // git's own switch for its tests of this.
  const env = { GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' }
  const { code, err } = await tdfWith(home, { cwd: dir, env }, 'submit', '--json', '--', 'true')
  const { error } = JSON.parse(err)
  expect([code, error.code]).toEqual([1, 'REPOSITORY_UNREADABLE'])
  expect(error.hint).toBe(`git config --global --add safe.directory ${dir}`)
})

it.each(['~/x', '~', '~you/x'])('TDF_HOME=%s that no shell has expanded is refused', async value => {
  const { code, err } = await tdfWith(home, { cwd: repo.dir, env: { TDF_HOME: value, HOME: '/home/you' } }, 'ls')
  expect(code).toBe(78)
  expect(err).toContain(`hint: export TDF_HOME=/home/you${value === '~/x' ? '/x' : value === '~' ? '' : '/.tdf'}\n`)
})
