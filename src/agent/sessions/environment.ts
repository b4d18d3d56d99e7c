/**
 * What a command sees of the environment, and how it gets there. The runner is a process of ours, so the command's
 * variables travel in its environment under a prefix: they neither touch the disk nor change how the runner behaves.
 */
import { INHERITED_VARIABLES, pickVariables } from '../../platform/run.ts'
import { type Agent, logBytesMax } from '../agent.ts'
import type { Slot } from '../isolation/slot.ts'
import { artifactsFolder } from '../workspaces/workspace.ts'
import { promptPath, type SessionRequest } from './folder.ts'

const PREFIX = 'TDF_SESSION_ENV_'
const SECRETS = 'TDF_SESSION_SECRETS'

export function commandEnvironment(
  agent: Agent,
  folder: string,
  request: SessionRequest,
  given: Record<string, string>,
): Record<string, string> {
  const relay = agent.relay.urlOf(request)
  return {
    ...inherited(agent, request),
    ...(request.slot ? ownEnvironment(request.slot) : {}),
    ...given,
    TDF_TASK_ID: request.taskId,
    TDF_ATTEMPT: String(request.attempt),
    TDF_WORKSPACE_ID: request.workspaceId,
    TDF_SESSION_ID: request.sessionId,
    TDF_PROMPT_FILE: promptPath(folder),
    TDF_ARTIFACTS: artifactsFolder(request.workTree),
    ...(relay === null ? {} : { TDF_MCP_URL: relay }),
  }
}

function inherited(agent: Agent, { slot, sandbox }: SessionRequest): Record<string, string> {
  const { XDG_RUNTIME_DIR, ...kept } = pickVariables(agent.env, INHERITED_VARIABLES)
  // The sockets of the agent's user: not another user's, and not shown in a sandbox.
  return slot || sandbox || XDG_RUNTIME_DIR === undefined ? kept : { ...kept, XDG_RUNTIME_DIR }
}

function ownEnvironment({ name, home, isVirtual }: Slot): Record<string, string> {
  // A virtual user stands in no passwd(5), where a shell would be looked up.
  if (isVirtual) return { USER: name, LOGNAME: name }
  return { HOME: home, USER: name, LOGNAME: name, SHELL: '/bin/bash' }
}

/** `secrets`: names of variables whose values are taken out of what the command prints. */
export function runnerEnvironment(
  agent: Agent,
  command: Record<string, string>,
  secrets: readonly string[],
): Record<string, string> {
  const prefixed = Object.entries(command).map(([name, value]) => [`${PREFIX}${name}`, value])
  return {
    ...pickVariables(agent.env, ['PATH', 'TMPDIR', 'TDF_CRASH_AT']),
    TDF_LOG_MAX_BYTES: String(logBytesMax(agent)),
    [SECRETS]: secrets.join(','),
    TDF_KILL_GRACE_MS: String(agent.limits.killGraceMs),
    ...Object.fromEntries(prefixed),
  }
}

/** In the runner: the command's variables out of its own. */
export function unpackEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const command: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(PREFIX) && value !== undefined) command[name.slice(PREFIX.length)] = value
  }
  return command
}

/** In the runner: name → value of what is kept out of logs. */
export function secretsIn(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = env[SECRETS]?.split(',').filter(name => name !== '') ?? []
  return pickVariables(unpackEnvironment(env), names)
}
