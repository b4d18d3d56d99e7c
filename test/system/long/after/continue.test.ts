/** `tdf continue` with real processes: more to do, from what was saved, with the conversation that led to it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const fake = new URL('../../../fakes/programs/remembering-agent.mjs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-notes-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))
const notes = path.join(folder, 'notes')
const { home, repo } = withDaemon(`
[agents.claude]
type = "claude"
command = ["${process.execPath}", "${fake}", "${notes}"]
[agents.other]
type = "codex"
command = ["${process.execPath}", "-e", "process.exit(3)"]
`)

interface Told {
  argv: string[]
  prompt: string
}
const told = (): Told[] =>
  readFileSync(notes, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

async function submit(prompt: string, ...options: string[]): Promise<TaskJson> {
  rmSync(notes, { force: true })
  const { out, err } = await tdf(
    home,
    'submit',
    prompt,
    '--repo',
    repo.dir,
    '--agent',
    'claude',
    '-w',
    '--json',
    ...options,
  )
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

async function goOn(id: string, ...words: string[]): Promise<{ code: number | null; task: TaskJson; err: string }> {
  const { code, out, err } = await tdf(home, 'continue', id, ...words, '--json')
  return { code, task: out === '' ? ({} as TaskJson) : JSON.parse(out), err }
}

const wordAfter = ({ argv }: Told, option: string) => argv[argv.indexOf(option) + 1]

describe('a task that was verified and goes on', () => {
  it('keeps what it was, beside an attempt that fails', async () => {
    const first = await submit('write a.txt', '--check', 'test -f a.txt')
    expect(first.verdict).toBe('verified')
    const { code, task } = await goOn(first.id, 'write b.txt\nfail', '-w')
    expect([code, task.status, task.attempt, task.verdict]).toEqual([10, 'failed', 2, 'agent_error'])
    expect(task.attempts.map(({ verdict, prompt }) => [verdict, prompt])).toEqual([
      ['verified', 'write a.txt'],
      ['agent_error', 'write b.txt\nfail'],
    ])
    expect([task.prompt, task.continued]).toEqual(['write a.txt', { of: 1, resumed: 'conversation' }])
    const pulled = await tdfWith(home, { cwd: repo.dir }, 'pull', `${first.id}@1`)
    const tip = execFileSync('git', ['rev-parse', pulled.out.trim()], { cwd: repo.dir, encoding: 'utf8' }).trim()
    expect(tip).toBe(first.result?.commit)
    expect((await tdf(home, 'wait', first.id)).out).toContain(`attempt 1 was verified: tdf pull ${first.id}@1`)
  })

  it('is given its conversation and the new words once, and has both works in its result', async () => {
    const first = await submit('write a.txt', '--check', 'test -f a.txt')
    const { code, task } = await goOn(first.id, 'write b.txt', '-w')
    expect([code, task.verdict, task.result?.ahead, task.result?.branch]).toEqual([
      0,
      'verified',
      2,
      first.result?.branch,
    ])
    expect(task.result?.check).toEqual({ command: 'test -f a.txt', exitCode: 0, base: first.repo.baseCommit })
    const [begun, resumed, ...more] = told() as [Told, Told]
    expect(more).toEqual([])
    expect([resumed.prompt, wordAfter(resumed, '--resume')]).toEqual(['write b.txt', wordAfter(begun, '--session-id')])
    expect(resumed.argv).not.toContain('--session-id')
    expect((await tdf(home, 'diff', first.id)).out).toContain('+++ b/a.txt')
    expect((await tdf(home, 'diff', `${first.id}@1`)).out).not.toContain('b.txt')
  })

  it('goes on a third time, and a plain retry does the same again', async () => {
    const { id } = await submit('write a.txt')
    await goOn(id, 'write b.txt', '-w')
    const third = await goOn(id, 'write c.txt\nfail', '-w')
    expect([third.task.attempt, third.task.continued]).toEqual([3, { of: 2, resumed: 'conversation' }])
    expect((await tdf(home, 'retry', id, '--wait')).code).toBe(10)
    const again = await home.task(id)
    expect(again.attempts.map(({ prompt }) => prompt.split('\n')[0])).toEqual([
      ...['write a.txt', 'write b.txt', 'write c.txt', 'write c.txt'],
    ])
    expect([again.continued, again.result?.ahead]).toEqual([{ of: 2, resumed: 'conversation' }, 3])
  })
})

describe('the same request', () => {
  it('sent twice is one attempt, and another one with its key is refused', async () => {
    const { id } = await submit('write a.txt')
    const key = ['--idempotency-key', 'k-1']
    expect((await goOn(id, 'write b.txt', ...key, '-w')).task.attempt).toBe(2)
    expect((await goOn(id, 'write b.txt', ...key)).task.attempt).toBe(2)
    const other = await goOn(id, 'write c.txt', ...key)
    expect([other.code, JSON.parse(other.err).error.code]).toEqual([5, 'IDEMPOTENCY_CONFLICT'])
    expect((await goOn(id, 'write b.txt', '--check', 'true', ...key)).code).toBe(5)
    expect(told().map(({ prompt }) => prompt)).toEqual(['write a.txt', 'write b.txt'])
  })

  it('at the same moment is one attempt', async () => {
    const { id } = await submit('write a.txt')
    const words = ['write b.txt', '--idempotency-key', 'k-2', '-w']
    const both = await Promise.all([goOn(id, ...words), goOn(id, ...words)])
    expect(both.map(({ code, task }) => [code, task.attempt])).toEqual([
      [0, 2],
      [0, 2],
    ])
  })
})

describe('the files alone', () => {
  it('are what an agent of another type gets, and it is told what was asked first', async () => {
    const { id } = await submit('leave a.txt')
    const { task } = await goOn(id, 'write b.txt', '--agent', 'other', '-w')
    expect([task.agent, task.continued, task.verdict]).toEqual(['other', { of: 1, resumed: 'files' }, 'agent_error'])
    const back = await goOn(id, 'write c.txt', '--agent', 'claude', '-w')
    expect([back.code, back.task.continued]).toEqual([0, { of: 2, resumed: 'files' }])
    const { prompt } = told().at(-1) as Told
    expect(prompt).toMatch(/^write c\.txt\n\nThis goes on from work that was done before.*look at it first\./s)
    expect(prompt).toMatch(/\n\nWhat was asked at first:\n\nleave a\.txt$/)
  })

  it('are what is left when the agent does not know the conversation any more', async () => {
    const first = await submit('write a.txt')
    await until('its workspace is gone', async () => (await home.task(first.id)).step === null)
    const gone = [
      '--git-dir',
      ...resultsWith(`${first.id}/1-session`),
      'update-ref',
      '-d',
      `refs/tdf/${first.id}/1-session`,
    ]
    execFileSync('git', gone)
    const { code, task } = await goOn(first.id, 'write b.txt', '-w')
    expect([code, task.continued, task.result?.ahead]).toEqual([0, { of: 1, resumed: 'files' }, 2])
    const [, fresh, ...more] = told() as [Told, Told]
    expect([more, fresh.argv.includes('--resume')]).toEqual([[], false])
    expect(fresh.prompt).toMatch(/^write b\.txt\n\nThis goes on from work/)
  })
})

/** The repository of the daemon that has a ref. */
function resultsWith(ref: string): string[] {
  const folder = path.join(home.dir, 'state', 'results')
  const found = execFileSync('sh', [
    '-c',
    `for r in ${folder}/*; do git --git-dir $r rev-parse -q --verify refs/tdf/${ref} >/dev/null && echo $r; done; true`,
  ])
  return [found.toString().trim()]
}

