/** A conversation with an agent over simulated time: the test says the agent's lines and sees what it is told. */
import { PassThrough } from 'node:stream'
import { adapterOf } from '../../../../../src/agent/sessions/adapters/index.ts'
import { readFacts, type SessionFacts } from '../../../../../src/agent/sessions/facts.ts'
import type { SessionRequest } from '../../../../../src/agent/sessions/folder.ts'
import { type Conversation, startConversation } from '../../../../../src/agent/sessions/runner/conversation.ts'
import type { Json } from '../../../../../src/transcript/event.ts'
import type { SimWorld } from '../../../../fakes/world.ts'
import { REQUEST } from './session.ts'

export interface Dialogue {
  conversation: Conversation
  /** Every message that the agent was given. */
  written: Json[]
  isInputEnded(): boolean
  /** How often its command was ended. */
  ended(): number
  /** Lines of the agent. */
  say(...lines: object[]): Promise<void>
  facts(): SessionFacts
}

export interface DialogueOptions {
  secrets?: Record<string, string>
  /** It takes nothing once it runs. */
  isDeaf?: boolean
}

/** Of claude, which asks a person, unless `change` says other. */
export function openDialogue(
  world: SimWorld,
  folder: string,
  change: Partial<SessionRequest> = {},
  { secrets = {}, isDeaf = false }: DialogueOptions = {},
): Dialogue {
  const request: SessionRequest = {
    ...REQUEST,
    ...{ type: 'claude', command: ['prog'], stdin: 'dialogue', permissions: 'ask', workTree: '/work' },
    ...change,
  }
  const adapter = adapterOf(request.type)
  if (!adapter) throw new Error(`no adapter ${request.type}`)
  const input = new PassThrough()
  const written: Json[] = []
  let ended = 0
  let isInputEnded = false
  input.on('data', bytes => {
    for (const line of String(bytes).trim().split('\n')) written.push(JSON.parse(line))
  })
  input.on('finish', () => {
    isInputEnded = true
  })
  const terminate = () => {
    ended += 1
  }
  const options = { world, folder, request, adapter, firstPrompt: 'do it', secrets, terminate }
  const conversation = startConversation({ ...options, input: isDeaf ? null : input })
  return {
    ...{ conversation, written, isInputEnded: () => isInputEnded, ended: () => ended },
    say: async (...lines) => {
      for (const line of lines) conversation.receive(JSON.stringify(line))
      await world.settle()
    },
    facts: () => readFacts(folder) as SessionFacts,
  }
}
