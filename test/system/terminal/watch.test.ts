/** Waiting in a real terminal: live lines while it goes on, a clean screen and an exit code when it is over. */
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { tdf, tdfWith, until } from '../../support/daemon/home.ts'
import { withDaemon } from '../../support/daemon/with-daemon.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')

const { home, repo } = withDaemon('[nodes]\nmax_workspaces = 8\n')
let terminal: Tmux | undefined

afterEach(() => {
  terminal?.close()
  terminal = undefined
})

async function submit(title: string, script: string): Promise<string> {
  const { out } = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--title', title, '--', 'sh', '-c', script)
  return out.trim()
}

async function running(title: string, script: string): Promise<string> {
  const id = await submit(title, script)
  await until('it runs', async () => (await home.task(id)).step === 'running', 120_000)
  return id
}

function watch(ids: string, columns = 80, rows = 24): Tmux {
  terminal = openTmux(home.env, columns, rows)
  terminal.type(`clear; node ${program} watch ${ids}; echo "left with $?"`)
  return terminal
}

/** Runs until the file is there. */
const awaitFile = (name: string) => `until test -e ${home.dir}/${name}; do sleep 0.2; done`

it('shows the steps that are done and a line for the one that is not, then what came of it', async () => {
  const id = await running('wait for a sign', `${awaitFile('sign')}; echo hi > hi.txt`)
  const { sees, lines } = watch(id)
  await sees('✓ agent started')
  await sees(/● running the agent +\ds {2}waits for the agent to finish/)
  const [title = '', ...steps] = lines()
  expect(title).toBe(`${id}  wait for a sign`)
  const done = steps.flatMap(line => /^✓ (\w+(?: \w+)*) +[\d.]+m?s$/.exec(line)?.[1] ?? [])
  expect(done).toEqual(['placed on local', 'repository copied', 'agent started'])
  // The line is written over, not written again.
  await sees(/● running the agent +[2-9]s/)
  expect(lines().filter(line => line.includes('● running'))).toHaveLength(1)
  await tdf(home, 'submit', '--repo', repo.dir, '-q', '--', 'touch', `${home.dir}/sign`)
  await sees('left with 0')
  const last = lines().join('\n')
  expect(last).toMatch(
    new RegExp(`✓ agent ended +[\\d.]+m?s\\n(✓ .*\\n)*${id} completed \\(unverified\\) in .*: wait for a sign`),
  )
  expect(last).not.toContain('●')
}, 120_000)

it('leaves with 10 for a task that failed and says why', async () => {
  const id = await submit('go wrong', 'exit 3')
  const { sees, lines } = watch(id)
  await sees('left with 10')
  expect(lines().join('\n')).toContain(`because: the agent of ${id} ended with exit code 3`)
}, 180_000)

it('lets go on Ctrl-C, says how to come back, and leaves the task alone', async () => {
  const id = await running('go on for long', 'sleep 600')
  const other = await running('also', 'sleep 600')
  const { sees, lines, keys } = watch(`${id} ${other}`)
  await sees(new RegExp(`${id.slice(0, 6)} {2}● running the agent +\\ds`))
  await sees(new RegExp(`${other.slice(0, 6)} {2}● running the agent +\\ds`))
  keys('C-c')
  await sees('left with 130')
  const text = lines().join('\n')
  expect(text).toContain(`detached; the task goes on: tdf watch ${id} ${other}`)
  expect(text).not.toContain('●')
  expect((await home.task(id)).step).toBe('running')
}, 180_000)

it('fits a window that has become narrow', async () => {
  const id = await running('一二三四五六七八九十一二三四五六七八九十', 'sleep 600')
  const { sees, resize, keys } = watch(id, 80, 12)
  // What has happened so far is all told, so that it is the seconds alone that change the line.
  await sees(/● running the agent +[1-9]\d*s/)
  resize(40, 12)
  await sees(/● running the agent +[\dms ]+.*…\n\n/)
  keys('C-c')
  await sees('left with 130')
}, 180_000)

it('writes plain lines in a pipe, and objects when they are asked for', async () => {
  const id = await submit('short', 'true')
  const plain = await tdf(home, 'watch', id)
  expect(plain).toMatchObject({ code: 0, err: '' })
  expect(plain.out).toMatch(/^✓ repository copied +[\d.]+m?s$/m)
  expect(plain.out).toMatch(new RegExp(`^${id} completed \\(no_change\\)`, 'm'))
  expect(plain.out).not.toContain('\x1b')
  const objects = (await tdf(home, 'watch', id, '-o', 'ndjson')).out
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(objects.filter(({ type }) => type === 'task.step').length).toBeGreaterThan(4)
  expect(objects.at(-1)).toMatchObject({ schema: 'tdf.task.v1', id, verdict: 'no_change' })
}, 180_000)

it('waits for one of several, and shows the end of a log', async () => {
  const long = await running('long', 'printf "one\\ntwo\\nthree"; sleep 600')
  const short = await submit('brief', 'false')
  const any = await tdf(home, 'wait', long, short, '--any', '--json')
  expect([any.code, JSON.parse(any.out).map(({ id }: { id: string }) => id)]).toEqual([10, [short]])
  const ends = await Promise.all(['0', '1', '2', '3', '9'].map(count => tdf(home, 'logs', long, '--tail', count)))
  expect(ends.map(({ out }) => out)).toEqual(['', 'three', 'two\nthree', 'one\ntwo\nthree', 'one\ntwo\nthree'])
}, 180_000)

it('keeps a list in its place while tasks come and the window becomes narrow, below what was there before', async () => {
  const first = await running('the first of the list', 'sleep 600')
  terminal = openTmux(home.env, 100, 24)
  terminal.type(`echo before; node ${program} ls --watch --status in_progress; echo "left with $?"`)
  const { sees, lines, resize } = terminal
  await sees('the first of the list')
  const second = await running('the second of the list', 'sleep 600')
  await sees('the second of the list')
  resize(60, 24)
  await tdf(home, 'cancel', first)
  await until('the first is gone', () => !lines().join('\n').includes('first'), 60_000)
  terminal.keys('C-c')
  await sees('left with 130')
  const text = lines().join('\n')
  expect([text.match(/^ID /gm)?.length, text.match(/second/g)?.length]).toEqual([1, 1])
  // A command line that fills the window to its last column runs on into what is printed.
  expect(terminal.history()).toMatch(/before$/m)
  await tdf(home, 'cancel', second)
}, 180_000)
