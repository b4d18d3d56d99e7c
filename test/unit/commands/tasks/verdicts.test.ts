/** `tdf submit --wait` with real processes: what the agent did decides the verdict, and the verdict the exit code. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

async function submit(script: string, ...options: string[]): Promise<{ code: number | null; task: TaskJson }> {
  const args = ['submit', '--repo', repo.dir, '--wait', '--json', ...options, '--', 'sh', '-c', script]
  const { code, out, err } = await tdf(home, ...args)
  if (out === '') throw new Error(`no task: ${code} ${err}`)
  return { code, task: JSON.parse(out) }
}

const COMMITS = 'echo hi > NOTES.md && git add -A && git commit -qm notes'

describe('a run', () => {
  it('that commits is unverified without a check', async () => {
    const { code, task } = await submit(COMMITS)
    expect(code).toBe(0)
    expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', error: null })
    expect(task.result).toMatchObject({ ahead: 1, filesChanged: 1, insertions: 1, salvaged: false })
    expect(task.session).toMatchObject({ status: 'exited', exitCode: 0 })
  })

  it('is verified when its check passes', async () => {
    const { code, task } = await submit(COMMITS, '--check', 'test -f NOTES.md')
    expect([code, task.verdict]).toEqual([0, 'verified'])
    expect(task.result?.check).toEqual({ command: 'test -f NOTES.md', exitCode: 0, base: task.repo.baseCommit })
  })

  it('fails when its check fails, and its work is kept', async () => {
    const { code, task } = await submit(COMMITS, '--check', 'exit 4')
    expect([code, task.status, task.verdict]).toEqual([10, 'failed', 'check_failed'])
    expect(task.result).toMatchObject({ ahead: 1, check: { exitCode: 4 } })
  })

  it('that changes nothing is told so', async () => {
    const { code, task } = await submit('echo looked around')
    expect([code, task.status, task.verdict]).toEqual([0, 'completed', 'no_change'])
    expect((await tdf(home, 'logs', task.id)).out).toBe('looked around\n')
  })

  it('that exits with an error has failed, and its work is kept', async () => {
    const { code, task } = await submit(`${COMMITS}; exit 3`)
    expect([code, task.status, task.verdict]).toEqual([10, 'failed', 'agent_error'])
    expect(task.session?.exitCode).toBe(3)
    expect(task.result?.ahead).toBe(1)
    expect((await tdf(home, 'diff', task.id)).out).toContain('+hi')
  })

  it('that leaves files uncommitted has them saved', async () => {
    const script = 'mkdir -p a/b; echo 1 > a/b/new.txt; git init -q own; echo 2 > own/inner.txt; echo 3 >> README.md'
    const { code, task } = await submit(script)
    expect([code, task.verdict]).toEqual([0, 'unverified'])
    expect(task.result).toMatchObject({ ahead: 1, salvaged: true, filesChanged: 3 })
    const { out } = await tdf(home, 'diff', task.id, '--stat')
    for (const file of ['a/b/new.txt', 'own/inner.txt', 'README.md']) expect(out).toContain(file)
  })

  it('is ended at its own time limit', async () => {
    const { code, task } = await submit('echo begun > begun.txt; sleep 600', '--timeout', '1s')
    expect([code, task.status, task.verdict]).toEqual([12, 'failed', 'timeout'])
    expect(task.result?.salvaged).toBe(true)
  })

  it('whose program is missing says which', async () => {
    const { code, out } = await tdf(home, 'submit', '--repo', repo.dir, '--wait', '--json', '--', 'no-such-program')
    const task: TaskJson = JSON.parse(out)
    expect([code, task.status, task.verdict]).toEqual([10, 'failed', 'agent_error'])
    expect(task.error).toMatchObject({ code: 'CANNOT_START', message: expect.stringContaining('no-such-program') })
  })

  it('whose setup fails says so, and its output is kept', async () => {
    const { code, task } = await submit(COMMITS, '--setup', 'echo preparing; exit 9')
    expect([code, task.status, task.verdict]).toEqual([10, 'failed', 'infrastructure'])
    expect(task.error?.message).toContain('9')
    await until('its workspace is gone', async () => (await home.task(task.id)).step === null)
    expect((await tdf(home, 'logs', task.id)).out).toContain('preparing')
  })

  it('that is cancelled keeps its work', async () => {
    const { out } = await tdf(
      home,
      'submit',
      '--repo',
      repo.dir,
      '-q',
      '--',
      'sh',
      '-c',
      'echo w > work.txt; sleep 600',
    )
    const id = out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running')
    await until('it has begun', async () => (await tdf(home, 'show', id, '--json')).out.includes('"running"'))
    expect((await tdf(home, 'cancel', id)).code).toBe(0)
    const waited = await tdf(home, 'wait', id, '--json')
    const task: TaskJson = JSON.parse(waited.out)
    expect([waited.code, task.status, task.verdict]).toEqual([11, 'cancelled', 'cancelled'])
    expect(task.result?.salvaged).toBe(true)
  })
})

describe('a result, after its workspace is gone', () => {
  let id: string
  beforeAll(async () => {
    const { task } = await submit(COMMITS)
    id = task.id
    await until('its workspace is gone', async () => (await home.task(id)).step === null)
    expect(existsSync(path.join(home.dir, 'state', 'agent', 'workspaces', task.workspace?.id ?? ''))).toBe(false)
  })

  it('is shown by diff', async () => {
    const { code, out } = await tdf(home, 'diff', id)
    expect([code, out]).toEqual([0, expect.stringContaining('+++ b/NOTES.md\n@@ -0,0 +1 @@\n+hi\n')])
  })

  it('is applied to a work tree, or not at all', async () => {
    const mine = makeRepository()
    const git = (...args: string[]) => execFileSync('git', args, { cwd: mine.dir }).toString()
    expect(await tdfWith(home, { cwd: mine.dir }, 'apply', id)).toMatchObject({ code: 0 })
    expect(readFileSync(path.join(mine.dir, 'NOTES.md'), 'utf8')).toBe('hi\n')
    expect(git('status', '--porcelain')).toBe('?? NOTES.md\n')
    const again = await tdfWith(home, { cwd: mine.dir }, 'apply', id, '--json')
    expect([again.code, JSON.parse(again.err).error.code]).toEqual([5, 'APPLY_CONFLICT'])
    mine.remove()
  })

  it('is pulled as a branch, once or twice, and never over what is there', async () => {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: repo.dir }).toString()
    const first = await tdfWith(home, { cwd: repo.dir }, 'pull', id)
    const branch = first.out.trim()
    expect([first.code, git('show', `${branch}:NOTES.md`)]).toEqual([0, 'hi\n'])
    expect((await tdfWith(home, { cwd: repo.dir }, 'pull', id)).code).toBe(0)
    git('-c', 'user.name=you', '-c', 'user.email=you@x', 'commit', '--allow-empty', '-qm', 'mine')
    git('branch', '--force', 'taken', 'HEAD')
    const taken = await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', 'taken', '--json')
    expect([taken.code, JSON.parse(taken.err).error.code]).toEqual([5, 'APPLY_CONFLICT'])
    const other = await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', '--upload-pack=x')
    expect(other.code).not.toBe(0)
  })

  it('is pulled into another clone, too', async () => {
    const other = makeRepository()
    const { code, out } = await tdfWith(home, { cwd: other.dir }, 'pull', id)
    expect(code).toBe(0)
    const shown = execFileSync('git', ['show', `${out.trim()}:NOTES.md`], { cwd: other.dir }).toString()
    expect(shown).toBe('hi\n')
    other.remove()
  })
})

describe('uncommitted changes of the submitter', () => {
  it('come along with --dirty, and nothing of theirs is touched', async () => {
    writeFileSync(path.join(repo.dir, 'mine.txt'), 'uncommitted\n')
    const status = () => execFileSync('git', ['status', '--porcelain'], { cwd: repo.dir }).toString()
    const before = status()
    const { task } = await submit('cp mine.txt copied.txt', '--dirty')
    expect(status()).toBe(before)
    expect((await tdf(home, 'diff', task.id)).out).toContain('+uncommitted')
    const without = await submit('test ! -e mine.txt')
    expect(without.task.verdict).toBe('no_change')
  })
})

describe('tdf retry --resume', () => {
  it('goes on with the files that were saved, and the result is all of the work', async () => {
    const script = 'if test -f NOTES.md; then echo more > MORE.md; else echo hi > NOTES.md; exit 3; fi'
    const { task: failed } = await submit(script)
    expect(failed).toMatchObject({ verdict: 'agent_error', result: { filesChanged: 1, salvaged: true } })
    await until('it is cleaned up', async () => (await home.task(failed.id)).step === null)
    expect((await tdf(home, 'retry', failed.id, '--resume')).code).toBe(0)
    expect((await tdf(home, 'wait', failed.id)).code).toBe(0)
    const task = await home.task(failed.id)
    expect(task).toMatchObject({ attempt: 2, verdict: 'unverified', repo: failed.repo })
    expect(task.result).toMatchObject({ filesChanged: 2, insertions: 2, salvaged: true })
    expect((await tdf(home, 'diff', task.id)).out).toMatch(/\+hi[\s\S]*\+more|\+more[\s\S]*\+hi/)
  })
})

describe('tdf send', () => {
  it('to a command at work is the prompt of its next run, in the same workspace', async () => {
    const script = 'cat "$TDF_PROMPT_FILE" >> HEARD.md; echo >> HEARD.md; sleep 2'
    const { out } = await tdf(home, 'submit', 'first', '--repo', repo.dir, '-q', '--', 'sh', '-c', script)
    const id = out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running')
    expect((await tdf(home, 'send', id, 'second')).code).toBe(0)
    expect((await tdf(home, 'wait', id)).code).toBe(0)
    expect((await tdf(home, 'diff', id)).out).toContain('+first\n+second\n')
  })
})
