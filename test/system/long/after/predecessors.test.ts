/** Tasks that come after others, with real processes: what lets them go on, what holds them, and the work that they begin from. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson, WhyJson } from '../../../../src/protocol/control.ts'
import { tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()
const file = (name: string) => path.join(home.dir, name)
const shell = (script: string) => ['--', 'sh', '-c', script]

async function submit(options: readonly string[], script: string): Promise<string> {
  const { out, err } = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', ...options, ...shell(script))
  if (out === '') throw new Error(err)
  return out.trim()
}

/** Waits until its file is there. */
const gated = (name: string, then: string) => `while ! test -f ${file(name)}; do sleep 0.05; done; ${then}`
const open = (name: string) => writeFileSync(file(name), '')

const wait = (...ids: string[]) => tdf(home, 'wait', ...ids)
const why = (id: string) => home.client.call<WhyJson>({ path: `/tasks/${id}/why` })
const over = (id: string) => until(`${id} is over`, async () => (await home.task(id)).step === null)

describe('a task after another', () => {
  it('waits for it without asking for a slot, says for what, and goes on when it is completed', async () => {
    const a = await submit([], gated('go-1', 'echo a > a.txt'))
    const b = await submit(['--after', a], 'test ! -f a.txt && echo b > b.txt')
    await until('a runs', async () => (await home.task(a)).step === 'running')
    const held: TaskJson = await home.task(b)
    expect([held.status, held.step, held.after, held.from]).toEqual([
      ...['queued', 'node_selection', [{ id: a, state: 'waiting' }], []],
    ])
    expect(held.waitingFor).toBe(`${a} (running)`)
    expect((await why(b)).sentence).toMatch(new RegExp(`^It waits for ${a} \\(running, .*\\)\\.$`))
    expect((await why(b)).until).toBeNull()
    expect((await tdf(home, 'show', b)).out).toContain(`${a} (waiting)`)
    const refused = await tdf(home, 'rm', a, '--yes')
    expect([refused.code, refused.err]).toEqual([5, expect.stringContaining(`task ${b} waits for it`)])
    open('go-1')
    expect((await wait(a, b)).code).toBe(0)
    const done = await home.task(b)
    expect([done.verdict, done.after]).toEqual(['unverified', [{ id: a, state: 'met' }]])
    await over(a)
    await over(b)
    expect((await tdf(home, 'rm', a, '--yes')).code).toBe(0)
    expect((await home.task(b)).after).toEqual([{ id: a, state: 'gone' }])
  })

  it('is held by one that failed, names both commands, and goes on when `continue` completes it', async () => {
    const a = await submit([], `test -f ${file('mended')} && echo a > a.txt`)
    const b = await submit(['--from', a, '--check', 'test -f a.txt && test -f b.txt'], 'echo b > b.txt')
    await over(a)
    await until('b is held', async () => (await home.task(b)).after[0]?.state === 'failed')
    const { sentence } = await why(b)
    expect(sentence).toContain(`\`tdf continue ${a}\` or \`tdf retry ${a}\` lets this go on`)
    expect((await home.task(b)).status).toBe('queued')
    const events = (await tdf(home, 'events', '--json')).out
    expect(events.split('\n').filter(line => line.includes('task.blocked') && line.includes(b))).toHaveLength(1)
    open('mended')
    expect((await tdf(home, 'continue', a, 'again', '--wait')).code).toBe(0)
    expect((await wait(b)).code).toBe(0)
    expect((await home.task(b)).verdict).toBe('verified')
  })

  it('ends with it where that was asked for, and so does what comes after that, in one transaction', async () => {
    const a = await submit([], gated('go-2', 'exit 3'))
    const b = await submit(['--after', a, '--on-failed', 'cancel'], 'true')
    const c = await submit(['--after', b, '--on-failed', 'cancel'], 'true')
    const d = await submit(['--after', c, '--if', 'ended'], 'true')
    open('go-2')
    expect((await wait(a, b, c)).code).toBe(10)
    expect((await wait(d)).code).toBe(0)
    for (const id of [b, c]) {
      const { status, error } = await home.task(id)
      expect([status, error?.code]).toEqual(['cancelled', 'DEPENDENCY_FAILED'])
    }
    const late = await submit(['--after', a, '--on-failed', 'cancel'], 'true')
    expect((await home.task(late)).error?.code).toBe('DEPENDENCY_FAILED')
  })

  it('is refused with what is wrong, and nothing is stored', async () => {
    const count = async () => JSON.parse((await tdf(home, 'ls', '--all', '--json')).out).length
    const before = await count()
    const asked = async (...options: string[]) =>
      (await tdfWith(home, { cwd: repo.dir }, 'submit', ...options, ...shell('true'))).code
    expect(await asked('--after', 'nothing-like-it')).toBe(3)
    expect(await asked('--from', 'nothing-like-it')).toBe(3)
    expect(await asked('--if', 'ended')).toBe(2)
    expect(await asked('--from', '@last', '--ref', 'main')).toBe(2)
    expect(await asked('--after', '@last', '--if', 'never')).toBe(2)
    expect(await count()).toBe(before)
  })
})

