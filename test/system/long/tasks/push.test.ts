/** Branches on their way to remotes, with real git on both sides: what is refused, away, foreign, cut off, or not yet there. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome, makeRepository, type Ran, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
let place: string

beforeEach(() => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-push-'))
  repo = makeRepository()
  home = makeHome()
})
afterEach(async () => {
  await home.remove()
  repo.remove()
  rmSync(place, { recursive: true, force: true })
})

const COMMITS = 'date +%N > NOTES.md && git add -A && git commit -qm notes'

function bare(name: string): string {
  const dir = path.join(place, `${name}.git`)
  git(place, 'init', '--quiet', '--bare', '--initial-branch=main', dir)
  return dir
}

function git(cwd: string, ...args: string[]): string {
  const as = ['-c', 'user.name=you', '-c', 'user.email=you@localhost']
  return execFileSync('git', [...as, ...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** A remote with the project on its main branch, as `origin` of the repository. */
function withOrigin(): string {
  const origin = bare('origin')
  git(repo.dir, 'remote', 'add', 'origin', origin)
  git(repo.dir, 'push', '--quiet', 'origin', 'main')
  return origin
}

function hook(remote: string, script: string): void {
  mkdirSync(path.join(remote, 'hooks'), { recursive: true })
  const file = path.join(remote, 'hooks', 'pre-receive')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

async function submit(...options: string[]): Promise<Ran & { task: TaskJson }> {
  const words = ['submit', '--repo', repo.dir, '--wait', '--json', ...options, '--', 'sh', '-c', COMMITS]
  const ran = await tdf(home, ...words)
  if (ran.out === '') throw new Error(`no task: ${ran.code} ${ran.err}`)
  return { ...ran, task: JSON.parse(ran.out) }
}

const tipOf = (remote: string, branch: string) => git(remote, 'rev-parse', `refs/heads/${branch}`)

describe('after a completed task', () => {
  it('its branch is pushed to origin, and the waiting is over when it is there', async () => {
    const origin = withOrigin()
    await home.start()
    const { code, task } = await submit('--push')
    expect([code, task.verdict, task.push?.state]).toEqual([0, 'unverified', 'pushed'])
    expect(tipOf(origin, task.outputBranch)).toBe(task.result?.commit)
    expect((await tdf(home, 'show', task.id)).out).toContain(`pushed ${task.outputBranch} to file://`)
    const types = JSON.parse((await tdf(home, 'events', '--json')).out).map(({ type }: { type: string }) => type)
    expect(types.filter((type: string) => type === 'task.push')).toHaveLength(2)
  })

  it('nothing is pushed that nobody asked for, and nothing of a task that failed', async () => {
    const origin = withOrigin()
    await home.start()
    expect((await submit()).task.push).toBeNull()
    const failed = await submit('--push', '--check', 'false')
    expect([failed.code, failed.task.verdict, failed.task.push]).toEqual([10, 'check_failed', null])
    expect(git(origin, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/main')
  })

  it('[push] default pushes, and --no-push does not', async () => {
    withOrigin()
    await home.start({ TDF_PUSH__DEFAULT: 'branch' })
    expect((await submit()).task.push?.state).toBe('pushed')
    expect((await submit('--no-push')).task.push).toBeNull()
  })

  it('without a remote it is refused before anything is begun', async () => {
    await home.start()
    const refused = await tdf(home, 'submit', '--repo', repo.dir, '--push', '--json', '--', 'true')
    expect([refused.code, JSON.parse(refused.err).error.code]).toEqual([2, 'PUSH_NOWHERE'])
    expect(JSON.parse((await tdf(home, 'ls', '--all', '--json')).out)).toEqual([])
  })

  it('an address with a password is refused and stored nowhere', async () => {
    git(repo.dir, 'remote', 'add', 'origin', 'https://you:hunter2-canary@git.example/x.git')
    await home.start()
    const words = ['submit', '--repo', repo.dir, '--push', '--json', '--', 'true']
    expect((await tdf(home, ...words)).code).toBe(2)
    await submit()
    expect(readFileSync(path.join(home.dir, 'state', 'tdf.db')).includes('hunter2-canary')).toBe(false)
    expect(readFileSync(path.join(home.dir, 'state', 'tdf.db-wal')).includes('hunter2-canary')).toBe(false)
  })
})

describe('a push that is refused', () => {
  it('leaves the task completed, says so in exit code, show, why and errors, and goes through by hand later', async () => {
    const origin = withOrigin()
    hook(origin, 'echo "signed commits only" >&2; exit 1')
    await home.start()
    const { code, task } = await submit('--push')
    expect([code, task.status, task.verdict]).toEqual([1, 'completed', 'unverified'])
    expect(task.push).toMatchObject({ state: 'failed', tries: 1, pushedCommit: null })
    expect(task.push?.error).toContain('signed commits only')
    expect((await tdf(home, 'why', task.id)).out).toContain('did not get to file://')
    const errors = JSON.parse((await tdf(home, 'errors', '--json')).out)
    expect(errors[0]).toMatchObject({ code: 'PUSH_FAILED', taskId: task.id })
    const again = await tdf(home, 'push', task.id, '--json')
    expect([again.code, JSON.parse(again.err).error.code]).toEqual([1, 'PUSH_FAILED'])
    rmSync(path.join(origin, 'hooks', 'pre-receive'))
    expect(await tdf(home, 'push', task.id, '-q')).toMatchObject({ code: 0, out: `${task.outputBranch}\n` })
    expect(tipOf(origin, task.outputBranch)).toBe(task.result?.commit)
    expect((await tdf(home, 'wait', task.id)).code).toBe(0)
  })

  it('never moves a branch that holds what others put there, nor main', async () => {
    const origin = withOrigin()
    await home.start()
    const { task } = await submit()
    git(origin, 'branch', 'theirs', 'main')
    for (const branch of ['theirs', 'main']) {
      const ran = await tdf(home, 'push', task.id, '--branch', branch, '--json')
      expect([ran.code, JSON.parse(ran.err).error.message]).toEqual([1, expect.stringContaining('stale info')])
      expect(tipOf(origin, branch)).toBe(git(repo.dir, 'rev-parse', 'main'))
    }
  })
})

describe('a remote', () => {
  it('that is away is tried again until it is there, over restarts of the daemon', async () => {
    const origin = withOrigin()
    const away = `${origin}.away`
    renameSync(origin, away)
    const first = await home.start()
    const words = ['submit', '--repo', repo.dir, '--push', '-q', '--', 'sh', '-c', COMMITS]
    const id = (await tdf(home, ...words)).out.trim()
    await until('one try has failed', async () => ((await home.task(id)).push?.tries ?? 0) > 0)
    const pending = await home.task(id)
    expect([pending.status, pending.push?.state]).toEqual(['completed', 'pending'])
    expect(pending.push?.error).toMatch(/origin\.git/)
    expect((await tdf(home, 'why', id)).out).toContain('the next try is in')
    expect(await tdf(home, 'wait', id, '--timeout', '1s')).toMatchObject({ code: 124 })
    await home.kill(first)
    renameSync(away, origin)
    await home.start()
    expect((await tdf(home, 'wait', id, '--timeout', '60s')).code).toBe(0)
    expect(tipOf(origin, pending.outputBranch)).toBe(pending.result?.commit)
  })

  it('is given up when [push] retry_for is over, in so many words', async () => {
    git(repo.dir, 'remote', 'add', 'origin', path.join(place, 'nowhere.git'))
    await home.start({ TDF_PUSH__RETRY_FOR: '0s' })
    const { code, task } = await submit('--push')
    expect([code, task.status, task.push?.state]).toEqual([1, 'completed', 'failed'])
    expect(task.push?.error).toMatch(/nowhere\.git/)
  })

  it('named at the push may be another, under another branch', async () => {
    withOrigin()
    const fork = bare('fork')
    await home.start()
    const { task } = await submit()
    const ran = await tdfWith(home, { cwd: repo.dir }, 'push', task.id, '--remote', fork, '--branch', 'fix/notes', '-q')
    expect(ran).toMatchObject({ code: 0, out: 'fix/notes\n' })
    expect(tipOf(fork, 'fix/notes')).toBe(task.result?.commit)
  })
})

it('a daemon that is killed while it pushes ends with the branch there, once', async () => {
  const origin = withOrigin()
  const gate = path.join(place, 'gate')
  hook(origin, `echo tried >> ${place}/tries; while ! test -e ${gate}; do sleep 0.1; done`)
  const first = await home.start()
  const words = ['submit', '--repo', repo.dir, '--push', '-q', '--', 'sh', '-c', COMMITS]
  const id = (await tdf(home, ...words)).out.trim()
  await until('the push hangs', () => existsSync(path.join(place, 'tries')))
  expect((await home.task(id)).status).toBe('completed')
  await home.kill(first)
  await home.start()
  writeFileSync(gate, '')
  expect((await tdf(home, 'wait', id, '--timeout', '60s')).code).toBe(0)
  const task = await home.task(id)
  expect([task.push?.state, tipOf(origin, task.outputBranch)]).toEqual(['pushed', task.result?.commit])
})

it('an attempt that goes on moves the branch forward; one that begins anew is kept beside it', async () => {
  const origin = withOrigin()
  await home.start()
  const { task } = await submit('--push')
  const goOn = ['continue', task.id, 'more', '--wait']
  expect((await tdf(home, ...goOn)).code).toBe(0)
  const second = await home.task(task.id)
  expect([second.attempt, second.push?.state, second.result?.ahead]).toEqual([2, 'pushed', 2])
  expect(tipOf(origin, task.outputBranch)).toBe(second.result?.commit)
  await tdf(home, 'push', `${task.id}@1`)
  expect(tipOf(origin, task.outputBranch)).toBe(second.result?.commit)

  const { task: other } = await submit('--push')
  await tdf(home, 'retry', other.id)
  expect((await tdf(home, 'wait', other.id)).code).toBe(1)
  expect((await home.task(other.id)).push?.error).toContain('nothing is replaced')
  expect(tipOf(origin, other.outputBranch)).toBe(other.result?.commit)
  expect((await tdf(home, 'push', other.id, '--branch', 'anew')).code).toBe(0)
})

it('a branch that somebody went on with is left to them, and why says so', async () => {
  const origin = withOrigin()
  await home.start()
  const { task } = await submit('--push')
  git(repo.dir, 'fetch', '-q', 'origin', task.outputBranch)
  git(repo.dir, 'checkout', '-q', '--detach', 'FETCH_HEAD')
  git(
    repo.dir,
    '-c',
    'user.name=you',
    '-c',
    'user.email=you@localhost',
    'commit',
    '-q',
    '--allow-empty',
    '-m',
    'by hand',
  )
  git(repo.dir, 'push', '-q', 'origin', `HEAD:refs/heads/${task.outputBranch}`)
  const theirs = tipOf(origin, task.outputBranch)
  expect((await tdf(home, 'continue', task.id, 'more', '--wait')).code).toBe(1)
  const { out } = await tdf(home, 'why', task.id)
  expect(out).toContain(`is at ${theirs.slice(0, 12)}, which tdf did not put there: it stays`)
  expect(tipOf(origin, task.outputBranch)).toBe(theirs)
  expect((await home.task(task.id)).attempts.map(({ verdict }) => verdict)).toEqual(['unverified', 'unverified'])
})

describe('a pull request', () => {
  it('is opened by gh once, however often its answer is lost', async () => {
    withOrigin()
    const bin = path.join(place, 'bin')
    mkdirSync(bin)
    // Keeps what was opened; the first `create` is cut off after it has worked.
    const model = `#!/bin/sh
printf '%s\\n' "$*" >> ${place}/calls
if [ "$2" = list ]; then cat ${place}/opened 2>/dev/null; exit 0; fi
cat > ${place}/body
echo https://forge.example/pr/1 >> ${place}/opened
exit 1
`
    writeFileSync(path.join(bin, 'gh'), model, { mode: 0o755 })
    await home.start({ PATH: `${bin}:${process.env.PATH}` })
    const { code, task } = await submit('--pr', '--title', '--evil $(touch x)')
    expect([code, task.push?.state, task.push?.prUrl]).toEqual([0, 'pushed', 'https://forge.example/pr/1'])
    expect(readFileSync(path.join(place, 'opened'), 'utf8').trim().split('\n')).toHaveLength(1)
    const calls = readFileSync(path.join(place, 'calls'), 'utf8')
    expect(calls).toContain(`--head ${task.outputBranch} --base main --title --evil $(touch x)`)
    expect(readFileSync(path.join(place, 'body'), 'utf8')).toContain(`Task ${task.id} of tdf`)
  })

  it('is found by an attempt that goes on, and not opened again', async () => {
    withOrigin()
    const bin = path.join(place, 'forge')
    mkdirSync(bin)
    const model = `#!/bin/sh
printf '%s\\n' "$*" >> ${place}/asked
if [ "$2" = list ]; then cat ${place}/there 2>/dev/null; exit 0; fi
cat > /dev/null; echo https://forge.example/pr/7 | tee -a ${place}/there
`
    writeFileSync(path.join(bin, 'gh'), model, { mode: 0o755 })
    await home.start({ PATH: `${bin}:${process.env.PATH}` })
    const { task } = await submit('--pr')
    expect((await tdf(home, 'continue', task.id, 'more', '--wait')).code).toBe(0)
    const { push, attempt } = await home.task(task.id)
    expect([attempt, push?.state, push?.prUrl]).toEqual([2, 'pushed', 'https://forge.example/pr/7'])
    expect(readFileSync(path.join(place, 'asked'), 'utf8').match(/^pr create/gm)).toHaveLength(1)
  })

  it('is opened by a command of yours, which gets the facts', async () => {
    withOrigin()
    const script = `cat > ${place}/body; echo "$TDF_BRANCH into $TDF_BASE: $TDF_TITLE" > ${place}/said; echo https://forge.example/9`
    await home.start({ TDF_PUSH__PR_COMMAND: JSON.stringify(['sh', '-c', script]) })
    const { task } = await submit('--pr', '--title', 'a title')
    expect(task.push?.prUrl).toBe('https://forge.example/9')
    expect(readFileSync(path.join(place, 'said'), 'utf8')).toBe(`${task.outputBranch} into main: a title\n`)
  })

  it('that cannot be opened leaves the branch pushed and says what is missing', async () => {
    const origin = withOrigin()
    await home.start({ TDF_PUSH__PR_COMMAND: '["false"]' })
    const { code, task } = await submit('--pr')
    expect([code, task.status, task.push?.state]).toEqual([1, 'completed', 'failed'])
    expect(task.push?.error).toContain('the branch is pushed, and no pull request was opened')
    expect(tipOf(origin, task.outputBranch)).toBe(task.result?.commit)
  })
})

it('a token of [push] tokens goes to its host in a header, and into no argument and no file', async () => {
  const token = 'canary-push-token-71f0'
  const server = await gitServer(place, token)
  try {
    bare('project')
    git(repo.dir, 'remote', 'add', 'origin', `${server.url}/project.git`)
    await home.start({ PUSH_TOKEN: token, TDF_PUSH__TOKENS: `{ "${new URL(server.url).host}" = "PUSH_TOKEN" }` })
    const { code, task } = await submit('--push')
    expect([code, task.push?.error, task.push?.state]).toEqual([0, null, 'pushed'])
    expect(tipOf(path.join(place, 'project.git'), task.outputBranch)).toBe(task.result?.commit)
    expect(server.seen()).toEqual({ withToken: true, inArguments: [] })
    // grep(1): 1 says that nothing was found.
    expect(spawnSync('grep', ['-rlaF', token, home.dir]).status).toBe(1)
  } finally {
    await server.close()
  }
})
