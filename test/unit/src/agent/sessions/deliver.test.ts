/** What a person says to a session that runs: stored once, and refused where it can reach nobody. */
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { answerPermission, deliverPrompt } from '../../../../../src/agent/sessions/deliver.ts'
import { listDeliveries } from '../../../../../src/agent/sessions/facts.ts'
import type { SessionState } from '../../../../../src/agent/sessions/folder.ts'
import { openPermissions } from '../../../../../src/agent/sessions/runner/permissions.ts'
import { tempFolder } from '../support/temp.ts'

let folder: string
beforeEach(() => {
  folder = tempFolder()
})

const EXIT = { exitCode: 0, signal: null, errorMessage: null, startedAt: null, endedAt: 'now', cannotStart: null }
const session = (type = 'claude', hasEnded = false): SessionState => ({
  ...{ folder, claim: null, started: null, exit: hasEnded ? EXIT : null },
  // What of a request matters here.
  request: { sessionId: 's1', type } as SessionState['request'],
})
const prompt = (deliveryId: string) => ({ deliveryId, text: `text of ${deliveryId}` })

it('a prompt is stored once, and those of a session keep their order', () => {
  expect(['b', 'a', 'b'].map(id => deliverPrompt(session(), prompt(id)))).toEqual([true, true, false])
  expect(listDeliveries(folder).map(({ deliveryId, number }) => [deliveryId, number])).toEqual([
    ['b', 1],
    ['a', 2],
  ])
  expect(deliverPrompt(session('claude', true), prompt('a'))).toBe(false)
})

it.each([
  ['session_exited', session.bind(null, 'claude', true)],
  ['not_steerable', session.bind(null, 'command', false)],
  ['not_steerable', session.bind(null, 'unknown', false)],
])('a prompt that nobody would take is refused: %s', (code, of) => {
  expect(() => deliverPrompt(of(), prompt('a'))).toThrow(expect.objectContaining({ code }))
  expect(readdirSync(folder)).toEqual([])
})

it('a question is known by the name that its agent gave it, where that can be the name of a file', () => {
  const known = (request: string) => {
    const permissions = openPermissions(folder, 'ask', () => 'now')
    expect(permissions.ask({ kind: 'permission', request, tool: 'Bash', detail: 'ls' })).toBeNull()
    return permissions.pending()?.requestId
  }
  expect(['r1', '"r1"', '7', '"a"b', 'b"a"', 'a/b', ''].map(known)).toEqual([
    ...['r1', 'r1', '7', 'ask-1', 'ask-1', 'ask-1', 'ask-1'],
  ])
})

it('an answer is stored once, for the question that waits, and never changed', () => {
  const pendingPermission = { requestId: 'r1', tool: 'Bash', detail: 'ls', at: '2026-01-01T00:00:00.000Z' }
  const facts = {
    ...{ resumeRef: null, agentVersion: null, model: null, usage: null, resetAt: null, retrying: null },
    ...{ pendingPermission, accepted: [], verdict: null },
  }
  const allow = { requestId: 'r1', decision: 'allow' as const }
  const refused = (code: string) => expect.objectContaining({ code })
  expect(() => answerPermission(session(), allow)).toThrow(refused('not_found'))
  writeFileSync(path.join(folder, 'facts.json'), JSON.stringify(facts))
  expect(() => answerPermission(session(), { ...allow, requestId: 'r2' })).toThrow(refused('not_found'))
  expect(() => answerPermission(session('claude', true), allow)).toThrow(refused('session_exited'))
  expect([answerPermission(session(), allow), answerPermission(session(), allow)]).toEqual([true, false])
  expect(() => answerPermission(session(), { ...allow, decision: 'deny' })).toThrow(refused('conflict'))
})
