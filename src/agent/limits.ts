/** Every bound of the agent that is not part of the protocol, with its unit. Some can be set by the environment. */
import { BUNDLE_WAIT_MS, KILL_GRACE_MS } from '../protocol/limits.ts'

export interface Limits {
  /** Output of one session that is kept; beyond it only the tail is. */
  logBytesMax: number
  /** Changed and untracked files that one salvage takes along. */
  salvageBytesMax: number
  killGraceMs: number
  bundleWaitMs: number
  /** How long the start of a session may take before the caller is told to ask again. */
  startWaitMs: number
  buildsAtOnceMax: number
  cloneMs: number
  /** One git call of a build or a salvage. */
  gitMs: number
}

const MIB = 1024 * 1024

export function limitsFrom(env: NodeJS.ProcessEnv): Limits {
  return {
    logBytesMax: numberFrom(env, 'TDF_LOG_MAX_BYTES', 64 * MIB),
    salvageBytesMax: numberFrom(env, 'TDF_SALVAGE_MAX_BYTES', 256 * MIB),
    killGraceMs: numberFrom(env, 'TDF_KILL_GRACE_MS', KILL_GRACE_MS),
    bundleWaitMs: BUNDLE_WAIT_MS,
    startWaitMs: 20_000,
    buildsAtOnceMax: 2,
    cloneMs: 30 * 60_000,
    gitMs: 5 * 60_000,
  }
}

function numberFrom(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : fallback
}
