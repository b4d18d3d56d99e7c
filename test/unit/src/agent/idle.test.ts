/** An agent that was started with a limit for idling ends by itself when nothing needs it, and loses nothing by that. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startAgentProcess } from './support/agent.ts'
import { readyWorkspace, repository, sessionBody } from './support/work.ts'

const IDLE = { TDF_AGENT_IDLE_MS: '5000' }

it.concurrent('ends after its run, not during it, and the next one finds the end of the run', async () => {
  const agent = await startAgentProcess({ env: IDLE })
  const id = await readyWorkspace(agent, `file://${repository()}`)
  // More than twice as long as the limit, in which nobody calls.
  const body = sessionBody(['sh', '-c', 'sleep 12; echo made > made.txt; exit 3'])
  expect((await agent.post(`/workspaces/${id}/agent-sessions`, body)).status).toBe(201)
  expect(await agent.ended).toEqual({ code: 0, signal: null })
  expect(existsSync(join(agent.state, 'workspaces', id, 'work', 'made.txt'))).toBe(true)

  const next = await startAgentProcess({ state: agent.state })
  const { json } = await next.get(`/workspaces/${id}/agent-sessions/${body.sessionId}`)
  expect(json).toMatchObject({ status: 'exited', exitCode: 3 })
  const { events } = (await next.get('/events?after=0&wait=0')).json
  expect(events.map(({ type }: { type: string }) => type)).toContain('session.exited')
  expect((await next.get(`/workspaces/${id}`)).json.status).toBe('ready')
})

it.concurrent('stays as long as it is called', async () => {
  const agent = await startAgentProcess({ env: IDLE })
  // Each poll of the outbox is answered after four seconds: together more than twice the limit.
  for (let polls = 0; polls < 3; polls++) expect((await agent.get('/events?after=0&wait=4')).status).toBe(200)
  expect(await agent.ended).toEqual({ code: 0, signal: null })
})
