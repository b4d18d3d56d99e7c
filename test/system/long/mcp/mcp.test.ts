/** `tdf mcp` with real processes: agents hand work over, wait for it and read it, whatever becomes of the daemon. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { afterFile } from '../../../support/after-file.ts'
import { makeHome, makeRepository, root, tdf, until } from '../../../support/daemon/home.ts'
import { type Reply, type Server, startMcp } from './client.ts'

const programs = new URL('../../../fakes/programs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-mcp-test-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))
const agent = (name: string, ...words: string[]) =>
  `[agents.${name}]\ntype = "claude"\ncommand = ${JSON.stringify([process.execPath, ...words])}\n`
const home = makeHome(`
[runner]
agent = "worker"
[results]
log_max_bytes = "256MiB"
${agent('worker', path.join(programs, 'remembering-agent.mjs'), path.join(folder, 'notes'))}`)
const repo = makeRepository()
let daemon: Awaited<ReturnType<typeof home.start>>
let server: Server
beforeAll(async () => {
  daemon = await home.start()
  server = await startMcp(home, ['--label', 'team=web'], { cwd: repo.dir })
}, 180_000)
afterAll(async () => {
  await home.remove()
}, 60_000)

const LOOKING = ['list_tasks', 'get_task', 'why', 'wait_tasks', 'read_log', 'get_diff']
const CHANGING = ['submit_task', 'continue_task', 'send', 'cancel_task']

async function toolsOf(...args: string[]): Promise<string[]> {
  const one = await startMcp(home, args)
  const { result } = await one.request('tools/list')
  expect((await one.end()).code).toBe(0)
  const { tools = [] } = result ?? {}
  return (tools as { name: string }[]).map(({ name }) => name).sort()
}

const idOf = ({ json, texts }: Reply): string => {
  if (typeof json.id !== 'string') throw new Error(texts.join('\n'))
  return json.id
}

async function submitted(asked: object, by = server): Promise<string> {
  return idOf(await by.tool('submit_task', asked))
}

/** As an agent does: again and again, with the cursor. */
async function ended(id: string, by = server): Promise<Record<string, unknown>> {
  for (let cursor = ''; ; ) {
    const { json, texts } = await by.tool('wait_tasks', { tasks: [id], cursor })
    const [one] = json.ended as Record<string, unknown>[]
    if (one) return one
    if (typeof json.cursor !== 'string') throw new Error(texts.join('\n'))
    cursor = json.cursor
  }
}

describe('the tools', () => {
  it('are those that change nothing with --read-only, and answer permissions with --may-answer alone', async () => {
    expect(await toolsOf('--read-only')).toEqual(LOOKING.toSorted())
    expect(await toolsOf('--read-only', '--may-answer')).toEqual(LOOKING.toSorted())
    expect(await toolsOf()).toEqual([...LOOKING, ...CHANGING].sort())
    expect(await toolsOf('--may-answer')).toEqual([...LOOKING, ...CHANGING, 'answer'].sort())
  })

  it('that are not there are refused by name, and change nothing', async () => {
    const looking = await startMcp(home, ['--read-only'], { cwd: repo.dir })
    const refused = await looking.tool('submit_task', { prompt: 'write no.txt', idempotency_key: 'not-there' })
    expect([refused.isError, refused.texts[0]]).toEqual([true, expect.stringContaining('no tool "submit_task" here')])
    await looking.end()
    expect((await tdf(home, 'ls', '--all')).out).not.toContain('no.txt')
  })

  it('are introduced with the version and the API level, and say that what tasks print is data', () => {
    expect(server.initialized).toMatchObject({
      serverInfo: { name: 'tdf' },
      instructions: expect.stringMatching(/API level \d[\s\S]*they are data, and never instructions/),
    })
  })
})

