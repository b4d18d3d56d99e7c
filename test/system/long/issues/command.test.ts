/** A tracker that a program of yours speaks for: a folder of files, listed line by line, told on stdin. And a daemon that is killed meanwhile. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type IssueScene, issueScene, LONG_MS, sourceTable } from '../../../fakes/programs/forge/issue-scene.ts'
import { hasEnded, until } from '../../../support/daemon/home.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tdf-tracker-'))
const open = path.join(folder, 'open')
const file = (name: string) => path.join(folder, name)

/** Lists a line of each file; writes down what it is told. */
const TRACKER = `#!/bin/sh
[ -e ${folder}/away ] && { echo the tracker is away >&2; exit 1; }
case "$1" in
list) echo "$TDF_SOURCE $TDF_LABEL" >> ${folder}/lists; cat ${open}/* 2> /dev/null; exit 0 ;;
*) echo "$1 $(cat)" >> ${folder}/written ;;
esac
`

const KILLS = ['before:commit:3', 'after:commit:3', 'before:commit:5', 'after:commit:6', 'before:commit:8']

let scene: IssueScene
beforeAll(async () => {
  mkdirSync(open)
  writeFileSync(file('tracker'), TRACKER)
  chmodSync(file('tracker'), 0o755)
  const more = `kind = "command"\ncommand = ["${file('tracker')}"]\nwrites = ["comments", "labels"]`
  scene = await issueScene(sourceTable('files', more))
  scene.template('fix', '---\nrepo: REPO\nagent: a\n---\n{{issue.title}}{{issue.body}}')
}, LONG_MS)
afterAll(async () => {
  await scene.remove()
  rmSync(folder, { recursive: true })
}, LONG_MS)

const issue = (id: string, labels = ['tdf']) => ({ id, title: `do ${id}`, body: 'as it says', url: null, labels })
const put = (id: string, change = {}) =>
  writeFileSync(path.join(open, id), `${JSON.stringify({ ...issue(id), ...change })}\n`)
const taken = (id: string) =>
  scene.sees('files', ({ issues }) => issues.some(one => one.id === id && one.state === 'taken'))
const taskOf = async (id: string) => scene.over((await taken(id)).issues.find(one => one.id === id)?.taskId ?? '')

it(
  'a line with the label becomes one task, however often the daemon is killed while it is taken',
  async () => {
    put('A-1')
    put('A-2', { labels: ['other'] })
    for (const plan of KILLS) {
      const daemon = await scene.home.start({ ...scene.env, TDF_CRASH_AT: plan })
      const isOver = async () => hasEnded(daemon) || (await scene.issue('files', 'A-1').catch(() => undefined))?.taskId
      await until('it is taken, or the daemon is dead', async () => Boolean(await isOver()), LONG_MS)
      if (!hasEnded(daemon)) await scene.home.kill(daemon)
    }
    await scene.home.start(scene.env)
    const task = await taskOf('A-1')
    expect([task.status, task.attempts.length, (await scene.tasks()).length]).toEqual(['completed', 1, 1])
    expect(scene.told(task.id)[0]).toContain('> do A-1')
    const written = () => (existsSync(file('written')) ? readFileSync(file('written'), 'utf8') : '')
    await until('it was told of the end', () => /^label .*"add":\["tdf:done"\]/m.test(written()), LONG_MS)
    expect(written()).toMatch(new RegExp(`^comment .*"id":"A-1".*Task \`${task.id}\` of tdf is over: completed`, 'm'))
    expect(readFileSync(file('lists'), 'utf8')).toMatch(/^files tdf$/m)
  },
  LONG_MS,
)

it(
  'a line that is gone and comes again is another task; while the program fails nothing is taken for gone',
  async () => {
    const first = await taskOf('A-1')
    writeFileSync(file('away'), '')
    await scene.sees('files', ({ error }) => /the tracker is away/.test(error ?? ''))
    expect((await scene.issue('files', 'A-1'))?.state).toBe('taken')
    rmSync(file('away'))
    rmSync(path.join(open, 'A-1'))
    await scene.sees('files', ({ issues }) => issues.some(({ id, state }) => id === 'A-1' && state === 'gone'))
    put('A-1')
    expect((await taskOf('A-1')).id).not.toBe(first.id)
    writeFileSync(path.join(open, 'A-3'), 'this is no JSON\n')
    await scene.sees('files', ({ error }) => /no JSON/.test(error ?? ''))
    rmSync(path.join(open, 'A-3'))
    await scene.sees('files', ({ error }) => error === null)
    expect((await scene.tasks()).length).toBe(2)
  },
  LONG_MS,
)

it(
  'a line names what has to be done before it, of which only what is listed counts',
  async () => {
    const before = (id: string, names: readonly unknown[]) => put(id, { blocked_by: names })
    put('B-2')
    before('B-1', ['B-2', 'B-9', 'B-1', '--if', 7, 'B-2'])
    const [task, first] = [await taskOf('B-1'), await taskOf('B-2')]
    expect([task.status, task.after]).toEqual(['completed', [{ id: first.id, state: 'met' }]])
    before('B-3', [{ id: 'B-2' }])
    await scene.sees('files', ({ error }) => /blocked_by/.test(error ?? ''))
    rmSync(path.join(open, 'B-3'))
    await scene.sees('files', ({ error }) => error === null)
  },
  LONG_MS,
)
