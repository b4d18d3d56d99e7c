/**
 * A session's conversation with its agent: every line of the agent's is read, answered and added up; prompts and
 * permissions that come meanwhile are passed on. When a turn has ended and nothing more is to be said, its stdin ends.
 */

import type { Writable } from 'node:stream'
import type { CommandEnd } from '../../../platform/process.ts'
import type { Cancel, World } from '../../../platform/world.ts'
import { type Account, NOTHING_SAID, take, verdictOf } from '../../../transcript/account.ts'
import type { AgentEvent, Json } from '../../../transcript/event.ts'
import { parseLine, readJsonLine } from '../../../transcript/read.ts'
import type { Adapter, Prompt, Protocol } from '../adapters/adapter.ts'
import { listDeliveries, type SessionFacts, storeFacts, uuidOf } from '../facts.ts'
import type { SessionRequest } from '../folder.ts'
import { openPermissions, type Permissions } from './permissions.ts'
import { redactor } from './redact.ts'

const LOOK_MS = 200
const STORE_MS = 500
/** How long the end of stdin waits for a prompt to be confirmed that was written after the turn's end. */
const CONFIRM_MS = 10_000
/** An agent that has said its end and got no more stdin has this long to go. */
const LINGER_MS = 60_000

export interface Conversation {
  /** One line of the agent's stdout. */
  receive(text: string): void
  /** Whether a question of its waits for a person. */
  isAsking(): boolean
  /** Asks it to stop its turn; false when it cannot be asked. */
  interrupt(): boolean
  /** The process has ended: what the run was worth is written down firmly. Gives the conversation's name. */
  finish(end: CommandEnd): string | null
  /** It had said its end, and was ended by us because it stayed. */
  hasLingered(): boolean
}

export interface TalkOptions {
  world: World
  folder: string
  request: SessionRequest
  adapter: Adapter
  firstPrompt: string
  input: Writable | null
  /** Name → value of what is in no fact. */
  secrets: Record<string, string>
  /** Ends the command. */
  terminate(): void
}

