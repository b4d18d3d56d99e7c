/** What the daemon relies on in sessions of agents that talk: further prompts, permissions, what they report. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { Script } from '../fakes/agent.ts'
import { eventually } from '../unit/src/agent/support/temp.ts'
import { freshId, readyWorkspace, sessionBody, sessionEnd } from '../unit/src/agent/support/work.ts'
import type { AgentRig } from './agent.suite.ts'

export interface SessionRig extends AgentRig {
  /** The type and command of a talking agent that does this. */
  talking(script: Script): { type: string; command: string[] }
}

export function sessionConformance(kind: string, start: () => Promise<SessionRig>): void {
  describe(`${kind}: what the daemon relies on in sessions`, () => {
    let rig: SessionRig
    beforeAll(async () => {
      rig = await start()
    })

    const at = (id: string) => `/workspaces/${id}`
    const ready = () => readyWorkspace(rig, rig.repositoryUrl)

    async function started(id: string, script: Script, more: Record<string, unknown> = {}) {
      const agent = { ...rig.talking(script), env: {} }
      const body = { ...sessionBody([]), sessionId: freshId('s'), prompt: 'do it', agent, ...more }
      const answer = await rig.post(`${at(id)}/agent-sessions`, body)
      expect(answer.status, answer.bytes.toString()).toBe(201)
      return { body, path: `${at(id)}/agent-sessions/${body.sessionId}` }
    }

    it('gives a running session further prompts, each once, and says which ones came too late', async () => {
      const id = await ready()
      const { body, path } = await started(id, { ms: 400, steerable: true })
      const prompt = { deliveryId: 'd1', text: 'and another thing' }
      expect((await rig.get(path)).json.steerable).toBe(true)
      expect((await rig.post(`${path}/prompt`, prompt)).status).toBe(202)
      expect((await rig.post(`${path}/prompt`, prompt)).status).toBe(200)
      expect(await sessionEnd(rig, id, body.sessionId)).toMatchObject({ undelivered: [] })
      expect((await rig.post(`${path}/prompt`, prompt)).status).toBe(200)
      const late = await rig.post(`${path}/prompt`, { ...prompt, deliveryId: 'd2' })
      expect([late.status, late.json.error.code]).toEqual([409, 'session_exited'])
      const deaf = await started(id, { ms: 400, steerable: true, ignoresPrompts: true })
      expect((await rig.post(`${deaf.path}/prompt`, prompt)).status).toBe(202)
      expect(await sessionEnd(rig, id, deaf.body.sessionId)).toMatchObject({ undelivered: ['d1'] })
    })

    it('takes no further prompt where the agent cannot', async () => {
      const id = await ready()
      const { path } = await started(id, { hangs: true })
      const answer = await rig.post(`${path}/prompt`, { deliveryId: 'd1', text: 'listen' })
      expect([answer.status, answer.json.error.code]).toEqual([409, 'not_steerable'])
      expect((await rig.get(path)).json).toMatchObject({ steerable: false, undelivered: [] })
    })

    const asks = { requestId: 'r1', tool: 'Bash', detail: 'make install' }

    it('answers for a permission by policy', async () => {
      const id = await ready()
      const allowed = await started(id, { ms: 50, asks })
      expect(await sessionEnd(rig, id, allowed.body.sessionId)).toMatchObject({ exitCode: 0, pendingPermission: null })
      const denied = await started(id, { ms: 50, asks }, { permissions: 'deny' })
      const end = await sessionEnd(rig, id, denied.body.sessionId)
      expect(end).toMatchObject({ outcome: 'permission_denied', failure: 'denied' })
    })

    it('asks for a permission and goes on with the answer', async () => {
      const id = await ready()
      const { body, path } = await started(id, { ms: 50, asks, says: { outcome: 'success' } }, { permissions: 'ask' })
      const pending = await eventually('it asks', async () => (await rig.get(path)).json.pendingPermission)
      expect(pending).toEqual({ ...asks, at: expect.any(String) })
      const answer = { requestId: 'r1', decision: 'allow' }
      expect((await rig.post(`${path}/permission`, { ...answer, requestId: 'r2' })).status).toBe(404)
      expect((await rig.post(`${path}/permission`, answer)).status).toBe(202)
      expect((await rig.post(`${path}/permission`, answer)).status).toBe(200)
      const end = await sessionEnd(rig, id, body.sessionId)
      expect(end).toMatchObject({ exitCode: 0, pendingPermission: null, outcome: 'success' })
    })

    it('says what the agent said about its run', async () => {
      const id = await ready()
      const says = {
        outcome: 'usage_limit',
        failure: 'usage_limit',
        summary: 'the weekly limit is reached',
        resetAt: '2030-01-01T00:00:00.000Z',
        usage: { inputTokens: 300, outputTokens: 32, costUsd: 0.00185 },
        ...{ resumeRef: 'conversation-1', agentVersion: '2.1.0', model: 'a-model' },
      } as const
      const { body } = await started(id, { ms: 50, exitCode: 1, says })
      expect(await sessionEnd(rig, id, body.sessionId)).toMatchObject({ ...says, exitCode: 1 })
    })
  })
}