describe('a task from the work of others', () => {
  it('begins from a merge of them, and its result is what it added', async () => {
    const a = await submit([], 'echo a > a.txt')
    const b = await submit(['--from', a], 'echo b > b.txt')
    const c = await submit(['--from', a], 'echo c > c.txt')
    const d = await submit(
      ['--from', `${b},${c}`, '--check', 'test -f a.txt && test -f b.txt && test -f c.txt'],
      'echo d > d.txt',
    )
    expect((await wait(a, b, c, d)).code).toBe(0)
    const task = await home.task(d)
    expect([task.verdict, task.result?.filesChanged, task.from]).toEqual(['verified', 1, [b, c]])
    expect(task.repo.baseCommit).not.toBe((await home.task(a)).repo.baseCommit)
    // The same again begins from the same, also when what it was made of is gone.
    await Promise.all([a, b, c, d].map(over))
    for (const id of [b, c]) expect((await tdf(home, 'rm', id, '--yes')).code).toBe(0)
    expect((await tdf(home, 'retry', d, '--wait')).code).toBe(0)
    expect((await home.task(d)).repo.baseCommit).toBe(task.repo.baseCommit)
  })

  it('is held where git cannot merge them, names the files, and goes on with newer work of one', async () => {
    writeFileSync(file('words'), 'two\n')
    const a = await submit([], 'echo one > README.md')
    const b = await submit([], `cp ${file('words')} README.md`)
    const c = await submit(['--from', `${a},${b}`], 'test "$(cat README.md)" = one && echo c > c.txt')
    await until('c is held', async () => (await why(c)).sentence.includes('README.md'))
    expect((await why(c)).sentence).toContain(`git cannot merge README.md of ${a} and ${b}`)
    expect((await home.task(c)).status).toBe('queued')
    writeFileSync(file('words'), 'one\n')
    await over(b)
    expect((await tdf(home, 'continue', b, 'as the other has it', '--wait')).code).toBe(0)
    expect((await wait(c)).code).toBe(0)
  })

  it('from two repositories is refused', async () => {
    const other = await tdf(
      home,
      'submit',
      '-q',
      '--repo',
      'https://example.org/other.git',
      '--label',
      'x=y',
      ...shell('true'),
    )
    const [a, b] = [await submit([], 'true'), other.out.trim()]
    const both = await tdfWith(home, { cwd: repo.dir }, 'submit', '--from', `${a},${b}`, ...shell('true'))
    expect([both.code, both.err]).toEqual([2, expect.stringContaining('a task begins from one repository')])
    await tdf(home, 'cancel', b, '--yes')
  })
})
