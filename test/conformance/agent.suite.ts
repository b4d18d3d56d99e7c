/** What the daemon relies on in a VM agent. The real one and the model of it in test/fakes both pass this. */
import { beforeAll, describe, expect, it } from 'vitest'
import { STATE_HEADER } from '../../src/protocol/agent-api.ts'
import type { Script } from '../fakes/agent.ts'
import type { Client } from '../unit/src/agent/support/client.ts'
import { eventually } from '../unit/src/agent/support/temp.ts'
import { allEvents, freshId, sessionBody, sessionEnd, statusOf, workspaceBody } from '../unit/src/agent/support/work.ts'

export interface AgentRig extends Client {
  name: string
  /** A repository that a workspace can be made of. */
  repositoryUrl: string
  /** The command of a session that does this. */
  command(script: Script): string[]
}

export function agentConformance(kind: string, start: () => Promise<AgentRig>): void {
  describe(`${kind}: what the daemon relies on`, () => {
    let rig: AgentRig
    beforeAll(async () => {
      rig = await start()
    })

    const at = (id: string) => `/workspaces/${id}`
    const create = () => workspaceBody(rig.repositoryUrl)

    async function ready(): Promise<string> {
      const body = create()
      expect((await rig.post('/workspaces', body)).status).toBe(202)
      await eventually('it is ready', async () => (await statusOf(rig, body.workspaceId)) === 'ready')
      return body.workspaceId
    }

    async function started(id: string, script: Script) {
      const body = sessionBody(rig.command(script))
      const answer = await rig.post(`${at(id)}/agent-sessions`, body)
      return { body, answer, path: `${at(id)}/agent-sessions/${body.sessionId}` }
    }

    it('says who it is to whoever has the token, and next to nothing to others', async () => {
      const open = await rig.call('GET', '/health', { token: null })
      expect([open.status, open.json]).toEqual([200, { status: 'healthy' }])
      const known = await rig.get('/health')
      expect(known.json).toMatchObject({ status: 'healthy', nodeName: rig.name, workspaces: expect.any(Number) })
      expect(known.json.stateId).toMatch(/^\S+$/)
    })

    it.each(['/workspaces', '/events'])('refuses %s without its token', async path => {
      expect((await rig.call('GET', path, { token: null })).status).toBe(401)
      expect((await rig.call('GET', path, { token: 'another' })).status).toBe(401)
    })

    it('refuses to be another node', async () => {
      const callback = { url: 'http://127.0.0.1:9', token: 'node-token' }
      const body = { nodeName: 'somebody-else', installId: 'install', heartbeatMs: 60_000, callback }
      const answer = await rig.put('/registration', body)
      expect([answer.status, answer.json.error.code]).toEqual([409, 'wrong_node'])
      expect((await rig.put('/registration', { ...body, nodeName: rig.name })).status).toBe(204)
    })

    it('refuses what was meant for another state of it, and makes nothing of that', async () => {
      const { json } = await rig.get('/health')
      const body = create()
      const to = (stateId: string) => ({ body, headers: { [STATE_HEADER]: stateId } })
      const late = await rig.call('POST', '/workspaces', to('state-of-before'))
      expect([late.status, late.json.error.code]).toEqual([409, 'wrong_state'])
      expect((await rig.get(at(body.workspaceId))).status).toBe(404)
      expect((await rig.call('POST', '/workspaces', to(json.stateId))).status).toBe(202)
      const session = { body: {}, headers: { [STATE_HEADER]: 'state-of-before' } }
      const start = await rig.call('POST', `${at(body.workspaceId)}/agent-sessions`, session)
      expect(start.json.error.code).toBe('wrong_state')
    })

    it('makes a workspace once, however often it is asked', async () => {
      const body = create()
      const first = await rig.post('/workspaces', body)
      expect([first.status, first.json]).toEqual([202, { workspaceId: body.workspaceId, status: 'creating' }])
      await eventually('it is ready', async () => (await statusOf(rig, body.workspaceId)) === 'ready')
      const again = await rig.post('/workspaces', { ...body, callback: { token: 'newer' } })
      expect([again.status, again.json.status]).toEqual([200, 'ready'])
      const events = (await allEvents(rig)).filter(event => event.workspaceId === body.workspaceId)
      expect(events.map(({ type }) => type)).toEqual(['workspace.ready'])
    })

    it('refuses other content under the same id', async () => {
      const body = create()
      await rig.post('/workspaces', body)
      const other = await rig.post('/workspaces', { ...body, outputBranch: 'tdf/another' })
      expect([other.status, other.json.error.code]).toEqual([409, 'conflict'])
    })

    it('never makes what was deleted again', async () => {
      const body = create()
      await rig.post('/workspaces', body)
      expect((await rig.delete(at(body.workspaceId))).status).toBe(200)
      expect((await rig.delete(at(body.workspaceId))).status).toBe(200)
      expect((await rig.post('/workspaces', body)).status).toBe(410)
      expect((await rig.get(at(body.workspaceId))).status).toBe(404)
      expect((await allEvents(rig)).some(event => event.workspaceId === body.workspaceId)).toBe(false)
    })

    it('lists its workspaces', async () => {
      const id = await ready()
      const { json } = await rig.get('/workspaces')
      expect(json.workspaces).toContainEqual(
        expect.objectContaining({ workspaceId: id, taskId: 'task-1', attempt: 1, status: 'ready', errorMessage: null }),
      )
    })

    it('starts a session once and tells of its end', async () => {
      const id = await ready()
      const { body, answer, path } = await started(id, { ms: 200, exitCode: 3 })
      expect([answer.status, answer.json]).toEqual([201, { sessionId: body.sessionId, status: 'running' }])
      expect((await rig.post(`${at(id)}/agent-sessions`, body)).status).toBe(200)
      const end = await sessionEnd(rig, id, body.sessionId)
      expect(end).toMatchObject({ status: 'exited', exitCode: 3, signal: null, outcome: 'none' })
      const again = await rig.post(`${at(id)}/agent-sessions`, body)
      expect([again.status, again.json.status]).toEqual([200, 'exited'])
      const told = (await allEvents(rig)).filter(event => event.sessionId === body.sessionId)
      expect(told.map(({ type }) => type)).toEqual(['session.started', 'session.exited'])
      expect(told[1].data).toMatchObject({ attempt: 1, sessionId: body.sessionId, status: 'failed', exitCode: 3 })
      expect((await rig.post(`${path}/cancel`, {})).status).toBe(202)
    })

    it('refuses other content of a session, a second one beside it, and one before the workspace is ready', async () => {
      const id = await ready()
      const { body, path } = await started(id, { hangs: true })
      const other = await rig.post(`${at(id)}/agent-sessions`, { ...body, prompt: 'another' })
      expect([other.status, other.json.error.code]).toEqual([409, 'conflict'])
      const second = await started(id, { ms: 1 })
      expect([second.answer.status, second.answer.json.error.code]).toEqual([409, 'session_running'])
      expect((await rig.post(`${at(id)}/salvage`, { ref: 'refs/tdf/t/1' })).json.error.code).toBe('session_running')
      expect((await rig.post(`${path}/cancel`, {})).status).toBe(202)
      expect(await sessionEnd(rig, id, body.sessionId)).toMatchObject({ signal: 'SIGTERM' })
      const unbuilt = { ...create(), source: bundleSource() }
      await rig.post('/workspaces', unbuilt)
      const early = await started(unbuilt.workspaceId, { ms: 1 })
      expect([early.answer.status, early.answer.json.error.code]).toEqual([409, 'workspace_not_ready'])
    })

    it('says what cannot be started', async () => {
      const id = await ready()
      const { answer } = await started(id, { cannotStart: 'ENOENT: no such program' })
      expect([answer.status, answer.json.error.code]).toEqual([422, 'cannot_start'])
    })

    it('ends a session at its time limit', async () => {
      const id = await ready()
      const body = sessionBody(rig.command({ hangs: true }), { timeoutMs: 300 })
      expect((await rig.post(`${at(id)}/agent-sessions`, body)).status).toBe(201)
      expect(await sessionEnd(rig, id, body.sessionId)).toMatchObject({ status: 'exited', errorMessage: 'timeout' })
      const exited = (await allEvents(rig)).find(e => e.sessionId === body.sessionId && e.type === 'session.exited')
      expect(exited.data).toMatchObject({ status: 'failed', errorMessage: 'timeout' })
    })

    it('ends a session that does nothing for too long', async () => {
      const id = await ready()
      const body = sessionBody(rig.command({ hangs: true }), { idleMs: 300 })
      expect((await rig.post(`${at(id)}/agent-sessions`, body)).status).toBe(201)
      // How long that is may have been set anew since.
      expect((await rig.post(`${at(id)}/agent-sessions`, { ...body, idleMs: 301 })).status).toBe(200)
      expect(await sessionEnd(rig, id, body.sessionId)).toMatchObject({ status: 'exited', errorMessage: 'idle' })
    })

    it('salvages commits and what was left uncommitted, with the same answer again', async () => {
      const id = await ready()
      const { body } = await started(id, { ms: 50, commits: 2, dirty: true })
      await sessionEnd(rig, id, body.sessionId)
      const ref = 'refs/tdf/task-1/1'
      const first = await rig.post(`${at(id)}/salvage`, { ref })
      expect(first.status).toBe(200)
      expect(first.json).toMatchObject({ ahead: 3, salvaged: true, leftOut: [] })
      expect(first.json.commit).not.toBe(first.json.baseCommit)
      expect((await rig.post(`${at(id)}/salvage`, { ref })).json).toEqual(first.json)
      const bundle = await rig.get(`${at(id)}/bundle?ref=${ref}`)
      expect([bundle.status, bundle.bytes.length > 0]).toEqual([200, true])
    })

    it('saves what a session has done so far only when it is asked for just that', async () => {
      const id = await ready()
      await started(id, { hangs: true })
      const early = await rig.post(`${at(id)}/salvage`, { ref: 'refs/tdf/task-1/1' })
      expect([early.status, early.json.error.code]).toEqual([409, 'session_running'])
      const { status, json } = await rig.post(`${at(id)}/salvage`, { ref: 'refs/tdf-checkpoint/task-1/1', live: true })
      expect([status, json.ahead]).toEqual([200, 0])
    })

    it('salvages nothing where nothing was done', async () => {
      const id = await ready()
      const { body } = await started(id, { ms: 50 })
      await sessionEnd(rig, id, body.sessionId)
      const { json } = await rig.post(`${at(id)}/salvage`, { ref: 'refs/tdf/task-1/1' })
      expect(json).toMatchObject({ ahead: 0, salvaged: false, commit: json.baseCommit })
    })

    it('ends its sessions when a workspace is stopped, and says so', async () => {
      const id = await ready()
      const { body } = await started(id, { hangs: true })
      expect((await rig.post(`${at(id)}/stop`, {})).status).toBe(200)
      expect((await rig.post(`${at(id)}/stop`, {})).status).toBe(200)
      await sessionEnd(rig, id, body.sessionId)
      expect(await statusOf(rig, id)).toBe('stopped')
      const ended = (await allEvents(rig)).filter(e => e.sessionId === body.sessionId && e.type === 'session.exited')
      expect(ended).toHaveLength(1)
    })

    it('counts its events up and hands out those behind a number', async () => {
      await ready()
      const { json } = await rig.get('/events')
      const numbers: number[] = json.events.map(({ seq }: { seq: number }) => seq)
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
      const last = numbers.at(-1) ?? 0
      const before = numbers.at(-2) ?? 0
      expect((await rig.get(`/events?after=${before}`)).json.events.map((e: { seq: number }) => e.seq)).toEqual([last])
      expect((await rig.get(`/events?after=${last}`)).json.events).toEqual([])
    })

    it('knows nothing of what does not exist', async () => {
      const none = freshId('none')
      for (const path of [at(none), `${at(none)}/agent-sessions/s1`, `${at(none)}/bundle?ref=refs/tdf/t/1`]) {
        expect((await rig.get(path)).status, path).toBe(404)
      }
      expect((await rig.post(`${at(none)}/stop`, {})).status).toBe(200)
      expect((await rig.post(`${at(none)}/salvage`, { ref: 'refs/tdf/t/1' })).status).toBe(404)
    })
  })
}

function bundleSource() {
  return { kind: 'bundle', ref: 'refs/heads/main', sha256: 'a'.repeat(64), bytes: 10 } as never
}
