/** Each agent: whether its program is there for the local node, in which version, and whether it can log in. */
import process from 'node:process'
import { BUILT_IN_AGENTS } from '../../src/config/agent-table.ts'
import type { Config } from '../../src/config/schema.ts'
import { run } from '../../src/process.ts'
import type { FindingJson } from '../../src/protocol/control.ts'
import type { Engine } from '../deps.ts'
import { isOnPath } from '../search-path.ts'
import { loginOf } from './login.ts'

type Agent = Config['agents'][string]

const VERSION_MS = 10_000
/** What starts another program: its version would say nothing about that one. */
const STARTERS = ['npx', 'bunx', 'uvx', 'node', 'sh', 'bash', 'env', 'docker']
const INSTALL: Record<string, string> = {
  claude: 'npm install -g @anthropic-ai/claude-code',
  codex: 'npm install -g @openai/codex',
}

export async function checkAgents(engine: Engine): Promise<FindingJson[]> {
  const { config, providers } = engine
  // The agents of the machine's service are another user's, whose PATH and home are not ours to see.
  if (!providers.local || process.env.TDF_AGENT_SOCKET) return []
  const searchPath = process.env.PATH ?? ''
  const isThere = ({ command }: Agent) => isOnPath(command[0] ?? '', searchPath)
  const agents = Object.entries(config.agents).filter(([, { command }]) => command.length > 0)
  const found = agents.filter(([, agent]) => isThere(agent))
  // One that nobody has asked for, or that is installed with its first task, may be missing.
  const missing = agents.filter(([name, agent]) => !isThere(agent) && isWanted(config, name, agent))
  if (found.length === 0 && missing.length === 0) {
    const names = agents.map(([name]) => name).join(', ')
    const message = `none of ${names} is on the PATH of the daemon; any program runs behind "--"`
    return [{ check: 'agents', state: 'warn', message, hint: 'tdf submit --help' }]
  }
  const looked = await Promise.all(found.map(([name, agent]) => present(engine, name, agent)))
  return [...looked, ...missing.map(([name, agent]) => absent(config, name, agent, searchPath))]
}

const isWanted = ({ runner }: Config, name: string, { install }: Agent) =>
  install === '' && (name === runner.agent || !BUILT_IN_AGENTS.includes(name))

function absent({ runner }: Config, name: string, { type, command }: Agent, searchPath: string): FindingJson {
  const isDefault = name === runner.agent
  const message = `${command[0]}${isDefault ? ', of the default agent,' : ''} is not on the PATH of the daemon: ${searchPath}`
  const hint = INSTALL[type] ?? 'tdf config show --origin'
  return { check: `agent ${name}`, state: isDefault ? 'fail' : 'warn', message, hint }
}

async function present(engine: Engine, name: string, agent: Agent): Promise<FindingJson> {
  const check = `agent ${name}`
  const version = await versionOf(agent)
  if (version === null) {
    const message = `${agent.command[0]} --version fails`
    return { check, state: 'warn', message, hint: 'tdf config show --origin' }
  }
  const login = loginOf(engine, agent)
  const message = [version, login.message].filter(text => text !== '').join(', ')
  return { check, state: login.hint === null ? 'ok' : 'warn', message, hint: login.hint }
}

/** Empty where it is better not asked: any program may take `--version` for something else. Null when it fails. */
async function versionOf({ type, command }: Agent): Promise<string | null> {
  const [program = '', ...leading] = command
  if (type === 'command' || STARTERS.includes(program.split('/').at(-1) ?? '')) return 'it is there'
  const { PATH = '', HOME = '/' } = process.env
  const quiet = { DISABLE_AUTOUPDATER: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }
  const args = type === 'acp' ? ['--version'] : [...leading, '--version']
  const asked = await run(program, args, { cwd: '/', env: { PATH, HOME, ...quiet }, timeoutMs: VERSION_MS })
  return asked.exitCode === 0 ? (/\d+\.\d+[\w.+-]*/.exec(asked.stdout)?.[0] ?? 'it is there') : null
}
