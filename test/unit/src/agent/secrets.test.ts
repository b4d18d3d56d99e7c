/** What an agent is given in confidence is in no log, no file and no argument of ours. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { redactor } from '../../../../src/agent/sessions/runner/redact.ts'
import { type AgentProcess, startAgentProcess } from './support/agent.ts'
import { eventually } from './support/temp.ts'
import { logOf, readyWorkspace, repository, sessionBody, sessionEnd } from './support/work.ts'

const SECRET = 'sk-very-"secret"-4711'
const TALKING = new URL('../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname

let agent: AgentProcess
beforeAll(async () => {
  agent = await startAgentProcess()
})

it('keeps secrets out of the log, of the facts and of everything on the disk', async () => {
  const id = await readyWorkspace(agent, `file://${repository()}`)
  const script =
    'printf "it is %s, and in pieces: " "$KEY"; printf %s "$KEY" | head -c 17; sleep 0.2; echo 4711; sleep 1'
  const body = sessionBody(['sh', '-c', script])
  body.agent.env = { KEY: SECRET, SHORT: 'on' }
  expect((await agent.post(`/workspaces/${id}/agent-sessions`, body)).status).toBe(201)
  await eventually('it printed', async () => (await logOf(agent, id, body.sessionId)).includes('in pieces'))
  const processes = execFileSync('ps', ['-eo', 'args']).toString()
  expect(processes).toContain('in pieces')
  expect(processes).not.toContain(SECRET)
  expect(await sessionEnd(agent, id, body.sessionId)).toMatchObject({ exitCode: 0 })
  expect(await logOf(agent, id, body.sessionId)).toBe('it is [redacted KEY], and in pieces: [redacted KEY]\n')
  expect(filesWith(agent.state, SECRET)).toEqual([])
})

it('keeps secrets out of what an agent says about its run', async () => {
  const id = await readyWorkspace(agent, `file://${repository()}`)
  const script = { ms: 50, says: { outcome: 'success', summary: `the key is ${SECRET}, all of it` } }
  const body = { ...sessionBody([]), prompt: 'do it' }
  body.agent = { type: 'claude', command: [process.execPath, TALKING, JSON.stringify(script)], env: { KEY: SECRET } }
  await agent.post(`/workspaces/${id}/agent-sessions`, body)
  const end = await sessionEnd(agent, id, body.sessionId)
  expect(end).toMatchObject({ outcome: 'success', summary: 'the key is [redacted KEY], all of it' })
  expect(await logOf(agent, id, body.sessionId)).not.toContain('very-')
})

it('finds a secret wherever the stream is cut', () => {
  const text = Buffer.from(`a ${SECRET}${SECRET} sk-very- ${SECRET.slice(0, -1)}! ${SECRET}`)
  const shown = `a [redacted KEY][redacted KEY] sk-very- ${SECRET.slice(0, -1)}! [redacted KEY]`
  for (let size = 1; size <= text.length; size++) {
    const clean = redactor({ KEY: SECRET })
    const parts: Buffer[] = []
    for (let at = 0; at < text.length; at += size) parts.push(Buffer.from(clean.push(text.subarray(at, at + size))))
    expect(Buffer.concat([...parts, clean.rest()]).toString(), `in pieces of ${size}`).toBe(shown)
  }
})

function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(entry => {
    const path = join(entry.parentPath, entry.name)
    return entry.isFile() && readFileSync(path).includes(text) ? [path] : []
  })
}
