/** Each agent: whether its program is there for the local node, in which version, and whether it can log in. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { BUILT_IN_AGENTS } from '../../src/config/schema/agents.ts'
import type { Config } from '../../src/config/schema/config.ts'
import type { AgentType } from '../../src/core/agent.ts'
import { missingSecrets, STARTERS, secretNames } from '../../src/core/agent.ts'
import { INHERITED_VARIABLES, pickVariables, run } from '../../src/platform/run.ts'
import type { FindingJson } from '../../src/protocol/upkeep.ts'
import { readNodes } from '../../src/store/tables/nodes.ts'
import { KNOWN_AGENTS, noAgentText } from '../../src/text/agents.ts'
import { isOnPath } from '../host/programs.ts'
import type { Engine } from '../services.ts'

type Agent = Config['agents'][string]

const VERSION_MS = 10_000
const VERSION_TEXT = /\d+\.\d+[\w.+-]*/
const MESSAGE_CHARS_MAX = 300

export async function checkAgents(engine: Engine): Promise<FindingJson[]> {
  const { config, providers } = engine
  // The agents of the machine's service are another user's, whose PATH and home are not ours to see.
  if (!providers.local || process.env.TDF_AGENT_SOCKET) return []
  const searchPath = process.env.PATH ?? ''
  const isThere = ({ command }: Agent) => isOnPath(command[0] ?? '', searchPath)
  const agents = Object.entries(config.agents).filter(([, { command }]) => command.length > 0)
  const found = agents.filter(([, agent]) => isThere(agent))
  // An agent that is not configured, or that is installed with its first task, may be missing.
  const missing = agents.filter(([name, agent]) => !isThere(agent) && isWanted(config, name, agent))
  if (found.length === 0 && missing.length === 0) {
    return [{ check: 'agents', state: 'warn', message: noAgentText('the PATH of the daemon'), hint: 'tdf init' }]
  }
  const looked = await Promise.all(found.map(([name, agent]) => present(engine, name, agent)))
  return [...looked, ...missing.map(([name, agent]) => absent(config, name, agent, searchPath))]
}

const isWanted = ({ runner }: Config, name: string, { install }: Agent) =>
  install === '' && (name === runner.agent || !BUILT_IN_AGENTS.includes(name))

function absent({ runner }: Config, name: string, { type, command }: Agent, searchPath: string): FindingJson {
  const isDefault = name === runner.agent
  const message = `${command[0]}${isDefault ? ', of the default agent,' : ''} is not on the PATH of the daemon: ${searchPath}`
  const hint = KNOWN_AGENTS[type]?.install ?? 'tdf config show --origin'
  return { check: `agent ${name}`, state: isDefault ? 'fail' : 'warn', message, hint }
}

async function present(engine: Engine, name: string, agent: Agent): Promise<FindingJson> {
  const check = `agent ${name}`
  const { version, problem } = await versionOf(agent)
  if (problem !== null) {
    const message = `${agent.command[0]} --version ${problem}`
    return { check, state: 'warn', message, hint: 'tdf config show --origin' }
  }
  const login = loginOf(engine, agent)
  const message = [version, login.message].filter(text => text !== '').join(', ')
  return { check, state: login.hint === null ? 'ok' : 'warn', message, hint: login.hint }
}

/** Not asked where it is better not: any program may take `--version` for something else. */
async function versionOf({ type, command }: Agent): Promise<{ version: string; problem: string | null }> {
  const [program = '', ...leading] = command
  const there = { version: 'it is there', problem: null }
  if (type === 'command' || STARTERS.includes(program.split('/').at(-1) ?? '')) return there
  const env = {
    HOME: '/',
    ...pickVariables(process.env, INHERITED_VARIABLES),
    DISABLE_AUTOUPDATER: '1',
    OPENCODE_DISABLE_AUTOUPDATE: '1',
  }
  // What makes it speak ACP is no part of this question: gemini, qwen and cline would wait for a client.
  const args = type === 'acp' ? ['--version'] : [...leading, '--version']
  const asked = await run(program, args, { cwd: '/', env, timeoutMs: VERSION_MS, ownGroup: true })
  if (asked.exitCode === 0)
    return { version: VERSION_TEXT.exec(asked.stdout + asked.stderr)?.[0] ?? there.version, problem: null }
  const said = asked.stderr.trim().split('\n')[0]?.slice(0, MESSAGE_CHARS_MAX) || 'without a word'
  const problem = asked.timedOut
    ? `does not end within ${VERSION_MS / 1000} s`
    : `fails (${asked.exitCode ?? asked.signal}): ${said}`
  return { version: '', problem }
}

interface Login {
  message: string
  /** A command that gives it one; null when it has what it needs. */
  hint: string | null
}

/** What the programs' own logins leave in the home of their user. */
const FILES: Partial<Record<AgentType, string>> = {
  claude: '.claude/.credentials.json',
  codex: '.codex/auth.json',
}

export function loginOf(engine: Engine, { type, env }: Config['agents'][string]): Login {
  if (type === 'command') return { message: '', hint: null }
  const [missing] = missingSecrets(env, engine.secrets)
  if (missing !== undefined) return { message: `the secret ${missing} is not set`, hint: `tdf secret set ${missing}` }
  const names = secretNames(env)
  const set = names.filter(name => Object.hasOwn(engine.secrets([name]), name))
  if (set.length > 0) return { message: `given ${set.join(', ')}`, hint: null }
  const file = FILES[type]
  const hint = names[0] === undefined ? 'tdf config show --origin' : `tdf secret set ${names[0]}`
  const isLoggedIn = file !== undefined && existsSync(path.join(process.env.HOME ?? '/', file))
  if (isLoggedIn && !hasOthers(engine)) return { message: `logged in by ~/${file}`, hint: null }
  if (isLoggedIn) return { message: `logged in by ~/${file} here alone; other nodes need ${oneOf(names)}`, hint }
  if (file === undefined && names.length === 0) return { message: 'how it logs in is its own matter', hint: null }
  const own = file === undefined ? '' : `, and there is no ~/${file}`
  return { message: `no login was found: ${oneOf(names)} is not set${own}`, hint }
}

const oneOf = (names: readonly string[]) => names.join(' or ') || 'a variable that its table names'

function hasOthers({ store, providers }: Pick<Engine, 'store' | 'providers'>): boolean {
  return providers.hetzner !== undefined || readNodes(store.sql).some(({ provider }) => provider !== 'local')
}
