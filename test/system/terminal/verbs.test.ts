/**
 * The verbs of the dashboard, pressed in a real terminal with a real daemon behind it: what each changes outside, compared
 * with what the commands of the same names change.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeJson, TaskJson } from '../../../src/protocol/control.ts'
import { afterFile } from '../../support/after-file.ts'
import { tdfWith, until } from '../../support/daemon/home.ts'
import { withDaemon } from '../../support/daemon/with-daemon.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const here = import.meta.dirname
const program = path.join(here, '..', '..', '..', 'dist', 'tdf.js')
const programs = path.join(here, '..', '..', 'fakes', 'programs')
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-verbs-'))
const origin = path.join(folder, 'origin.git')
afterFile(() => rmSync(folder, { recursive: true, force: true }))

const ASKING = JSON.stringify({ asks: { requestId: 'q1', tool: 'Bash', detail: 'make release' } })
const agentOf = (name: string, ...words: string[]) =>
  `[agents.${name}]\ntype = "claude"\ncommand = ${JSON.stringify([process.execPath, ...words])}\n`
const { home, repo } = withDaemon(`
[runner]
agent = "writer"
[nodes]
max_workspaces = 4
${agentOf('writer', path.join(programs, 'remembering-agent.mjs'), path.join(folder, 'notes'))}
${agentOf('asking', path.join(programs, 'talking-agent.mjs'), ASKING)}`)

const git = (...args: string[]) => execFileSync('git', args, { cwd: repo.dir, encoding: 'utf8' }).trim()

let terminal: Tmux
afterEach(() => terminal.close())

/** The dashboard, started in the repository. */
async function open(...args: string[]): Promise<Tmux> {
  terminal = openTmux(home.env, 110, 30)
  terminal.type(`cd ${repo.dir}; clear; node ${program} watch ${args.join(' ')}; echo "left with $?"`)
  await terminal.sees('● live')
  return terminal
}

/** Moves the cursor to the only task of this title. */
async function choose(title: string): Promise<void> {
  terminal.keys('/', 'C-u')
  terminal.keys('-l', title)
  terminal.keys('Enter')
  await terminal.sees(/ 1\/1 *$/m)
}

async function leave(): Promise<void> {
  terminal.keys('q')
  await terminal.sees('left with 0')
}

const kept = () => home.client.call<TaskJson[]>({ path: '/tasks?all=true' })

async function submit(title: string, prompt: string, ...options: string[]): Promise<string> {
  const words = ['submit', prompt, '--title', title, '-q', ...options]
  const { out, err } = await tdfWith(home, { cwd: repo.dir }, ...words)
  if (out === '') throw new Error(err)
  return out.trim()
}

const isAt = (id: string, step: TaskJson['step']) =>
  until(`${id} is at ${step}`, async () => (await home.task(id)).step === step, 120_000)

/** A task that is over, with a result of its own file. */
async function done(title: string, prompt: string): Promise<TaskJson> {
  const id = await submit(title, prompt)
  await isAt(id, null)
  return home.task(id)
}

describe('a new task', () => {
  it('is written in the form of n, and submitted with its agent and its check from the repository one is in', async () => {
    const before = (await kept()).length
    const { keys, sees } = await open()
    keys('n')
    await sees('a new task')
    keys('-l', 'write new.txt')
    keys('Tab')
    keys('-l', 'writer')
    keys('Tab')
    keys('-l', 'test -f new.txt')
    await sees(/check +test -f new.txt/)
    keys('Enter')
    await sees(/submitted \w+: write new.txt/)
    const [task, ...others] = (await kept()).filter(({ title }) => title === 'write new.txt')
    expect([others.length, (await kept()).length]).toEqual([0, before + 1])
    await isAt(task?.id ?? '', null)
    expect(await home.task(task?.id ?? '')).toMatchObject({
      agent: 'writer',
      verdict: 'verified',
      repo: { url: repo.dir, baseCommit: git('rev-parse', 'HEAD') },
      result: { ahead: 1, check: { command: 'test -f new.txt', exitCode: 0 } },
    })
    await leave()
  }, 300_000)
})

