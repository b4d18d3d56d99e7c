/** What the agent refuses, and the bounds it keeps. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AgentProcess, startAgentProcess } from './support/agent.ts'
import { eventually, tempFolder } from './support/temp.ts'
import {
  allEvents,
  builtWorkspace,
  freshId,
  git,
  logOf,
  readyWorkspace,
  repository,
  runScript,
  sessionBody,
  sessionEnd,
  statusOf,
  workspaceBody,
} from './support/work.ts'

let agent: AgentProcess
let url: string

beforeAll(async () => {
  agent = await startAgentProcess({ env: { TDF_LOG_MAX_BYTES: '200000' } })
  url = `file://${repository()}`
})

describe('a request', () => {
  it.each([
    ['workspaceId', { workspaceId: '../../../etc' }],
    ['workspaceId', { workspaceId: '' }],
    ['source.kind', { source: { kind: 'zip', url: 'x', ref: null } }],
    ['outputBranch', { outputBranch: '' }],
    ['attempt', { attempt: 'one' }],
    ['callback.token', { callback: {} }],
  ])('with a wrong %s names the field', async (field, change) => {
    const answer = await agent.post('/workspaces', { ...workspaceBody(url), ...change })
    expect([answer.status, answer.json.error.field]).toEqual([400, field])
  })

  it('that is no JSON, or too large, or from a browser', async () => {
    const raw = (body: string, headers: Record<string, string>) =>
      agent.call('POST', '/workspaces', { raw: body, headers })
    expect((await raw('{', { 'content-type': 'application/json' })).status).toBe(400)
    expect((await raw('{}', { 'content-type': 'text/plain' })).status).toBe(415)
    const large = JSON.stringify({ prompt: 'x'.repeat(3_000_000) })
    expect((await raw(large, { 'content-type': 'application/json' })).status).toBe(413)
    expect((await agent.call('GET', '/health', { headers: { origin: 'http://evil.example' } })).status).toBe(403)
  })

  it.each(['/workspaces/%2e%2e/x', '/workspaces/../x', '/nothing'])('to %s finds nothing', async path => {
    expect((await agent.get(path)).status).toBe(404)
  })

  it.each([
    ['ext::sh -c touch% /tmp/x', 'url'],
    ['--upload-pack=touch /tmp/x', 'url'],
    ['-oProxyCommand=x', 'url'],
  ])('for the repository %s fails without running anything', async bad => {
    const body = workspaceBody(bad)
    const created = await agent.post('/workspaces', body)
    if (created.status === 202) {
      await eventually('it failed', async () => (await statusOf(agent, body.workspaceId)) === 'failed')
    } else expect(created.status).toBe(400)
  })

  it.each(['--upload-pack=touch x', '-x', 'a..b', 'no such ref'])('for the ref %s fails and says why', async ref => {
    const body = workspaceBody(url, { source: { kind: 'git', url, ref } })
    const created = await agent.post('/workspaces', body)
    if (created.status === 400) return expect(created.json.error.field).toMatch(/ref/)
    await eventually('it failed', async () => (await statusOf(agent, body.workspaceId)) === 'failed')
    const { json } = await agent.get(`/workspaces/${body.workspaceId}`)
    expect(json.errorMessage).toMatch(/ref/i)
  })
})

describe('a bundle', () => {
  function bundle() {
    const source = repository({ 'a.txt': 'a\n' })
    const file = join(tempFolder(), 'b.bundle')
    git(source, 'bundle', 'create', '-q', file, 'refs/heads/main', 'HEAD')
    const bytes = readFileSync(file)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const body = workspaceBody('', { source: { kind: 'bundle', ref: 'refs/heads/main', sha256, bytes: bytes.length } })
    const put = (raw: Buffer) =>
      agent.call('PUT', `/workspaces/${body.workspaceId}/bundle`, {
        raw,
        headers: { 'content-type': 'application/octet-stream' },
      })
    return { body, bytes, put }
  }

  it('makes the workspace, sent once or twice', async () => {
    const { body, bytes, put } = bundle()
    expect((await agent.post('/workspaces', body)).status).toBe(202)
    expect((await put(bytes)).status).toBe(204)
    await eventually('it is ready', async () => (await statusOf(agent, body.workspaceId)) === 'ready')
    expect((await put(bytes)).status).toBe(204)
    await runScript(agent, body.workspaceId, 'cat a.txt; git log --format=%s')
  })

  it('of other bytes is refused, and the right one still taken', async () => {
    const { body, bytes, put } = bundle()
    await agent.post('/workspaces', body)
    expect((await put(Buffer.concat([bytes.subarray(0, -1), Buffer.from('x')]))).status).toBe(409)
    // How much of it has come is told until the next thing is done.
    expect((await agent.get(`/workspaces/${body.workspaceId}`)).json.doing).toMatch(
      /^receiving \d+ of \d+ B \(100 %\)$/,
    )
    expect((await put(bytes)).status).toBe(204)
    await eventually('it is ready', async () => (await statusOf(agent, body.workspaceId)) === 'ready')
  })
})

describe('a setup', () => {
  it('that fails names its exit code and keeps its output', async () => {
    const setup = { command: 'echo preparing; exit 9', timeoutMs: 10_000 }
    const body = workspaceBody(url, { setup })
    await builtWorkspace(agent, body)
    const { json } = await agent.get(`/workspaces/${body.workspaceId}`)
    expect(json).toMatchObject({ status: 'failed', errorMessage: expect.stringContaining('9') })
    expect(await logOf(agent, body.workspaceId, 'setup')).toContain('preparing')
    const [event] = (await allEvents(agent)).filter(one => one.workspaceId === body.workspaceId)
    expect(event).toMatchObject({ type: 'workspace.provisioning-failed', data: { errorMessage: json.errorMessage } })
  })

  it('that never ends is ended', async () => {
    const body = workspaceBody(url, { setup: { command: 'sleep 600', timeoutMs: 300 } })
    await builtWorkspace(agent, body)
    expect((await agent.get(`/workspaces/${body.workspaceId}`)).json.status).toBe('failed')
  })
})

describe('a session', () => {
  it('gets its prompt as a variable, its secrets, and nothing of ours', async () => {
    const id = await readyWorkspace(agent, url)
    const body = sessionBody(['sh', '-c', 'env | sort; cat'], { prompt: 'do it\n' })
    body.agent.env = { SECRET: 'value' }
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    await sessionEnd(agent, id, body.sessionId)
    const log = await logOf(agent, id, body.sessionId)
    expect(log).toContain('SECRET=value')
    expect(log).not.toContain(agent.token)
    expect(log).not.toMatch(/^TDF_TOKEN/m)
  })

  it('has a bounded log whose end is kept', async () => {
    const id = await readyWorkspace(agent, url)
    const body = sessionBody(['sh', '-c', 'yes 0123456789 | head -c 2000000; echo the end'])
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    await sessionEnd(agent, id, body.sessionId)
    let after = 0
    const parts: Buffer[] = []
    for (;;) {
      const page = await agent.get(`/workspaces/${id}/logs?session=${body.sessionId}&after=${after}`)
      if (page.bytes.length === 0) break
      parts.push(page.bytes)
      after = Number(page.headers['x-next-offset'])
    }
    const log = Buffer.concat(parts).toString()
    expect(log.length).toBeLessThan(300_000)
    expect(log.endsWith('the end\n')).toBe(true)
  })

  it('that ignores SIGTERM is killed, and so is what it started', async () => {
    const id = await readyWorkspace(agent, url)
    const pidFile = join(tempFolder(), 'pid')
    const script = `trap '' TERM; (trap '' TERM; echo $$ > ${pidFile}; sleep 600) & wait; sleep 600`
    const body = sessionBody(['sh', '-c', script], { timeoutMs: 500 })
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    await eventually('it runs', () => existsSync(pidFile))
    const end = await sessionEnd(agent, id, body.sessionId, 30_000)
    expect(end).toMatchObject({ signal: 'SIGKILL', errorMessage: 'timeout' })
    const pid = Number(readFileSync(pidFile, 'utf8'))
    await eventually(
      'it is gone',
      () => !existsSync(`/proc/${pid}`) || /\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')),
    )
  }, 60_000)

  it('is left alone by another that is asked for under a wrong id', async () => {
    const id = await readyWorkspace(agent, url)
    const answer = await agent.post(`/workspaces/${id}/agent-sessions`, { ...sessionBody(['true']), sessionId: 'a/b' })
    expect([answer.status, answer.json.error.field]).toEqual([400, 'sessionId'])
    expect((await agent.get(`/workspaces/${id}/agent-sessions/${freshId('none')}`)).status).toBe(404)
  })
})
