/** Many tasks at once, with real processes: files whose lines name each other, lists, groups, and the example of the page. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson, WhyJson } from '../../../../src/protocol/control.ts'
import { type Ran, tdfWith, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon(`
[agents.joins]
type = "command"
command = ["sh", "-c", "ls > all.txt"]
`)
const file = (name: string) => path.join(home.dir, name)
const run = (...words: string[]): Promise<Ran> => tdfWith(home, { cwd: repo.dir }, ...words)
const all = async (): Promise<TaskJson[]> => JSON.parse((await run('ls', '--all', '--json')).out)
const why = (id: string) => home.client.call<WhyJson>({ path: `/tasks/${id}/why` })

function ndjson(name: string, lines: readonly object[]): string {
  writeFileSync(file(name), lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  return file(name)
}
const sh = (script: string) => ['sh', '-c', script]

describe('a file whose lines name each other', () => {
  it('runs the diamond of the page: the last one begins from both before it', async () => {
    const [, block = ''] = /```ndjson\n([\s\S]*?)```/.exec(readFileSync('docs/many.md', 'utf8')) ?? []
    writeFileSync(file('diamond.ndjson'), block)
    const { out, err } = await run('submit', '--file', file('diamond.ndjson'), '-q')
    const ids = out.trim().split('\n')
    expect([ids.length, err]).toEqual([4, ''])
    expect((await run('wait', ...ids)).code).toBe(0)
    const last = await home.task(ids[3] ?? '')
    expect([last.verdict, last.from, last.result?.filesChanged]).toEqual(['verified', [ids[1], ids[2]], 1])
  })

  it('may name them in any order', async () => {
    const name = ndjson('turned.ndjson', [
      { key: 'b', from: 'a', command: sh('test -f a.txt'), check: 'true' },
      { key: 'a', command: sh('echo a > a.txt') },
    ])
    const ids = (await run('submit', '--file', name, '-q')).out.trim().split('\n')
    expect((await home.task(ids[0] ?? '')).from).toEqual([ids[1]])
    expect((await run('wait', ...ids)).code).toBe(0)
  })

  it.each([
    [
      'two lines with one key',
      [
        { key: 'a', prompt: 'x' },
        { key: 'a', prompt: 'y' },
      ],
      2,
      ':2: the key "a" is there twice',
    ],
    [
      'a circle',
      [
        { key: 'a', after: 'b', prompt: 'x' },
        { key: 'b', after: ['a'], prompt: 'y' },
      ],
      2,
      ':1: it waits for itself',
    ],
    [
      'a key that is nowhere',
      [
        { key: 'a', command: ['true'] },
        { after: 'zzzzz', command: ['true'] },
      ],
      3,
      ':2: there is no task "zzzzz"',
    ],
    [
      'a line that cannot be',
      [
        { key: 'a', command: ['true'] },
        { after: 'a', node: 'none', command: ['true'] },
      ],
      1,
      ':2: there is no node',
    ],
    ['another word for a condition', [{ key: 'a', if: 'never', prompt: 'x' }], 2, 'if must be ok or ended'],
    ['an empty list of names', [{ key: 'a', after: [], prompt: 'x' }], 2, 'after must be a key or an id'],
    [
      'a base that is said twice',
      [
        { key: 'a', command: ['true'] },
        { from: 'a', ref: 'main', command: ['true'] },
      ],
      2,
      'give no --ref',
    ],
  ])('with %s is refused, and nothing of it is stored', async (_what, lines, code, message) => {
    const before = (await all()).length
    const refused = await run('submit', '--file', ndjson('wrong.ndjson', lines))
    expect([refused.code, refused.err]).toEqual([code, expect.stringContaining(message)])
    expect((await all()).length).toBe(before)
  })

  it('is the same tasks again with the same key, and shows a plan without one', async () => {
    const name = ndjson('again.ndjson', [
      { key: 'a', command: ['true'] },
      { after: 'a', command: ['true'] },
    ])
    const submit = () => run('submit', '--file', name, '--idempotency-key', 'once', '-q')
    const first = await submit()
    expect((await submit()).out).toBe(first.out)
    const before = (await all()).length
    expect((await run('submit', '--file', name, '--dry-run')).out.match(/nothing is submitted/g)).toHaveLength(2)
    expect((await all()).length).toBe(before)
  })
})

describe('a list', () => {
  it('is a task a line, the same again makes nothing, and one more line makes one', async () => {
    writeFileSync(file('list'), 'one\n\ntwo\none\n')
    const submit = async (): Promise<TaskJson[]> =>
      JSON.parse(
        (await run('submit', '--each', file('list'), '--group', 'list', '--json', '--', 'sh', '-c', 'echo {} > {}.txt'))
          .out,
      )
    const first = await submit()
    expect(first.map(({ group }) => group)).toEqual(
      ['one', 'two'].map(key => ({ name: 'list', kind: 'each', key, winner: null })),
    )
    writeFileSync(file('list'), 'one\ntwo\nthree\n')
    // The repository has moved on meanwhile; the key is all that counts.
    writeFileSync(path.join(repo.dir, 'new.txt'), 'new\n')
    const git = (...words: string[]) =>
      execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...words], { cwd: repo.dir })
    git('add', '--all')
    git('commit', '-qm', 'new')
    const second = await submit()
    expect(second.map(({ id }) => id).slice(0, 2)).toEqual(first.map(({ id }) => id))
    expect((await run('wait', '--group', 'list')).code).toBe(0)
    expect((await run('ls', '--group', 'list', '-q')).out.trim().split('\n')).toHaveLength(3)
    expect((await run('diff', second[2]?.id ?? '')).out).toContain('+++ b/three.txt')
    expect((await run('show', second[2]?.id ?? '')).out).toContain('list (three)')
  })

  it('runs so many at once as it may, and the others wait for their turn', async () => {
    writeFileSync(file('turns'), 'a\nb\nc\nd\n')
    const running = file('running')
    const script = `mkdir -p ${running}; touch ${running}/{}; ls ${running} | wc -l >> ${running}.seen; sleep 0.5; rm ${running}/{}`
    const { out } = await run(
      'submit',
      '--each',
      file('turns'),
      '--group',
      'turns',
      '--at-most',
      '1',
      '-q',
      '--',
      'sh',
      '-c',
      script,
    )
    const ids = out.trim().split('\n')
    const held = await home.task(ids[3] ?? '')
    expect([held.status, held.waitingFor]).toEqual(['queued', 'its turn in its group'])
    expect((await run('why', '--group', 'turns')).out).toContain(ids[3])
    expect((await why(ids[3] ?? '')).sentence).toBe('It waits for its turn: 1 task of group turns may run at once.')
    expect((await run('wait', '--group', 'turns')).code).toBe(0)
    expect(readFileSync(`${running}.seen`, 'utf8').trim().split(/\s+/)).toEqual(['1', '1', '1', '1'])
    expect(readdirSync(running)).toEqual([])
  })

  it('has a task after all, from the work of those that are completed', async () => {
    writeFileSync(file('parts'), 'x\ny\nbad\n')
    const script = 'test {} != bad && echo {} > {}.txt'
    const options = ['--each', file('parts'), '--group', 'parts', '--reduce', 'join them', '--agent', 'joins']
    const { out, err } = await run('submit', ...options, '-q', '--', 'sh', '-c', script)
    const ids = out.trim().split('\n')
    expect([ids.length, err]).toEqual([4, ''])
    expect((await run('wait', '--group', 'parts')).code).toBe(10)
    const last = await home.task(ids[3] ?? '')
    expect([last.verdict, last.after.map(({ state }) => state)]).toEqual(['unverified', ['met', 'met', 'met']])
    const diff = (await run('diff', last.id)).out
    expect(diff.match(/^\+(?!\+).*$/gm)).toEqual(['+README.md', '+all.txt', '+new.txt', '+x.txt', '+y.txt'])
    expect((await run('retry', '--group', 'parts', '--status', 'failed', '--dry-run')).out).toContain(ids[2])
  })

  it('is refused with what is wrong', async () => {
    const code = async (...options: string[]) => (await run('submit', ...options, '--', 'true')).code
    expect(await code('--each', file('list'))).toBe(2)
    expect(await code('--reduce', 'x')).toBe(2)
    expect(await code('--at-most', '2')).toBe(2)
    expect(await code('--group', 'a b')).toBe(2)
    expect(await code('--each', file('nowhere'))).toBe(2)
    expect((await run('wait', '--group', 'nothing-like-it')).code).toBe(3)
    expect((await run('wait')).code).toBe(2)
    expect((await run('why')).code).toBe(2)
  })
})

describe('a group', () => {
  it('takes a task by its name, and is cancelled as one', async () => {
    const submit = () => run('submit', '--group', 'kept', '-q', '--', 'sh', '-c', 'sleep 600')
    const ids = [(await submit()).out.trim(), (await submit()).out.trim()]
    expect((await run('cancel', '--group', 'kept', '--yes')).code).toBe(0)
    for (const id of ids) await until('it is over', async () => (await home.task(id)).status === 'cancelled')
    expect((await run('wait', '--group', 'kept')).code).toBe(11)
    expect((await home.task(ids[0] ?? '')).group).toEqual({ name: 'kept', kind: 'set', key: null, winner: null })
  })
})