describe('a result', () => {
  it('is a branch of the repository after p, which is what the task made', async () => {
    const { id, result } = await done('to be pulled', 'write pulled.txt')
    const { keys, sees } = await open()
    await choose('to be pulled')
    keys('p')
    await sees(/pulled|1 commit/)
    await until('the branch is there', () => git('branch', '--list', result?.branch ?? '-') !== '')
    expect(git('rev-parse', result?.branch ?? '')).toBe(result?.commit)
    expect([git('status', '--porcelain'), git('branch', '--show-current')]).toEqual(['', 'main'])
    expect((await home.task(id)).status).toBe('completed')
    await leave()
  }, 300_000)

  it('is in the work tree after a, once that was confirmed', async () => {
    await done('to be applied', 'write applied.txt')
    const { keys, sees } = await open()
    await choose('to be applied')
    keys('a')
    await sees(/apply \w+ "to be applied" to the work tree\? y\/N/)
    keys('n')
    await sees('enter open')
    expect(existsSync(path.join(repo.dir, 'applied.txt'))).toBe(false)
    keys('a')
    await sees('y/N')
    keys('y')
    await sees('applied to 1 file, uncommitted')
    expect(readFileSync(path.join(repo.dir, 'applied.txt'), 'utf8')).toBe('applied.txt\n')
    expect(git('status', '--porcelain')).toBe('?? applied.txt')
    rmSync(path.join(repo.dir, 'applied.txt'))
    await leave()
  }, 300_000)

  it('is a branch of the remote after P, once that was confirmed', async () => {
    execFileSync('git', ['init', '--quiet', '--bare', origin])
    git('remote', 'add', 'origin', origin)
    const { result } = await done('to be pushed', 'write pushed.txt')
    const { keys, sees } = await open()
    await choose('to be pushed')
    keys('P')
    await sees(/push \w+ "to be pushed"\? y\/N/)
    keys('y')
    await sees(/pushed/)
    await until('the branch is there', () => branchesOf(origin).length > 0)
    expect(branchesOf(origin)).toEqual([`${result?.commit} refs/heads/${result?.branch}`])
    await leave()
  }, 300_000)

  it('is forgotten with its task after D, which says first that it is nowhere else', async () => {
    const { id } = await done('to be forgotten', 'write forgotten.txt')
    const { keys, sees } = await open()
    await choose('to be forgotten')
    await sees('forgotten.txt')
    keys('D')
    await sees(/forget \w+ "to be forgotten" and its result, which was never pulled/)
    keys('Escape')
    await sees('enter open')
    expect((await home.task(id)).status).toBe('completed')
    keys('D')
    await sees('y/N')
    keys('y')
    await sees(`forgot ${id}`)
    expect((await kept()).map(task => task.id)).not.toContain(id)
    await leave()
  }, 300_000)
})

