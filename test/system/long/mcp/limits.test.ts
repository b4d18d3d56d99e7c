/** What `tdf mcp` keeps to, whatever it is asked: limits, repositories, sizes, and the words of tasks as data. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { hasEnded, makeHome, makeRepository, root, tdf, until } from '../../../support/daemon/home.ts'
import { type Reply, type Server, startMcp } from './client.ts'

const programs = new URL('../../../fakes/programs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-mcp-test-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))
const ASKING = JSON.stringify({ asks: { requestId: 'q1', tool: 'Bash', detail: 'make release' } })
const agent = (name: string, ...words: string[]) =>
  `[agents.${name}]\ntype = "claude"\ncommand = ${JSON.stringify([process.execPath, ...words])}\n`
const home = makeHome(`
[runner]
agent = "worker"
reconcile_interval = "1s"
[results]
log_max_bytes = "256MiB"
${agent('worker', path.join(programs, 'remembering-agent.mjs'), path.join(folder, 'notes'))}
${agent('asking', path.join(programs, 'talking-agent.mjs'), ASKING)}`)
const repo = makeRepository()
const servers: Server[] = []
beforeAll(async () => void (await home.start()), 180_000)
afterAll(async () => {
  for (const server of servers) await server.end()
  await home.remove()
}, 60_000)

async function started(...args: string[]): Promise<Server> {
  const server = await startMcp(home, args, { cwd: repo.dir })
  servers.push(server)
  return server
}

const refusal = ({ isError, texts }: Reply) => (isError ? texts.join('\n') : '')
const tasks = () => home.client.call<TaskJson[]>({ path: '/tasks?all=true' })
const isOver = (id: string) => until(`${id} is over`, async () => (await home.task(id)).step === null, 120_000)
const BYTES_MAX = 8_200

describe('a limit', () => {
  it('of tasks holds for all that a server with these labels submitted, also when it is started again', async () => {
    const args = ['--label', 'mcp=few', '--max-tasks', '2']
    const first = await started(...args)
    const asked = { prompt: 'write a.txt', idempotency_key: 'few-1' }
    const both = await Promise.all([
      first.tool('submit_task', asked),
      first.tool('submit_task', { prompt: 'write b.txt' }),
    ])
    expect(both.map(refusal)).toEqual(['', ''])
    const second = await started(...args)
    const third = await second.tool('submit_task', { prompt: 'write c.txt' })
    expect(refusal(third)).toMatch(/may submit 2 tasks in all, and has\n {2}hint: tdf ls --all --label mcp=few/)
    // The same request again is no task more.
    expect((await second.tool('submit_task', asked)).json.id).toBe(both[0]?.json.id)
    // Others are looked at and not changed.
    const other = await (await started()).tool('submit_task', { prompt: 'sleep 600000' })
    expect(refusal(await second.tool('cancel_task', { task: other.json.id }))).toContain('FORBIDDEN')
    expect((await second.tool('get_task', { task: other.json.id })).json).toMatchObject({ id: other.json.id })
    await tdf(home, 'cancel', String(other.json.id))
    expect((await second.tool('list_tasks', { mine: true })).json.tasks).toHaveLength(2)
  })

  it('of cost is shared out before it is spent, and freed by what was not', async () => {
    const args = ['--label', 'job=nightly', '--max-cost', '5']
    const server = await started(...args)
    expect(refusal(await server.tool('submit_task', { prompt: 'cost 1' }))).toMatch(/\$5\.00 are left; say by max_cost/)
    const spent = await server.tool('submit_task', { prompt: 'cost 1', max_cost: 3 })
    const id = String(spent.json.id)
    await isOver(id)
    const again = await started(...args)
    expect(refusal(await again.tool('submit_task', { prompt: 'cost 1', max_cost: 4.5 }))).toMatch(
      /\$4\.00 are left, and this task asks for \$4\.50/,
    )
    const running = await again.tool('submit_task', { prompt: 'sleep 600000', max_cost: 4 })
    expect(refusal(running)).toBe('')
    expect(refusal(await again.tool('continue_task', { task: id, text: 'cost 1', max_cost: 2 }))).toMatch(
      /\$1\.00 are left/,
    )
    expect(refusal(await again.tool('cancel_task', { task: running.json.id }))).toBe('')
    await isOver(String(running.json.id))
    expect(refusal(await again.tool('continue_task', { task: id, text: 'cost 1', max_cost: 2 }))).toBe('')
  })

  it('of repositories holds for folders around and beside, links, and tasks that are there', async () => {
    const other = makeRepository()
    const server = await started('--repo', other.dir)
    const before = (await tasks()).length
    for (const repository of [
      undefined,
      repo.dir,
      `${other.dir}/..`,
      'https://example.invalid/a.git',
      `${other.dir}-not`,
    ])
      expect(refusal(await server.tool('submit_task', { prompt: 'write a.txt', repo: repository }))).toMatch(
        /FORBIDDEN|NO_REPOSITORY/,
      )
    expect(await tasks()).toHaveLength(before)
    const [task] = await tasks()
    expect(refusal(await server.tool('continue_task', { task: task?.id }))).toContain('FORBIDDEN')
    expect(refusal(await server.tool('submit_task', { prompt: 'write a.txt', repo: other.dir }))).toBe('')
  })
})

describe('a permission', () => {
  it('is answered by a server that may, and by no words of one that may not', async () => {
    const server = await started()
    expect(
      refusal(await server.tool('submit_task', { prompt: 'go', agent: 'asking', permissions: 'allow' })),
    ).toContain('FORBIDDEN')
    const { json } = await server.tool('submit_task', { prompt: 'go', agent: 'asking', permissions: 'ask' })
    const task = String(json.id)
    await until('it asks', async () => (await home.task(task)).step === 'awaiting_followup', 120_000)
    const asks = await server.tool('wait_tasks', { tasks: [task] })
    expect(asks.json.needsYou).toEqual([
      expect.objectContaining({ id: task, waitingFor: expect.stringContaining('make release') }),
    ])
    for (const [tool, input] of [
      ['send', { text: 'allow' }],
      ['send', { text: 'go on' }],
      ['continue_task', { text: 'yes' }],
    ] as const)
      expect(refusal(await server.tool(tool, { task, ...input }))).toMatch(/may not answer[\s\S]*tdf send \w+ allow/)
    expect((await home.task(task)).waitingFor).toContain('make release')
    const answering = await started('--may-answer')
    expect(refusal(await answering.tool('answer', { task, decision: 'allow' }))).toBe('')
    await isOver(task)
    expect((await home.task(task)).status).toBe('completed')
    expect(refusal(await answering.tool('answer', { task, decision: 'deny' }))).toContain('asks for nothing now')
  })
})

describe('an answer', () => {
  it('has at most 8 kB of a log of 200 MB: its end, or from a byte on, with the command for all of it', async () => {
    const print = 'yes "a line of a long log, number one of many" | head -c 200000000; echo; echo the end'
    const { out } = await tdf(home, 'submit', '-q', '--repo', repo.dir, '--', 'sh', '-c', print)
    const task = out.trim()
    await isOver(task)
    const server = await started()
    const end = await server.tool('read_log', { task })
    expect(end.bytes).toBeLessThan(BYTES_MAX)
    expect(end.json).toMatchObject({ task, more: false, isRunning: false, command: `tdf logs ${task}` })
    expect(end.json.nextOffset).toBe(200_000_009)
    expect(end.texts[1]).toMatch(/^(?:\| .*\n)+\| the end\n$/)
    const piece = await server.tool('read_log', { task, offset: 100_000_000 })
    expect(piece.bytes).toBeLessThan(BYTES_MAX)
    expect(piece.json).toMatchObject({ more: true, offset: 100_000_000 })
    const next = await server.tool('read_log', { task, offset: piece.json.nextOffset })
    expect(next.texts[1]).toMatch(/^\| a line of a long log, number one of many\n/)
    expect((await server.tool('read_log', { task, offset: 300_000_000 })).json).toMatchObject({ more: false })
  })
})

describe('without a daemon that it can talk to', () => {
  it('every tool answers with the hint of the command line, and starts none', async () => {
    const nobody = makeHome()
    try {
      const server = await startMcp(nobody, [], { cwd: repo.dir })
      for (const name of ['list_tasks', 'submit_task'])
        expect(refusal(await server.tool(name, name === 'submit_task' ? { prompt: 'x' } : {}))).toMatch(
          /no daemon is running[\s\S]*hint: tdf daemon start[\s\S]*DAEMON_UNREACHABLE/,
        )
      expect(existsSync(path.join(nobody.dir, 'run', 'tdf.sock'))).toBe(false)
      const { error } = await server.request('resources/list')
      expect(error?.message).toContain('tdf daemon start')
      expect(await server.end()).toEqual({ code: 0, err: '' })
    } finally {
      await nobody.remove()
    }
  })

  it('of another API level names both levels', async () => {
    const skewed = makeHome()
    mkdirSync(path.join(skewed.dir, 'run'))
    const other = createServer((_request, response) => {
      response.setHeader('x-tdf-api', '77').setHeader('x-tdf-version', '9.9.9')
      response.end('{}')
    })
    await new Promise<void>(resolve => other.listen(path.join(skewed.dir, 'run', 'tdf.sock'), resolve))
    try {
      const server = await startMcp(skewed)
      expect(refusal(await server.tool('list_tasks'))).toMatch(
        /version 9\.9\.9, API level 77.*API level 1\)[\s\S]*VERSION_SKEW/,
      )
      await server.end()
    } finally {
      other.close()
      other.closeAllConnections()
      await skewed.remove()
    }
  })
})

it('on a terminal it says on stderr what it is, and nothing on stdout', async () => {
  const [out, err] = [path.join(folder, 'out'), path.join(folder, 'err')]
  const line = `${process.execPath} ${path.join(root, 'dist/tdf.js')} mcp > ${out} 2> ${err}`
  const terminal = spawn('script', ['-qec', line, '/dev/null'], { env: home.env, stdio: ['pipe', 'ignore', 'ignore'] })
  await until('it says it', () => existsSync(err) && readFileSync(err, 'utf8').endsWith('\n'))
  // Ctrl-D on an empty line is the end of the input.
  terminal.stdin.write('\x04')
  terminal.stdin.end()
  await until('it ends', () => hasEnded(terminal))
  expect(terminal.exitCode).toBe(0)
  expect([readFileSync(out, 'utf8'), readFileSync(err, 'utf8')]).toEqual([
    '',
    expect.stringMatching(/^tdf mcp speaks the Model Context Protocol.*claude mcp add tdf -- tdf mcp.*\n$/),
  ])
})
