/** Best of several, with real processes: the same task several times over, and one of them wins. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Ran, root, tdfWith } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

/** Each agent writes a number, by which the pick knows it. */
const agent = (name: string, number: number) => `
[agents.${name}]
type = "command"
command = ["sh", "-c", "echo ${number} > score.txt"]
`
const { home, repo } = withDaemon(
  `${agent('one', 1)}${agent('five', 5)}
[agents.nine]
type = "command"
command = ["sh", "-c", "sleep 1; echo 9 > score.txt"]
[agents.sleeps]
type = "command"
command = ["sh", "-c", "echo kept > kept.txt; sleep 600"]
`,
)
const run = (...words: string[]): Promise<Ran> => tdfWith(home, { cwd: repo.dir }, ...words)
const members = async (group: string): Promise<TaskJson[]> =>
  (JSON.parse((await run('ls', '--group', group, '--json')).out) as TaskJson[]).reverse()
const standing = async (group: string) =>
  (await members(group)).map(({ agent: name, status, score, group: of }) => [name, status, score, of?.winner])

/** A nine is out. It is the last to end: the race is decided when the winner has long been over. */
const PICK = 'echo looking; test "$(cat score.txt)" != 9 && cat score.txt'
const three = (group: string, ...more: string[]) => {
  const options = ['--n', '3', '--agent', 'one,five,nine', '--group', group, '--pick', PICK]
  return run('submit', 'make it fast', ...options, ...more)
}

describe('a race', () => {
  it('of three is won by the best that its pick lets pass: exit 0, and its branch is that of the group', async () => {
    const { out, err } = await three('fast', '-q')
    const ids = out.trim().split('\n')
    expect([ids.length, err]).toEqual([3, ''])
    expect((await run('wait', '--group', 'fast')).code).toBe(0)
    expect(await standing('fast')).toEqual([
      ['one', 'completed', 1, false],
      ['five', 'completed', 5, true],
      ['nine', 'completed', null, false],
    ])
    const [, winner, last] = await members('fast')
    expect([winner?.group, last?.pick]).toEqual([
      { name: 'fast', kind: 'race', key: '2', winner: true },
      { command: PICK, exitCode: 1 },
    ])
    expect((await run('diff', 'fast')).out).toContain('+5')
    expect((await run('pull', 'fast')).code).toBe(0)
    expect((await run('show', 'fast')).out).toContain('won fast, with a score of 5')
    expect((await run('show', ids[2] ?? '')).out).toContain('lost fast, and is out: its pick ended with exit code 1')
    expect((await run('why', ids[0] ?? '')).out).toContain(`${ids[1]} won the race fast.`)
    expect((await run('logs', ids[1] ?? '', '--session', 'pick')).out).toContain('looking')
    expect((await run('events')).out).toContain(`lost to ${ids[1]} in the race fast`)
  })

  it('whose winner others begin from, by its name', async () => {
    const made = await run('submit', '--from', 'fast', '--wait', '--json', '--', 'sh', '-c', 'cp score.txt copy.txt')
    const task = JSON.parse(made.out) as TaskJson
    const [, winner] = await members('fast')
    expect([made.code, task.from]).toEqual([0, [winner?.id]])
    expect((await run('diff', task.id)).out).toContain('+++ b/copy.txt')
  })

  it('is the same one again with the same words, and no other', async () => {
    const first = (await members('fast')).map(({ id }) => id)
    expect((await three('fast', '-q')).out.trim().split('\n')).toEqual(first)
    const other = await three('fast', '--first')
    expect([other.code, other.err]).toEqual([5, expect.stringContaining('asks for something else')])
    const alone = await run('submit', '--group', 'fast', '--', 'true')
    expect([alone.code, alone.err]).toEqual([5, expect.stringContaining('is a race: no other task can run in it')])
  })

  it('that the first one wins ends the others, and keeps their work', async () => {
    const options = [
      '--n',
      '2',
      '--agent',
      'sleeps,five',
      '--group',
      'first',
      '--first',
      '--check',
      'test -s score.txt',
    ]
    const { code, out } = await run('submit', 'be quick', ...options, '--wait', '--json')
    const tasks = JSON.parse(out) as TaskJson[]
    expect([code, tasks.map(({ status }) => status)]).toEqual([0, ['cancelled', 'completed']])
    expect((await run('diff', tasks[0]?.id ?? '')).out).toContain('+kept')
  })

  it('that nobody wins fails, keeps all, and is won by what `tdf retry` completes', async () => {
    const marker = path.join(home.dir, 'passes')
    // More than the piece of a log that is read at once.
    const much = 'head -c 3000000 /dev/zero | tr "\\0" x && echo && echo 3'
    const options = ['--n', '2', '--agent', 'one', '--group', 'lost', '--pick', `test -f ${marker} && ${much}`]
    const { code, out, err } = await run('submit', 'try', ...options, '--wait')
    expect([code, err]).toEqual([10, expect.stringContaining('a race of 2: try')])
    expect(out).toContain('runs in lost, and is out: its pick ended with exit code 1')
    expect(await standing('lost')).toEqual([
      ['one', 'completed', null, null],
      ['one', 'completed', null, null],
    ])
    expect((await run('pull', 'lost')).code).toBe(5)
    writeFileSync(marker, '')
    const [, second] = await members('lost')
    expect((await run('retry', second?.id ?? '')).code).toBe(0)
    expect((await run('wait', '--group', 'lost')).code).toBe(0)
    expect((await members('lost')).map(({ group, score }) => [group?.winner, score])).toEqual([
      [false, null],
      [true, 3],
    ])
    rmSync(marker)
  })

  it('shows each agent that would take part, and what it cannot have is refused', async () => {
    const plan = await three('planned', '--dry-run')
    expect([plan.code, plan.out.match(/nothing is submitted/g)?.length, plan.err]).toEqual([
      ...[0, 3],
      expect.stringContaining('a race of 3'),
    ])
    const code = async (...options: string[]) => (await run('submit', ...options, 'x')).code
    expect(await code('--pick', 'true')).toBe(2)
    expect(await code('--first')).toBe(2)
    expect(await code('--n', '1')).toBe(2)
    expect(await code('--n', '2', '--follow')).toBe(2)
    expect(await code('--n', '101', '--agent', 'one')).toBe(2)
    expect(await code('--n', '2', '--each', 'list')).toBe(2)
    expect(await code('--n', '2', '--agent', 'one,nobody')).toBe(1)
  })
})

describe('the page about many tasks', () => {
  it('has a best of three whose commands all end well', async () => {
    const page = readFileSync(path.join(root, 'docs/many.md'), 'utf8')
    const [, block = ''] = /```\n(tdf submit [^`]*--n 3[^`]*)```/.exec(page) ?? []
    const own: Record<string, string> = { 'claude,codex': 'one,five', 'npm test': 'true', './score.sh': PICK }
    const commands = block.trim().split('\n')
    expect(commands).toHaveLength(4)
    for (const line of commands) {
      const [command = ''] = line.split('  #')
      const words = [...command.trim().matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
      const { code, err } = await run(...words.slice(1).map(word => own[word] ?? word))
      expect([line, code, code === 0 ? '' : err]).toEqual([line, 0, ''])
    }
    expect(await standing('faster')).toEqual([
      ['one', 'completed', 1, false],
      ['five', 'completed', 5, true],
      ['one', 'completed', 1, false],
    ])
  })
})
