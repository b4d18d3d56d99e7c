/** `[agents.NAME]`: the programs that do the work. */
import { z } from 'zod'
import { AGENT_TYPES } from '../../core/agent.ts'
import { choice, described, duration, list, price, text } from './kinds.ts'

const PERMISSIONS = ['allow', 'deny', 'ask'] as const

const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
const VARIABLE_NAME = z.string().regex(VARIABLE)

/** What a type brings along when its table says nothing. A type that is not here has no program of its own. */
const TYPES: Partial<Record<string, { command: string[]; env: string[] }>> = {
  claude: { command: ['claude'], env: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'] },
  codex: { command: ['codex'], env: ['OPENAI_API_KEY', 'CODEX_API_KEY'] },
}

/** Agents that exist without a table, named after their type. */
export const BUILT_IN_AGENTS = Object.keys(TYPES)

const agent = z
  .strictObject({
    type: described(z.enum(AGENT_TYPES), 'How tdf talks to it: claude, codex, acp, or command (any program).', {
      expects: `one of ${AGENT_TYPES.map(type => JSON.stringify(type)).join(', ')}`,
      choices: AGENT_TYPES,
      example: 'acp',
    }),
    command: list([], 'The program; tdf adds its arguments. claude and codex know theirs.', {
      example: '["opencode", "acp"]',
    }),
    args: list([], 'Further arguments, after those of tdf.'),
    env: described(
      z
        .union([z.array(VARIABLE_NAME).max(100), z.record(VARIABLE_NAME, VARIABLE_NAME)])
        .refine(env => Object.keys(env).length <= 100)
        .optional(),
      'What it is given, by name: secrets, or { VARIABLE = "SECRET" } for another account. No values.',
      {
        expects:
          'a list of names of secrets, such as ["ANTHROPIC_API_KEY"], or a table such as { ANTHROPIC_API_KEY = "WORK_KEY" }',
        example: '["ANTHROPIC_API_KEY"]',
      },
    ),
    model: text('', 'The model of a task without --model. Empty: what the agent itself chooses.', {
      example: 'sonnet',
    }),
    permissions: choice(
      PERMISSIONS,
      'allow',
      'How its questions for permission are answered; with "ask" they wait for tdf send.',
    ),
    input_price: price('USD for a million tokens that it reads, for an agent that does not tell what it costs.'),
    output_price: price('USD for a million tokens that it writes.'),
    fallback: list([], 'Agents that go on, in this order, when this one is at its limit for longer than that.', {
      example: '["claude"]',
    }),
    fallback_after: duration('10m', 'A limit that is lifted sooner is waited for.', { atLeast: '0s' }),
    install: text('', 'Run once on each node as its admin.', {
      example: 'npm install -g opencode-ai',
    }),
  })
  .superRefine((table, ctx) => {
    if (table.command.length > 0 || TYPES[table.type]) return
    ctx.addIssue({
      code: 'custom',
      path: ['command'],
      params: { says: `an agent of type "${table.type}" needs its command, such as ["opencode", "acp"]` },
    })
  })
  .transform(table => ({
    ...table,
    command: table.command.length > 0 ? table.command : (TYPES[table.type]?.command ?? []),
    env: table.env ?? TYPES[table.type]?.env ?? [],
  }))

function wrongIn(fallback: readonly string[], name: string, known: readonly string[]): string | undefined {
  const unknown = fallback.find(other => !known.includes(other))
  if (unknown !== undefined) return `there is no agent "${unknown}"; known are: ${known.join(', ')}`
  return fallback.includes(name) ? 'an agent cannot go on in its own place' : undefined
}

export const agentsTable = z
  .record(
    described(z.string().regex(NAME), 'The name of the agent, for --agent.', {
      expects: 'a name of small letters, digits, "_" and "-"',
    }),
    agent,
  )
  .superRefine((agents, ctx) => {
    for (const [name, { fallback }] of Object.entries(agents)) {
      const says = wrongIn(fallback, name, Object.keys(agents))
      if (says) ctx.addIssue({ code: 'custom', path: [name, 'fallback'], params: { says } })
    }
  })
  .prefault({})
  .meta({ description: 'Agents by name. claude and codex need no table; one is added like this.' })
