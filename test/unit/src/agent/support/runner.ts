/** The runner of a session in the process of the test. */
import type { Agent } from '../../../../../src/agent/agent.ts'
import { commandEnvironment, runnerEnvironment } from '../../../../../src/agent/sessions/environment.ts'
import type { SessionRequest } from '../../../../../src/agent/sessions/folder.ts'
import { runSession } from '../../../../../src/agent/sessions/runner/run-session.ts'
import { realWorld, type World } from '../../../../../src/platform/world.ts'

export interface Running {
  code: Promise<number>
  /** What SIGTERM does to the runner. */
  terminate(): void
}

/** Runs what is in `folder`, with the environment that the node's agent gives to a runner. */
export function runHere(
  folder: string,
  request: SessionRequest,
  env: Record<string, string> = {},
  world: World = realWorld(),
): Running {
  const limits = { logBytesMax: 10_000, killGraceMs: 60_000 }
  const idle = { registration: { current: () => null }, relay: { urlOf: () => null } }
  const agent = { env: process.env, limits, ...idle } as unknown as Agent
  const given = runnerEnvironment(agent, commandEnvironment(agent, folder, request, env), Object.keys(env))
  const before = { ...process.env }
  Object.assign(process.env, given)
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  const heard = signals.map(name => [name, new Set(process.listeners(name))] as const)
  const listeners = () => heard.flatMap(([name, known]) => process.listeners(name).filter(one => !known.has(one)))
  const code = runSession(world, folder).finally(() => {
    for (const name of Object.keys(given)) delete process.env[name]
    Object.assign(process.env, before)
    for (const listener of listeners()) for (const name of signals) process.off(name, listener)
  })
  const [onTerm] = listeners()
  return { code, terminate: () => onTerm?.('SIGTERM') }
}
