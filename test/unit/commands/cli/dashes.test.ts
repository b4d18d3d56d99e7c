/** `--` ends the options of every command; in `submit` the agent's command follows it. */
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { tdf, tdfWith } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

const submit = async (...words: string[]) =>
  (await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', ...words)).out.trim()
const promptOf = async (id: string): Promise<string> => (await home.task(id)).prompt

describe('behind --', () => {
  it('tdf cancel A -- B cancels both', async () => {
    const ids = [await submit('--', 'sleep', '600'), await submit('--', 'sleep', '600')]
    const { code } = await tdf(home, 'cancel', ids[0] ?? '', '--', ids[1] ?? '')
    expect(code).toBe(0)
    await tdf(home, 'wait', ...ids)
    const tasks = JSON.parse((await tdf(home, 'ls', '--all', '--json')).out) as TaskJson[]
    expect(tasks.filter(({ id }) => ids.includes(id)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled'])
  })

  it('tdf watch -- ID ends with the task', async () => {
    const id = await submit('--wait', '--', 'true')
    const { code, out } = await tdf(home, 'watch', '--', id)
    expect([code, out]).toEqual([0, expect.stringContaining(id)])
  })

  it('a text that begins with a dash is sent', async () => {
    const { code, err } = await tdf(home, 'send', '--', 'nonesuch', '--carefully')
    expect([code, err]).toEqual([3, expect.stringContaining('nonesuch')])
  })

  it('more than a command takes is refused', async () => {
    const { code, err } = await tdf(home, 'show', 'abcd', '--', 'efgh')
    expect([code, err]).toEqual([2, expect.stringContaining('too many arguments')])
  })

  it('an option of the program before the command changes nothing of that', async () => {
    const { code, out } = await tdfWith(home, { cwd: repo.dir }, '-o', 'json', 'submit', '-n', '--', 'echo', '--json')
    expect([code, JSON.parse(out).agent.command]).toEqual([0, ['echo', '--json']])
  })
})

describe('a prompt that begins with a dash', () => {
  it('is given by --prompt', async () => {
    expect(await promptOf(await submit('--prompt', '- first this\n- then that', '--', 'true'))).toBe(
      '- first this\n- then that',
    )
    expect(await promptOf(await submit('--prompt=--verbose does nothing', '--', 'true'))).toBe('--verbose does nothing')
  })

  it('is given on stdin', async () => {
    const ran = await tdfWith(home, { cwd: repo.dir, input: '- a list' }, 'submit', '-q', '-', '--', 'true')
    expect(await promptOf(ran.out.trim())).toBe('- a list')
  })

  it('as an argument is refused with the line that works', async () => {
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, 'submit', '- first this', '--', 'true')
    expect([code, err]).toEqual([2, expect.stringContaining("hint: tdf submit --prompt '- first this'")])
  })

  it('and another one as an argument are one too many', async () => {
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, 'submit', '--prompt', 'a', 'b', '--', 'true')
    expect([code, err]).toEqual([2, expect.stringContaining('--prompt')])
  })
})

describe('an empty value, as of a variable that is not set, is refused:', () => {
  it.each([
    ['--repo', ['submit', '--repo', '', '-n', '--', 'true']],
    ['--node', ['submit', '--node', '', '-n', '--', 'true']],
    ['--check', ['submit', '--check=', '-n', '--', 'true']],
    ['--idempotency-key', ['submit', '--idempotency-key', '', '--', 'true']],
    ['--idempotency-key', ['submit', '--idempotency-key', '  ', '--', 'true']],
    ['--host', ['--host', '', 'ls']],
    ['--columns', ['ls', '--columns', '']],
    ["'task'", ['show', '']],
    ["'task'", ['cancel', 'nonesuch', '--', '']],
    ["'node'", ['node', 'show', '']],
    ["'name'", ['secret', 'rm', '']],
  ])('%s of tdf %j', async (named, words) => {
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, ...words)
    expect([code, err]).toEqual([2, expect.stringMatching(new RegExp(`^error: .*${named}.*(is|be) empty`))])
  })

  it('a title may be left out, too, and a word to complete is what was typed', async () => {
    const plan = await tdfWith(home, { cwd: repo.dir }, 'submit', '--title', '', '-n', '--', 'true')
    expect([plan.code, (await tdf(home, 'complete', '--', 'show', '')).code]).toEqual([0, 0])
  })

  it('a message without a word is refused with the help of the command', async () => {
    const id = await submit('--', 'sleep', '600')
    const { code, err } = await tdf(home, 'send', id, '')
    expect([code, err]).toEqual([2, expect.stringContaining('hint: tdf send --help')])
    await tdf(home, 'cancel', id)
  })
})