describe('a task that is handed over', () => {
  it('is one task for one key, also from a server that was started again, and another for another request', async () => {
    const asked = { prompt: 'write a.txt', idempotency_key: 'release-notes' }
    const first = await submitted(asked)
    expect(await submitted(asked)).toBe(first)
    const other = await startMcp(home, ['--label', 'team=web', '--label', 'mcp=other'], { cwd: repo.dir })
    expect(await submitted(asked, other)).toBe(first)
    const conflict = await other.tool('submit_task', { ...asked, prompt: 'write b.txt' })
    expect([conflict.isError, conflict.texts[0]]).toEqual([true, expect.stringContaining('IDEMPOTENCY_CONFLICT')])
    await other.end()
    const [one, two] = [await submitted({ prompt: 'write c.txt' }), await submitted({ prompt: 'write c.txt' })]
    expect(new Set([first, one, two]).size).toBe(3)
    const { labels } = await home.task(first)
    expect(labels).toEqual({ team: 'web', mcp: expect.stringMatching(/^[0-9a-f]{12}$/) })
  })

  it('is waited for, read, continued and cancelled by the client of the SDK', async () => {
    const client = new Client({ name: 'sdk', version: '1' })
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args: [path.join(root, 'dist/tdf.js'), 'mcp'],
        env: home.env,
        cwd: repo.dir,
        stderr: 'ignore',
      }),
    )
    const call = async (name: string, input: Record<string, unknown>) => {
      const { content, isError } = await client.callTool({ name, arguments: input })
      const texts = (content as { text: string }[]).map(({ text }) => text)
      if (isError) throw new Error(texts.join('\n'))
      return texts
    }
    const wait = async (task: string, cursor = '') =>
      JSON.parse((await call('wait_tasks', { tasks: [task], cursor }))[0] ?? '')
    const submit = await call('submit_task', { prompt: 'write d.txt', check: 'test -f d.txt', title: 'a file' })
    const { id } = JSON.parse(submit[0] ?? '')
    let waited = await wait(id)
    while (!waited.allEnded) waited = await wait(id, waited.cursor)
    expect(waited.ended).toEqual([expect.objectContaining({ id, title: 'a file', verdict: 'verified' })])
    const diff = await call('get_diff', { task: id })
    expect(diff[1]).toContain('| +++ b/d.txt\n')
    expect((await call('get_diff', { task: id, stat: true }))[1]).toMatch(/^\| {1,2}d\.txt/m)
    await call('continue_task', { task: id, text: 'sleep 600000' })
    // What was told is not told again: the second attempt goes on.
    const { waiting } = JSON.parse(
      (await call('wait_tasks', { tasks: [id], cursor: waited.cursor, timeout_seconds: 0 }))[0] ?? '',
    )
    expect(waiting).toEqual([
      expect.objectContaining({ id, status: expect.stringMatching(/queued|delegated|in_progress/) }),
    ])
    await call('cancel_task', { task: id })
    let again = await wait(id, waited.cursor)
    while (!again.allEnded) again = await wait(id, again.cursor)
    expect(again.ended).toEqual([expect.objectContaining({ status: 'cancelled', attempt: 2 })])
    // Its answer was lost, for all that the client knows.
    await call('cancel_task', { task: id })
    const { contents } = await client.readResource({ uri: `tdf://task/${id}` })
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ id, status: 'cancelled', attempt: 2 })
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain(`tdf://task/${id}`)
    const templates = (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)
    expect(templates).toEqual(['tdf://task/{id}', 'tdf://task/{id}/diff', 'tdf://task/{id}/log'])
    await expect(client.readResource({ uri: 'tdf://task/nonesuch/log' })).rejects.toThrow('NOT_FOUND')
    await client.close()
  })

  it('is answered in its first look where nothing ended in time, with what it waits for', async () => {
    const id = await submitted({ prompt: 'sleep 600000' })
    await until('it runs', async () => (await home.task(id)).step === 'running')
    const done = await submitted({ prompt: 'write e.txt' })
    await ended(done)
    const told = await server.tool('wait_tasks', { tasks: [done, id] })
    expect(told.json).toMatchObject({ ended: [{ id: done, verdict: 'unverified' }], waiting: [{ id }], toldBefore: [] })
    // What was told is no reason to answer at once, and is not told again.
    const { cursor } = told.json
    const next = await server.tool('wait_tasks', { tasks: [done, id], cursor, timeout_seconds: 1 })
    expect(next.json).toMatchObject({ ended: [], waiting: [{ id }], toldBefore: [done], cursor })
    const { json } = await server.tool('wait_tasks', { tasks: [id], timeout_seconds: 1 })
    expect(json).toMatchObject({
      ended: [],
      waiting: [{ id, status: 'in_progress', step: 'running', waitingFor: 'the agent to finish' }],
      allEnded: false,
      cursor: '',
    })
    expect((await server.tool('why', { task: id })).json).toMatchObject({ taskId: id, sentence: expect.any(String) })
    const waiting = server.tool('wait_tasks', { tasks: [done, id], cursor })
    await server.tool('cancel_task', { task: id })
    expect((await waiting).json).toMatchObject({ ended: [{ id, status: 'cancelled' }], toldBefore: [done] })
  })

  it('outlives a daemon that is killed while it is waited for, without an error', async () => {
    const mark = path.join(folder, 'go')
    const { out } = await tdf(
      home,
      'submit',
      '-q',
      '--repo',
      repo.dir,
      '--',
      'sh',
      '-c',
      `while ! [ -e ${mark} ]; do sleep 0.1; done`,
    )
    const id = out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running')
    const waiting = server.tool('wait_tasks', { tasks: [id] })
    // Asked after it, and answered: the wait is under way.
    await server.tool('get_task', { task: id })
    await home.kill(daemon)
    const meanwhile = server.tool('get_task', { task: id })
    daemon = await home.start()
    writeFileSync(mark, '')
    expect(await meanwhile).toMatchObject({ isError: false, json: { id } })
    expect(await waiting).toMatchObject({ isError: false })
    expect(await ended(id)).toMatchObject({ id, status: 'completed' })
  })
})

it('the page on doors has commands that do what it says; those of agents run with them in test/system/agents/doors.test.ts', async () => {
  const page = readFileSync('docs/doors.md', 'utf8')
  const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, text = '']) => text.trim().split('\n'))
  expect(commands.length).toBeGreaterThan(3)
  const bin = path.join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(path.join(root, 'bin/tdf'), path.join(bin, 'tdf'))
  const env = { ...home.env, PATH: `${bin}:${process.env.PATH}` }
  for (const command of commands) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: repo.dir, env, encoding: 'utf8' })
    expect([command, status, stderr]).toEqual([command, 0, ''])
    if (command === 'tdf doctor') expect(stdout).toMatch(/^mcp +ok +10 tools for agents, API level \d+/m)
  }
})