const branchesOf = (dir: string) =>
  execFileSync('git', ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads'], { cwd: dir })
    .toString()
    .split('\n')
    .filter(Boolean)

describe('a task', () => {
  it('that is over goes on after c, in its conversation and from its result', async () => {
    const { id } = await done('to be continued', 'write first.txt')
    const { keys, sees } = await open()
    await choose('to be continued')
    keys('i')
    await sees('c continues it')
    keys('c')
    await sees(`continue ${id}:`)
    keys('-l', 'write second.txt')
    keys('Enter')
    await until('it has a second attempt', async () => (await home.task(id)).attempt === 2)
    await isAt(id, null)
    expect(await home.task(id)).toMatchObject({ continued: { of: 1, resumed: 'conversation' }, result: { ahead: 2 } })
    await leave()
  }, 300_000)

  it('that failed is tried again after r, and one under way is cancelled after x, each once it was confirmed', async () => {
    const failed = await done('to be tried again', 'write tried.txt\nfail')
    expect(failed.verdict).toBe('agent_error')
    const running = await submit('to be stopped', 'sleep 600000')
    await isAt(running, 'running')
    const { keys, sees } = await open()
    await choose('to be tried again')
    keys('x')
    await sees('nothing to cancel: none of them is under way')
    keys('r')
    await sees(/retry \w+ "to be tried again"\? y\/N/)
    keys('y')
    await sees(`next attempt of ${failed.id} opened`)
    expect((await home.task(failed.id)).attempt).toBe(2)
    await choose('to be stopped')
    keys('r')
    await sees('nothing to retry: none of them is over yet')
    keys('x')
    await sees(/cancel \w+ "to be stopped"\? y\/N/)
    keys('y')
    await sees(`cancel: ${running} being cancelled`)
    await until('it is cancelled', async () => (await home.task(running)).status === 'cancelled', 120_000)
    await leave()
  }, 300_000)

  it('takes something more after i while its agent waits', async () => {
    const id = await submit('to be told more', 'write told.txt', '--interactive')
    await isAt(id, 'awaiting_followup')
    const { keys, sees } = await open()
    await choose('to be told more')
    keys('i')
    await sees(`send ${id}:`)
    keys('-l', 'write more.txt')
    keys('Enter')
    await sees(`sent to ${id}`)
    await until('its agent was asked', () =>
      readFileSync(path.join(folder, 'notes'), 'utf8').includes('write more.txt'),
    )
    await isAt(id, 'awaiting_followup')
    await tdfWith(home, {}, 'send', id, '--close')
    await isAt(id, null)
    expect((await home.task(id)).result?.ahead).toBe(2)
    await leave()
  }, 300_000)

  it('shows what its agent asks, and i answers it', async () => {
    const id = await submit('to be allowed', 'release it', '--agent', 'asking', '--permissions', 'ask')
    await isAt(id, 'awaiting_followup')
    const { keys, sees } = await open()
    await choose('to be allowed')
    await sees('make release')
    keys('i')
    await sees(`send ${id}:`)
    keys('-l', 'allow')
    keys('Enter')
    await isAt(id, null)
    expect((await home.task(id)).status).toBe('completed')
    await leave()
  }, 300_000)

  it('lends its workspace to a shell after S, and the dashboard is there again after it', async () => {
    const id = await submit('to be looked into', 'leave looked.txt\nsleep 600000')
    await isAt(id, 'running')
    const { keys, sees } = await open()
    await choose('to be looked into')
    keys('S')
    await until('the shell has the terminal', () => !terminal.isAlternate())
    terminal.type('cat looked.txt README.md; echo "exit by hand"; exit 3')
    await sees(/\[1 tasks\][\s\S]*to be looked into/)
    expect(terminal.isAlternate()).toBe(true)
    await leave()
    expect(terminal.history()).toMatch(/looked\.txt\n# a project/)
    await tdfWith(home, {}, 'cancel', id)
  }, 300_000)
})

describe('a node', () => {
  it('is opened by enter, with what it does, and drained and taken back by d', async () => {
    const id = await submit('to be seen there', 'sleep 600000')
    await isAt(id, 'running')
    const { keys, sees } = await open()
    keys('2')
    await sees('[2 nodes]')
    keys('Enter')
    await sees(/tasks on it[\s\S]*to be seen there/)
    const status = async () => (await home.client.call<NodeJson[]>({ path: '/nodes' }))[0]?.status
    for (const [question, becomes] of [
      ['drain local: no new tasks for it?', 'draining'],
      ['take local back into work?', 'ready'],
    ] as const) {
      keys('d')
      await sees(question)
      keys('y')
      await until(`the node is ${becomes}`, async () => (await status()) === becomes)
      await sees(becomes)
    }
    keys('Escape')
    await sees('enter open')
    await leave()
    await tdfWith(home, {}, 'cancel', id)
  }, 300_000)
})

/** What a terminal sends for the mouse: SGR mode, with places from 1. */
const mouse = {
  wheelDown: () => terminal.keys('-l', '\x1b[<65;5;8M'),
  wheelUp: () => terminal.keys('-l', '\x1b[<64;5;8M'),
  click: (column: number, row: number) => {
    terminal.keys('-l', `\x1b[<0;${column};${row}M`)
    terminal.keys('-l', `\x1b[<0;${column};${row}m`)
  },
}

describe('a text that is pasted', () => {
  it('presses no verb, and is a prompt of several lines in the form of a new task', async () => {
    const { keys, sees } = await open()
    terminal.paste('xq\n')
    keys('n')
    await sees('a new task')
    terminal.paste('leave one.txt\nleave two.txt\n')
    await sees(/prompt +leave one.txt\n +leave two.txt/)
    keys('Enter')
    await sees(/submitted \w+: leave one.txt/)
    const task = (await kept()).find(({ title }) => title === 'leave one.txt')
    expect(task?.prompt).toBe('leave one.txt\nleave two.txt\n')
    await leave()
  }, 300_000)
})

describe('the mouse', () => {
  beforeEach(async () => {
    for (const number of [1, 2, 3, 4, 5]) {
      const title = `row ${number}`
      if (!(await kept()).some(task => task.title === title)) await done(title, 'leave row.txt')
    }
  }, 300_000)

  it('moves by its wheel, chooses a row by a click and opens it by another, and changes the view', async () => {
    const { keys, sees } = await open()
    keys('/', 'C-u')
    keys('-l', 'row')
    keys('Enter')
    await sees('1/5')
    mouse.wheelDown()
    await sees('4/5')
    mouse.wheelUp()
    await sees('1/5')
    const line = terminal.lines().findIndex(text => text.includes('row 3'))
    mouse.click(20, line + 1)
    const place =
      terminal
        .lines()
        .filter(text => /row \d/.test(text))
        .findIndex(text => text.includes('row 3')) + 1
    await sees(`${place}/5`)
    mouse.click(20, line + 1)
    await sees('[log]')
    await sees('row 3')
    keys('Escape')
    await sees(`${place}/5`)
    mouse.click(terminal.lines()[0]?.indexOf('2 nodes') ?? 0, 1)
    await sees('[2 nodes]')
    await leave()
  }, 300_000)

  it('is left to the terminal by [tui] mouse = false', async () => {
    terminal = openTmux({ ...home.env, TDF_TUI__MOUSE: 'false' }, 110, 30)
    const written = terminal.record()
    terminal.type(`node ${program} watch; echo "left with $?"`)
    await terminal.sees('● live')
    await leave()
    expect(written()).not.toContain('\x1b[?1000h')
  }, 180_000)
})

describe('read only', () => {
  it.each([
    ['--read-only', {}],
    ['', { TDF_TUI__READ_ONLY: 'true' }],
  ])(
    'by %s or its setting answers each verb with why nothing happens, and changes nothing',
    async (word, env) => {
      const { id } = await done(`to be left ${word || 'alone'}`, 'write left.txt')
      const before = [await kept(), branchesOf(repo.dir)]
      terminal = openTmux({ ...home.env, ...env }, 110, 30)
      terminal.type(`cd ${repo.dir}; clear; node ${program} watch ${word}; echo "left with $?"`)
      await terminal.sees('read only')
      await choose(id)
      const verbs = { n: 'submit', r: 'retry', x: 'cancel', i: 'send', c: 'continue' }
      const more = { p: 'pull', a: 'apply', P: 'push', D: 'forget', S: 'shell' }
      for (const [key, name] of Object.entries({ ...verbs, ...more })) {
        terminal.keys(key)
        await terminal.sees(`read only: ${name} does nothing here`)
      }
      expect([await kept(), branchesOf(repo.dir)]).toEqual(before)
      await leave()
    },
    300_000,
  )
})
