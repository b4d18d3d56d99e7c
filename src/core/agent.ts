/** Agents: what types there are, whose account one uses, and which secrets it is given. */
import { TdfError } from './errors.ts'

export const AGENT_TYPES = ['claude', 'codex', 'acp', 'command'] as const
export type AgentType = (typeof AGENT_TYPES)[number]

/** Which program does the work and how it is called. What may be absent was not known to older versions. */
export interface AgentSpec {
  name: string
  type: AgentType
  /** The program and its leading arguments; the adapter on the node adds its own, then come `args`. */
  command: string[]
  args?: string[]
  model?: string | null
  env: AgentEnvironment
  /** Run once on each node before it. */
  install?: string
}

/** Agents that go on in place of the one that was asked for, in this order, once its limit lasts longer than `afterMs`. */
export interface FallbackSpec {
  agents: AgentSpec[]
  afterMs: number
  /** Those that were asked for too and cannot, in words. */
  passedOver: { agent: string; reason: string }[]
}

/** Names of secrets, each of which is found as a variable of that name; or variables, each with the name of a secret. */
export type AgentEnvironment = readonly string[] | Readonly<Record<string, string>>

const isList = (env: AgentEnvironment): env is readonly string[] => Array.isArray(env)

const variablesOf = (env: AgentEnvironment): [variable: string, secret: string][] =>
  isList(env) ? env.map(name => [name, name]) : Object.entries(env)

/** The secrets that an agent may be given, each once. */
export function secretNames(env: AgentEnvironment): string[] {
  return [...new Set(variablesOf(env).map(([, secret]) => secret))]
}

/** Variables with their values; those whose secret is not known are left out. */
export function valuesFor(
  env: AgentEnvironment,
  secrets: (names: readonly string[]) => Record<string, string>,
): Record<string, string> {
  const variables = variablesOf(env)
  const values = secrets(variables.map(([, secret]) => secret))
  return Object.fromEntries(
    variables.flatMap(([variable, secret]) => (values[secret] === undefined ? [] : [[variable, values[secret]]])),
  )
}

/** Those that a table of variables names and that are not known. A list is a choice of logins, of which one is enough. */
export function missingSecrets(
  env: AgentEnvironment,
  secrets: (names: readonly string[]) => Record<string, string>,
): string[] {
  if (isList(env)) return []
  const names = secretNames(env)
  const values = secrets(names)
  return names.filter(name => values[name] === undefined)
}

/** Without a secret that its table names an agent would work with whatever login it finds, which may be another account. */
export function secretMissing(
  { name, env }: Pick<AgentSpec, 'name' | 'env'>,
  secrets: (names: readonly string[]) => Record<string, string>,
): TdfError | undefined {
  const [missing] = missingSecrets(env, secrets)
  if (missing === undefined) return undefined
  const message = `the agent ${name} is given the secret ${missing} ([agents.${name}] env), which is not set`
  return new TdfError('CANNOT_START', message, { hint: `tdf secret set ${missing}` })
}

/** Programs that start another one: their name says nothing about that. */
export const STARTERS: readonly string[] = ['npx', 'bunx', 'uvx', 'node', 'sh', 'bash', 'env', 'docker']

/**
 * The account that an agent uses: when one task meets a usage limit, no other with the same one is started. It is the
 * agent's type, its program where that is not named after the type, and the names of its secrets, never a value; null for a
 * plain command.
 */
export function credentialOf({ agent }: { agent: Pick<AgentSpec, 'type' | 'command' | 'env'> }): string | null {
  const { type, command, env } = agent
  if (type === 'command') return null
  const [program = type] = command
  const named = STARTERS.includes(program.split('/').at(-1) ?? '') ? command.join(' ') : program
  return [type, ...(named === type ? [] : [named]), ...secretNames(env).sort()].join(' ')
}
