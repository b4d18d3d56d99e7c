/**
 * Takes over a changed configuration, all of it or nothing: a file that is wrong, or a change that needs a new daemon,
 * is refused with what it is about. Deadlines that are set stay as they are.
 */
import { type LoadedConfig, loadConfig } from '../../src/config/load/load.ts'
import { type ConfigChange, changesOf } from '../../src/config/show/describe.ts'
import { TdfError } from '../../src/core/errors.ts'
import type { RootLog } from '../../src/platform/log.ts'
import type { ReloadJson } from '../../src/protocol/control.ts'

export interface ReloadParts {
  file: string
  env: NodeJS.ProcessEnv
  log: RootLog
  /** What is in force. Its `config` is what everybody holds: it is changed in place. */
  loaded: LoadedConfig
  /** Called when the new one is in force. */
  taken(): void
}

/** Throws CONFIG_INVALID or CONFIG_NEEDS_RESTART; then nothing has changed. */
export function createReload({ file, env, log, loaded, taken }: ReloadParts): () => ReloadJson {
  let inForce = { raw: loaded.raw, origins: loaded.origins }
  return () => {
    const next = loadConfig({ file, env })
    const changes = changesOf(inForce, next)
    refuseRestart(changes, file)
    replace(loaded.config, next.config)
    inForce = next
    log.level = loaded.config.daemon.logLevel
    const changed = changes.map(({ key, from, to }) => ({ key, from, to }))
    log.info({ file, changed: changed.map(({ key }) => key) }, 'the configuration was taken over')
    for (const warning of next.warnings) log.warn({}, warning)
    taken()
    return { file, changed, warnings: next.warnings }
  }
}

function refuseRestart(changes: readonly ConfigChange[], file: string): void {
  const keys = changes.filter(({ apply }) => apply === 'restart').map(({ key }) => key)
  if (keys.length === 0) return
  throw new TdfError('CONFIG_NEEDS_RESTART', `${file}: ${keys.join(', ')} takes a restart; nothing was taken over`)
}

/** Table by table: a part that holds one sees the new values. */
function replace(target: object, source: object): void {
  const [old, fresh] = [target as Record<string, unknown>, source as Record<string, unknown>]
  for (const key of Object.keys(old)) if (!Object.hasOwn(fresh, key)) delete old[key]
  for (const [key, value] of Object.entries(fresh)) {
    const there = old[key]
    if (isTable(there) && isTable(value)) replace(there, value)
    else old[key] = value
  }
}

const isTable = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
