/** Earlier attempts stay results: `TASK@N` wherever one is read, and a word about them beside a later one that failed. */
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { tdf, tdfWith } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()
let id: string
let first: TaskJson

/** The first run makes what the check asks for; the second one fails. */
beforeAll(async () => {
  const mark = path.join(home.dir, 'second')
  const script = `if [ -e ${mark} ]; then echo again; exit 3; fi; touch ${mark}; echo one; echo a > a.txt; git add -A; git commit -qm a`
  const options = ['--repo', repo.dir, '--check', 'test -f a.txt', '--wait', '--json']
  const { code, out } = await tdf(home, 'submit', ...options, '--', 'sh', '-c', script)
  first = JSON.parse(out)
  id = first.id
  expect([code, first.verdict, first.attempts.length]).toEqual([0, 'verified', 1])
  expect((await tdf(home, 'retry', id, '--wait')).code).toBe(10)
}, 120_000)

describe('an attempt behind one that failed', () => {
  it('is in the JSON of its task, as it ended', async () => {
    const task = await home.task(id)
    expect([task.attempt, task.status, task.continued]).toEqual([2, 'failed', null])
    expect(task.attempts).toMatchObject([
      { attempt: 1, status: 'completed', verdict: 'verified', commit: first.result?.commit, agent: 'command' },
      { attempt: 2, status: 'failed', verdict: 'agent_error', check: null },
    ])
    const check = { command: 'test -f a.txt', exitCode: 0, base: first.repo.baseCommit }
    expect(task.attempts[0]?.check).toEqual(check)
    expect(first.result?.check).toEqual(check)
  })

  it('is named where the later one is shown or waited for', async () => {
    const line = `attempt 1 was verified: tdf pull ${id}@1`
    const [shown, waited, why] = [await tdf(home, 'show', id), await tdf(home, 'wait', id), await tdf(home, 'why', id)]
    for (const { out } of [shown, waited, why]) expect(out).toContain(line)
    expect(shown.out).toContain(`1 verified  ${first.result?.commit.slice(0, 12)}  test -f a.txt (exit 0)`)
  })

  it('is read as TASK@1', async () => {
    const named: TaskJson = JSON.parse((await tdf(home, 'show', `${id}@1`, '--json')).out)
    expect([named.attempt, named.verdict, named.attempts.length]).toEqual([1, 'verified', 2])
    expect((await tdf(home, 'show', `@last@1`)).out).not.toContain('was verified: tdf pull')
    expect((await tdf(home, 'diff', `${id}@1`)).out).toContain('+++ b/a.txt')
    expect((await tdf(home, 'diff', id)).out).toBe('')
    expect((await tdf(home, 'logs', `${id}@1`)).out).toBe('one\n')
    expect((await tdf(home, 'logs', id)).out).toBe('again\n')
  })

  it('is pulled, applied and pushed', async () => {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: repo.dir, encoding: 'utf8' }).trim()
    const pulled = await tdfWith(home, { cwd: repo.dir }, 'pull', `${id}@1`)
    expect([pulled.code, git('rev-parse', pulled.out.trim())]).toEqual([0, first.result?.commit])
    expect((await tdfWith(home, { cwd: repo.dir }, 'apply', `${id}@1`)).code).toBe(0)
    expect(git('status', '--porcelain')).toContain('a.txt')
    const remote = path.join(home.dir, 'remote.git')
    execFileSync('git', ['init', '--quiet', '--bare', remote])
    const pushed = await tdf(home, 'push', `${id}@1`, '--remote', `file://${remote}`)
    expect([pushed.code, pushed.err]).toEqual([0, expect.stringContaining('pushed')])
    const tip = execFileSync('git', ['--git-dir', remote, 'rev-parse', pushed.out.trim()], { encoding: 'utf8' })
    expect(tip.trim()).toBe(first.result?.commit)
  })

  it('is no task: what changes one refuses its name, and one that never was is named', async () => {
    for (const command of ['retry', 'cancel', 'rm']) {
      const { code, err } = await tdf(home, command, `${id}@1`)
      expect([command, code, err]).toEqual([command, 2, expect.stringContaining(`tdf show ${id}@1`)])
    }
    const { code, err } = await tdf(home, 'diff', `${id}@7`)
    expect([code, err]).toEqual([3, expect.stringContaining('has no attempt 7; it has 2 attempts')])
  })
})
