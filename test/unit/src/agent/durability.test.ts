/** SIGKILL of the agent: what runs goes on, what was said stays said, what was asked for is done. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startAgentProcess } from './support/agent.ts'
import { eventually, tempFolder } from './support/temp.ts'
import {
  allEvents,
  builtWorkspace,
  logOf,
  readyWorkspace,
  repository,
  sessionBody,
  sessionEnd,
  statusOf,
  workspaceBody,
} from './support/work.ts'

const url = () => `file://${repository()}`

describe('an agent that is killed', () => {
  it('keeps the run, its output and its exit code', async () => {
    const agent = await startAgentProcess({ name: 'n1' })
    const id = await readyWorkspace(agent, url())
    const body = sessionBody(['sh', '-c', 'echo begun; sleep 1; echo done; exit 7'])
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    await eventually('it has begun', async () => (await logOf(agent, id, body.sessionId)).includes('begun'))
    await agent.kill('SIGKILL')
    const again = await startAgentProcess({ state: agent.state, name: 'n1' })
    expect(await sessionEnd(again, id, body.sessionId)).toMatchObject({ exitCode: 7, signal: null })
    expect(await logOf(again, id, body.sessionId)).toBe('begun\ndone\n')
    const told = (await allEvents(again)).filter(event => event.sessionId === body.sessionId)
    expect(told.map(({ type }) => type)).toEqual(['session.started', 'session.exited'])
  })

  it('learns of an end that happened while it was away', async () => {
    const agent = await startAgentProcess()
    const id = await readyWorkspace(agent, url())
    const ended = join(tempFolder(), 'ended')
    const body = sessionBody(['sh', '-c', `sleep 0.3; touch ${ended}; exit 4`])
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    await agent.kill('SIGKILL')
    await eventually('the command is over', () => existsSync(ended))
    const again = await startAgentProcess({ state: agent.state })
    expect(await sessionEnd(again, id, body.sessionId)).toMatchObject({ exitCode: 4 })
  })

  it('starts a session once, though the start is asked for again after the kill', async () => {
    const agent = await startAgentProcess()
    const id = await readyWorkspace(agent, url())
    const marks = join(tempFolder(), 'marks')
    const body = sessionBody(['sh', '-c', `echo x >> ${marks}; sleep 0.5`])
    const path = `/workspaces/${id}/agent-sessions`
    const asked = agent.post(path, body).catch(() => null)
    await eventually('it runs', () => existsSync(marks))
    await agent.kill('SIGKILL')
    await asked
    const again = await startAgentProcess({ state: agent.state })
    expect((await again.post(path, body)).status).toBe(200)
    await sessionEnd(again, id, body.sessionId)
    expect(readFileSync(marks, 'utf8')).toBe('x\n')
  })

  it('builds a workspace anew that was half built', async () => {
    const agent = await startAgentProcess()
    const marks = join(tempFolder(), 'marks')
    const setup = { command: `echo x >> ${marks}; sleep 1`, timeoutMs: 60_000 }
    const body = workspaceBody(url(), { setup })
    await agent.post('/workspaces', body)
    await eventually('the setup runs', () => existsSync(marks))
    await agent.kill('SIGKILL')
    const again = await startAgentProcess({ state: agent.state })
    await eventually('it is ready', async () => (await statusOf(again, body.workspaceId)) === 'ready')
    const ready = (await allEvents(again)).filter(event => event.type === 'workspace.ready')
    expect(ready).toHaveLength(1)
  })

  it('keeps who it is, and goes on counting', async () => {
    const agent = await startAgentProcess({ name: 'n1' })
    await readyWorkspace(agent, url())
    const before = { health: (await agent.get('/health')).json, events: await allEvents(agent) }
    await agent.kill('SIGKILL')
    const again = await startAgentProcess({ state: agent.state, name: 'n1' })
    expect((await again.get('/health')).json.stateId).toBe(before.health.stateId)
    await readyWorkspace(again, url())
    const numbers = (await allEvents(again)).map(({ seq }) => seq)
    expect(numbers.slice(0, before.events.length)).toEqual(before.events.map(({ seq }) => seq))
    expect(new Set(numbers).size).toBe(numbers.length)
  })

  it('does not forget what was deleted', async () => {
    const agent = await startAgentProcess()
    const body = workspaceBody(url())
    await builtWorkspace(agent, body)
    await agent.delete(`/workspaces/${body.workspaceId}`)
    await agent.kill('SIGKILL')
    const again = await startAgentProcess({ state: agent.state })
    expect((await again.post('/workspaces', body)).status).toBe(410)
  })
})

describe('an orderly end', () => {
  it('leaves the run going and takes it up again', async () => {
    const agent = await startAgentProcess()
    const id = await readyWorkspace(agent, url())
    const body = sessionBody(['sh', '-c', 'sleep 1; exit 5'])
    await agent.post(`/workspaces/${id}/agent-sessions`, body)
    expect(await agent.kill('SIGTERM')).toMatchObject({ code: 0 })
    const again = await startAgentProcess({ state: agent.state })
    expect(await sessionEnd(again, id, body.sessionId)).toMatchObject({ exitCode: 5 })
  })

  it('two agents never share a state folder', async () => {
    const agent = await startAgentProcess()
    await expect(startAgentProcess({ state: agent.state })).rejects.toThrow()
    expect((await agent.get('/health')).status).toBe(200)
  })
})
