/** A conversation travels with the work: from the machine where it began to the one where it is resumed. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { takeConversation } from '../../../../../src/agent/sessions/adapters/conversations.ts'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { eventually, tempFolder } from '../support/temp.ts'
import { readyWorkspace, repository, sessionBody, sessionEnd, statusOf, workspaceBody } from '../support/work.ts'

const TALKING = new URL('../../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname
const REF = 'refs/tdf/task-1/1'

async function runAgent(agent: AgentProcess, workspaceId: string, home: string, resumeRef: string | null) {
  const script = { ms: 20, says: { resumeRef: 'conversation-1' } }
  const command = [process.execPath, TALKING, JSON.stringify(script)]
  const body = { ...sessionBody([]), prompt: 'go on', resumeRef }
  body.agent = { type: 'claude', command, env: { CLAUDE_CONFIG_DIR: home } }
  const started = await agent.post(`/workspaces/${workspaceId}/agent-sessions`, body)
  expect(started.status, started.bytes.toString()).toBe(201)
  return sessionEnd(agent, workspaceId, body.sessionId)
}

it('is resumed on another machine, in another folder', async () => {
  const [first, second] = await Promise.all([startAgentProcess(), startAgentProcess()])
  const one = await readyWorkspace(first, `file://${repository()}`)
  expect(await runAgent(first, one, tempFolder(), null)).toMatchObject({ summary: 'done', resumeRef: 'conversation-1' })
  expect((await first.post(`/workspaces/${one}/salvage`, { ref: REF })).status).toBe(200)
  const bundle = (await first.get(`/workspaces/${one}/bundle?ref=${REF}`)).bytes

  const sha256 = createHash('sha256').update(bundle).digest('hex')
  const source = { kind: 'bundle', ref: REF, sha256, bytes: bundle.length }
  const body = workspaceBody('', { source })
  expect((await second.post('/workspaces', body)).status).toBe(202)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bundle.length) }
  await second.call('PUT', `/workspaces/${body.workspaceId}/bundle`, { raw: bundle, headers })
  await eventually('it is built', async () => (await statusOf(second, body.workspaceId)) !== 'creating')
  expect(await statusOf(second, body.workspaceId)).toBe('ready')
  const end = await runAgent(second, body.workspaceId, tempFolder(), 'conversation-1')
  expect(end).toMatchObject({ outcome: 'success', summary: 'I remember' })
  // Another conversation is not the one that came along.
  expect(await runAgent(second, body.workspaceId, tempFolder(), 'conversation-2')).toMatchObject({ summary: 'done' })
})

it('is not taken through a link out of the folder of conversations', () => {
  const [home, session, workTree] = [tempFolder(), tempFolder(), tempFolder()]
  const folder = join(home, 'projects', workTree.replace(/[^A-Za-z0-9]/g, '-'))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(home, 'secret'), 'of somebody else')
  symlinkSync(join(home, 'secret'), join(folder, 'c1.jsonl'))
  const ended = { type: 'claude', env: { CLAUDE_CONFIG_DIR: home }, workTree }
  takeConversation(session, { ...ended, resumeRef: 'c1' })
  takeConversation(session, { ...ended, resumeRef: '../../../secret' })
  expect(readdirSync(session)).toEqual([])
  writeFileSync(join(folder, 'c2.jsonl'), '{}\n')
  takeConversation(session, { ...ended, resumeRef: 'c2' })
  expect(readdirSync(join(session, 'conversation')).sort()).toEqual(['about.json', 'conversation.jsonl'])
})