export function startConversation(options: TalkOptions): Conversation {
  const { world, folder, request, adapter, input } = options
  const isoNow = () => new Date(world.clock.now()).toISOString()
  const first: Prompt = { id: uuidOf(request, ''), text: options.firstPrompt }
  const protocol = adapter.openProtocol?.({ ...request, prompt: first }) ?? null
  const permissions: Permissions = openPermissions(folder, request.permissions, isoNow)
  /** Prompt id → delivery id, of what was written and not yet confirmed. */
  const underWay = new Map<string, string>()
  const accepted: string[] = []
  let account: Account = { ...NOTHING_SAID, resumeRef: request.resumeRef }
  let isOverBudget = false
  let isClosed = input === null
  let endedAt: number | null = null
  let lingered = false
  let storeAgain: Cancel | null = null
  let cancelLook: Cancel = () => {}

  const clean = withoutSecrets(options.secrets)
  const facts = (verdict: SessionFacts['verdict']): SessionFacts => {
    const { resumeRef, agentVersion, model, usage, resetAt, retrying } = account
    const pendingPermission = permissions.pending()
    return clean({ resumeRef, agentVersion, model, usage, resetAt, retrying, pendingPermission, accepted, verdict })
  }
  const store = (isFirm: boolean) => {
    if (isFirm) return storeFacts(folder, facts(null), true)
    storeAgain ??= world.clock.timer(STORE_MS, () => {
      storeAgain = null
      storeFacts(folder, facts(null), false)
    })
  }
  const write = (messages: readonly Json[]) => {
    if (isClosed || input === null) return
    for (const message of messages) input.write(`${JSON.stringify(message)}\n`)
  }

  const observe = (event: AgentEvent) => {
    if (event.kind === 'denied' && request.permissions === 'ask') return
    const before = account
    account = take(account, event, isoNow())
    if (event.kind === 'accepted') confirm(event.prompt)
    else if (event.kind === 'rejected') underWay.delete(event.prompt)
    else if (event.kind === 'permission' && protocol) settle(protocol, event)
    if (before.resumeRef !== account.resumeRef) store(true)
    const spent = account.usage?.costUsd ?? 0
    if (request.maxCostUsd !== null && spent > request.maxCostUsd && !isOverBudget) {
      isOverBudget = true
      options.terminate()
    }
  }
  const confirm = (prompt: string) => {
    const deliveryId = underWay.get(prompt)
    if (deliveryId === undefined) return
    underWay.delete(prompt)
    accepted.push(deliveryId)
    store(true)
  }
  const settle = (to: Protocol, event: Extract<AgentEvent, { kind: 'permission' }>) => {
    const decision = permissions.ask(event)
    if (decision === null) return store(true)
    write(to.answer(event.request, decision, ''))
    if (decision === 'deny') account = take(account, { kind: 'denied', tool: event.tool }, isoNow())
  }

  const isIdle = () => account.terminal !== null && underWay.size === 0
  const offer = () => {
    if (protocol === null || isClosed || (account.terminal && account.terminal.outcome !== 'success')) return
    for (const { deliveryId, text } of listDeliveries(folder)) {
      const id = uuidOf(request, deliveryId)
      if (underWay.has(id) || accepted.includes(deliveryId)) continue
      const messages = protocol.prompt({ id, text }, isIdle())
      if (messages === null) return
      underWay.set(id, deliveryId)
      write(messages)
      account = take(account, { kind: 'turn' }, isoNow())
      endedAt = null
      // The protocol has no other sign that it arrived.
      if (!adapter.confirmsPrompts) confirm(id)
    }
  }
  const close = () => {
    if (isClosed || account.terminal === null) return
    const now = world.clock.mono()
    endedAt ??= now
    if (underWay.size > 0 && now - endedAt < CONFIRM_MS) return
    isClosed = true
    input?.end()
    endedAt = now
  }
  const look = () => {
    for (const { request: asked, decision, message } of permissions.answers()) {
      if (protocol) write(protocol.answer(asked, decision, message))
      store(true)
    }
    offer()
    close()
    if (isClosed && endedAt !== null && !lingered && world.clock.mono() - endedAt > LINGER_MS) {
      lingered = true
      options.terminate()
    }
    cancelLook = world.clock.timer(LOOK_MS, look)
  }

  input?.on('error', () => {})
  if (protocol) write(protocol.begin())
  cancelLook = world.clock.timer(LOOK_MS, look)

  return {
    receive: text => {
      const message = parseLine(text)
      for (const event of message === null ? [] : readJsonLine(message, adapter.reader)) observe(event)
      if (message !== null && protocol) write(protocol.receive(message))
      store(false)
    },
    isAsking: () => permissions.pending() !== null,
    interrupt: () => {
      if (protocol === null || isClosed) return false
      write(protocol.interrupt())
      return true
    },
    finish: end => {
      cancelLook()
      storeAgain?.()
      permissions.close()
      const verdict = isOverBudget
        ? overBudget(account)
        : verdictOf(account, lingered ? { exitCode: 0, signal: null } : end)
      // A window that is full says when it empties, also when nothing was refused.
      if (verdict?.outcome !== 'usage_limit') account = { ...account, resetAt: null }
      storeFacts(folder, { ...facts(verdict), retrying: null }, true)
      return account.resumeRef
    },
    hasLingered: () => lingered,
  }
}

function withoutSecrets(secrets: Record<string, string>): (facts: SessionFacts) => SessionFacts {
  return facts => {
    const text = redactor(secrets)
    const bytes = [text.push(Buffer.from(JSON.stringify(facts))), text.rest()]
    return JSON.parse(Buffer.concat(bytes).toString('utf8'))
  }
}

function overBudget({ usage, said }: Account): SessionFacts['verdict'] {
  const summary = `it had cost $${(usage?.costUsd ?? 0).toFixed(2)} when it was ended${said ? `. It said: ${said}` : ''}`
  return { outcome: 'budget', failure: 'budget', summary }
}
