/**
 * Codex by its app server, JSON-RPC over stdio: unlike `codex exec` it takes prompts during a turn, asks for
 * permission, and gives its errors a kind. Checked against 0.169.
 */
import { codex as reader } from '../../../transcript/codex.ts'
import type { Json } from '../../../transcript/event.ts'
import { textAt } from '../../../transcript/fields.ts'
import type { Adapter, Opening, Prompt, Protocol } from './adapter.ts'

export const codex: Adapter = {
  reader,
  confirmsPrompts: true,
  openProtocol,
  prepare: ({ agent }) => ({
    command: [...agent.command, 'app-server', ...(agent.args ?? [])],
    stdin: 'dialogue',
    env: agent.env,
  }),
}

const POLICIES = {
  allow: { approvalPolicy: 'never', sandbox: 'danger-full-access' },
  deny: { approvalPolicy: 'untrusted', sandbox: 'workspace-write' },
  ask: { approvalPolicy: 'untrusted', sandbox: 'workspace-write' },
}

function openProtocol({ workTree, prompt, resumeRef, model, permissions }: Opening): Protocol {
  let thread: string | null = null
  let turn: string | null = null
  const input = (text: string) => [{ type: 'text', text }]
  const startTurn = ({ id, text }: Prompt): Json => ({
    id: `turn:${id}`,
    method: 'turn/start',
    params: { threadId: thread, input: input(text) },
  })
  const open: Json = {
    id: 'open',
    method: resumeRef === null ? 'thread/start' : 'thread/resume',
    params: {
      ...(resumeRef === null ? {} : { threadId: resumeRef }),
      ...(model === null ? {} : { model }),
      ...{ cwd: workTree, ...POLICIES[permissions] },
    },
  }
  return {
    begin: () => [
      { id: 'hello', method: 'initialize', params: { clientInfo: { name: 'tdf', title: 'tdf', version: '0' } } },
    ],
    receive: message => {
      if (message.id === 'hello' && 'result' in message) return [{ method: 'initialized' }, open]
      if (message.id === 'open' && 'result' in message) {
        thread = textAt(message, 'result', 'thread', 'id')
        return [startTurn(prompt)]
      }
      const method = textAt(message, 'method')
      if (method === 'turn/started') turn = textAt(message, 'params', 'turn', 'id')
      if (method === 'turn/completed') turn = null
      if (method === null || message.id === undefined || method in ASKS) return []
      return [{ id: message.id, error: { code: -32601, message: 'not supported' } }]
    },
    prompt: (given, isIdle) => {
      if (thread === null) return null
      if (turn === null) return isIdle ? [startTurn(given)] : null
      const params = { threadId: thread, expectedTurnId: turn, input: input(given.text) }
      return [{ id: `steer:${given.id}`, method: 'turn/steer', params }]
    },
    answer: (request, decision) => ({
      messages: [{ id: JSON.parse(request), result: { decision: decision === 'allow' ? 'accept' : 'decline' } }],
      isAllowed: decision === 'allow',
    }),
    interrupt: () =>
      turn === null ? [] : [{ id: 'stop', method: 'turn/interrupt', params: { threadId: thread, turnId: turn } }],
  }
}

/** Requests that are questions for permission; the reader makes events of them. */
const ASKS = { 'item/commandExecution/requestApproval': true, 'item/fileChange/requestApproval': true }