describe('a task that cannot go on', () => {
  it('is one of which nothing was saved', async () => {
    const options = ['--repo', repo.dir, '--setup', 'exit 9', '--wait', '--json']
    const { out } = await tdf(home, 'submit', ...options, '--', 'true')
    const { id, result }: TaskJson = JSON.parse(out)
    const { code, err } = await goOn(id, 'again')
    expect([code, result, JSON.parse(err).error]).toEqual([
      ...[5, null],
      expect.objectContaining({ code: 'NO_RESULT', hint: `tdf retry ${id}` }),
    ])
  })

  it('is one that runs, which takes what is sent', async () => {
    const { out } = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--', 'sh', '-c', 'sleep 600')
    const id = out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running')
    const { code, err } = await goOn(id, 'more')
    expect([code, JSON.parse(err).error]).toEqual([
      5,
      expect.objectContaining({ code: 'WRONG_STATE', hint: `tdf send ${id} "what to do next"` }),
    ])
    await tdf(home, 'cancel', id)
    await tdf(home, 'wait', id)
    const sent = await tdf(home, 'send', id, 'more')
    expect([sent.code, sent.err]).toEqual([5, expect.stringContaining(`tdf continue ${id} "what to do next"`)])
    expect((await goOn(id, 'more', '--check', 'true')).code).toBe(0)
    await tdf(home, 'cancel', id)
    await tdf(home, 'wait', id)
  })

  it('is one that has cost what it may, until it may cost more', async () => {
    const { id, verdict } = await submit('write a.txt\ncost 2', '--max-cost', '1')
    expect(verdict).toBe('budget')
    const { code, err } = await goOn(id, 'write b.txt')
    expect([code, JSON.parse(err).error]).toEqual([
      5,
      expect.objectContaining({ hint: `tdf continue ${id} --max-cost 3` }),
    ])
    const more = await goOn(id, 'write b.txt\ncost 1', '--max-cost', '5', '-w')
    expect([more.code, more.task.totalUsage?.costUsd]).toEqual([0, 3])
  })

  it.each([
    [['no-such-task', 'x'], 3],
    [['@last', ''], 2],
    [['@last', 'x', '--agent', 'nobody'], 1],
    [['@last', 'x', '--idempotency-key', 'two words'], 2],
    [['@last@1', 'x'], 2],
    [['@last', 'x', '--pr'], 2],
  ])('%j ends with %i, and no attempt is opened', async (words, code) => {
    const before = await home.task('@last')
    expect((await goOn(...(words as [string]))).code).toBe(code)
    expect((await home.task('@last')).attempt).toBe(before.attempt)
  })
})

it('a task that waits for its user takes the words in its session, and once', async () => {
  rmSync(notes, { force: true })
  const { out } = await tdf(
    home,
    'submit',
    'write a.txt',
    '--repo',
    repo.dir,
    '--agent',
    'claude',
    '--interactive',
    '-q',
  )
  const id = out.trim()
  await until('it waits', async () => (await home.task(id)).step === 'awaiting_followup')
  expect((await goOn(id, 'x', '--check', 'true')).code).toBe(5)
  const key = ['--idempotency-key', 'k-3']
  expect((await goOn(id, 'write b.txt', ...key)).task.attempt).toBe(1)
  await until('it was told', () => told().length === 2)
  await until('it waits again', async () => (await home.task(id)).step === 'awaiting_followup')
  await tdf(home, 'send', id, '--close')
  await tdf(home, 'wait', id)
  expect((await goOn(id, 'write b.txt', ...key)).task.attempt).toBe(1)
  expect(told().map(({ prompt }) => prompt)).toEqual(['write a.txt', 'write b.txt'])
})
