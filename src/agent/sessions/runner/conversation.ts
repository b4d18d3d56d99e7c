/**
 * A session's conversation with its agent: every line of the agent's is read, answered and added up; prompts and
 * permissions that come meanwhile are passed on. When nothing is open and nothing more is to be said, its stdin ends.
 */
import type { Writable } from 'node:stream'
import type { CommandEnd } from '../../../platform/run.ts'
import type { Cancel, World } from '../../../platform/world.ts'
import {
  type Account,
  endingOf,
  NOTHING_SAID,
  resumedVerdict,
  take,
  type Verdict,
  verdictOf,
} from '../../../transcript/account.ts'
import type { AgentEvent, Json } from '../../../transcript/event.ts'
import { parseLine, readJsonLine } from '../../../transcript/read.ts'
import type { Adapter, Prompt, Protocol } from '../adapters/adapter.ts'
import { type SessionFacts, storeFacts, uuidOf } from '../facts.ts'
import type { SessionRequest } from '../folder.ts'
import { type Farewell, openFarewell } from './farewell.ts'
import { openPermissions, type Permissions } from './permissions.ts'
import { openPrompts, type Prompts } from './prompts.ts'
import { redactor } from './redact.ts'

const LOOK_MS = 200
const STORE_MS = 500

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

export interface ConversationOptions {
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

/** What a conversation is made of. An agent without a protocol is only listened to. */
interface Parts extends ConversationOptions {
  protocol: Protocol | null
  prompts: Prompts | null
  permissions: Permissions
  farewell: Farewell
  account: Account
  isOverBudget: boolean
  isInterrupted: boolean
  isDeniedByPerson: boolean
  storeAgain: Cancel | null
}

export function startConversation(options: ConversationOptions): Conversation {
  const parts = open(options)
  const { world, protocol, permissions, farewell, input } = parts
  let cancelLook: Cancel = () => {}
  const lookAgain = () => {
    cancelLook = world.clock.timer(LOOK_MS, () => {
      look(parts)
      lookAgain()
    })
  }
  input?.on('error', () => {})
  if (protocol) write(parts, protocol.begin())
  lookAgain()
  return {
    receive: text => receive(parts, text),
    isAsking: () => permissions.pending() !== null,
    interrupt: () => {
      if (protocol === null || farewell.isClosed()) return false
      parts.isInterrupted = true
      write(parts, protocol.interrupt())
      return true
    },
    finish: end => {
      cancelLook()
      return finish(parts, end)
    },
    hasLingered: farewell.hasLingered,
  }
}

function open(options: ConversationOptions): Parts {
  const { world, folder, request, adapter, input, firstPrompt } = options
  const first: Prompt = { id: uuidOf(request, ''), text: firstPrompt }
  const protocol = adapter.openProtocol?.({ ...request, prompt: first }) ?? null
  return {
    ...options,
    protocol,
    prompts: protocol && openPrompts(folder, request, protocol, adapter),
    permissions: openPermissions(folder, request.permissions, () => isoNow(options)),
    farewell: openFarewell(world.clock, input, options.terminate),
    account: { ...NOTHING_SAID, resumeRef: request.resumeRef },
    isOverBudget: false,
    isInterrupted: false,
    isDeniedByPerson: false,
    storeAgain: null,
  }
}

const isoNow = ({ world }: Pick<Parts, 'world'>) => new Date(world.clock.now()).toISOString()

function write({ farewell, input }: Parts, messages: readonly Json[]): void {
  if (farewell.isClosed() || input === null) return
  for (const message of messages) input.write(`${JSON.stringify(message)}\n`)
}

function receive(parts: Parts, text: string): void {
  const message = parseLine(text)
  if (message !== null) {
    const { protocol, adapter } = parts
    // The protocol is first: an event of a message may need what the protocol keeps of it, as a question its options.
    const replies = protocol?.receive(message) ?? []
    const events = protocol?.isHistory?.(message) ? [] : readJsonLine(message, adapter.reader)
    for (const event of events) observe(parts, event)
    if (parts.request.resumeRef !== null && protocol?.cannotGoOn?.(message)) observe(parts, NO_WAY_ON)
    write(parts, replies)
  }
  store(parts, false)
}

/** Nothing is open after it, so that the session ends. */
const NO_WAY_ON: AgentEvent = {
  kind: 'terminal',
  outcome: 'error',
  failure: 'other',
  summary: 'the agent cannot go on with a conversation that it had before',
}

function observe(parts: Parts, event: AgentEvent): void {
  const { request, prompts } = parts
  // A person said no, and the agent went on with that.
  if (event.kind === 'denied' && parts.isDeniedByPerson) return
  const { resumeRef } = parts.account
  parts.account = take(parts.account, event, isoNow(parts))
  if (event.kind === 'accepted' && prompts?.confirm(event.prompt)) store(parts, true)
  else if (event.kind === 'rejected') prompts?.reject(event.prompt)
  else if (event.kind === 'permission') settle(parts, event)
  if (resumeRef !== parts.account.resumeRef) store(parts, true)
  const spent = parts.account.usage?.costUsd ?? 0
  if (request.maxCostUsd !== null && spent > request.maxCostUsd && !parts.isOverBudget) {
    parts.isOverBudget = true
    parts.terminate()
  }
}

/** Answers a question by policy, or keeps it until a person's answer is there. */
function settle(parts: Parts, event: Extract<AgentEvent, { kind: 'permission' }>): void {
  if (parts.protocol === null) return
  const decision = parts.permissions.ask(event)
  if (decision === null) return store(parts, true)
  const { messages, isAllowed } = parts.protocol.answer(event.request, decision, '')
  write(parts, messages)
  if (!isAllowed) parts.account = take(parts.account, { kind: 'denied', tool: event.tool }, isoNow(parts))
}

function look(parts: Parts): void {
  const { protocol, permissions, farewell } = parts
  for (const { request: asked, decision, message } of permissions.answers()) {
    parts.isDeniedByPerson ||= decision === 'deny'
    if (protocol) write(parts, protocol.answer(asked, decision, message).messages)
    store(parts, true)
  }
  offer(parts)
  farewell.look({
    turn: parts.account.terminal === null,
    background: parts.account.background.length > 0,
    prompt: parts.prompts?.areUnderWay() ?? false,
  })
}

/** Gives the agent the prompts that it takes now. One whose turn failed gets no more. */
function offer(parts: Parts): void {
  const { prompts, farewell } = parts
  const ending = endingOf(parts.account)
  if (prompts === null || farewell.isClosed() || (ending && ending.outcome !== 'success')) return
  const before = prompts.accepted().length
  let messages = prompts.next(parts.account.terminal !== null)
  while (messages !== null) {
    write(parts, messages)
    parts.account = take(parts.account, { kind: 'turn' }, isoNow(parts))
    messages = prompts.next(false)
  }
  if (prompts.accepted().length > before) store(parts, true)
}

function factsOf(parts: Parts, verdict: SessionFacts['verdict']): SessionFacts {
  const { resumeRef, agentVersion, model, usage, resetAt, retrying, hasActed, openTools } = parts.account
  const pendingPermission = parts.permissions.pending()
  const about = { resumeRef, agentVersion, model, usage, resetAt, retrying, hasActed, usesTool: openTools.length > 0 }
  const facts = { ...about, pendingPermission, accepted: parts.prompts?.accepted() ?? [], verdict }
  return withoutSecrets(facts, parts.secrets)
}

/** `isFirm`: now and durably; else soon, and at the latest with the next. */
function store(parts: Parts, isFirm: boolean): void {
  const { world, folder } = parts
  if (isFirm) return storeFacts(folder, factsOf(parts, null), true)
  parts.storeAgain ??= world.clock.timer(STORE_MS, () => {
    parts.storeAgain = null
    storeFacts(folder, factsOf(parts, null), false)
  })
}

function finish(parts: Parts, end: CommandEnd): string | null {
  const { folder, permissions, farewell, account, request } = parts
  parts.storeAgain?.()
  permissions.close()
  const known = verdictOf(account, farewell.hasLingered() ? { exitCode: 0, signal: null } : end)
  const ended = ofOwnAccord(parts, end, known)
  const judged = request.resumeRef === null ? ended : resumedVerdict(account, ended)
  const verdict = parts.isOverBudget ? overBudget(account) : judged
  // A window that is full says when it empties, also when nothing was refused.
  if (verdict?.outcome !== 'usage_limit') parts.account = { ...account, resetAt: null }
  storeFacts(folder, { ...factsOf(parts, verdict), retrying: null }, true)
  return account.resumeRef
}

/** An agent that calls its end an interruption and fails by itself was not interrupted: nothing is there to go on from. */
function ofOwnAccord({ isInterrupted }: Parts, { exitCode, signal }: CommandEnd, verdict: Verdict): Verdict {
  const isOwn = !isInterrupted && signal === null && exitCode !== 0 && exitCode !== null
  return isOwn && verdict.failure === 'interrupted' ? { ...verdict, failure: 'other' } : verdict
}

function withoutSecrets(facts: SessionFacts, secrets: Record<string, string>): SessionFacts {
  const text = redactor(secrets)
  const bytes = [text.push(Buffer.from(JSON.stringify(facts))), text.rest()]
  return JSON.parse(Buffer.concat(bytes).toString('utf8'))
}

function overBudget({ usage, said }: Account): SessionFacts['verdict'] {
  const summary = `it had cost $${(usage?.costUsd ?? 0).toFixed(2)} when it was ended${said ? `. It said: ${said}` : ''}`
  return { outcome: 'budget', failure: 'budget', summary }
}
