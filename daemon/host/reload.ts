/**
 * Takes over a changed configuration, as far as a running daemon can: what it reads only when it starts is named and waits for
 * that. A file that is wrong is refused whole, with what is wrong in it. Deadlines that are set stay as they are.
 */
import { type LoadedConfig, loadConfig } from '../../src/config/load/load.ts'
import { withoutRestart } from '../../src/config/load/reload.ts'
import { toConfig } from '../../src/config/schema/config.ts'
import { type ConfigChange, changesOf } from '../../src/config/show/describe.ts'
import type { RootLog } from '../../src/platform/log.ts'
import type { ReloadJson } from '../../src/protocol/upkeep.ts'

export interface ReloadParts {
  file: string
  env: NodeJS.ProcessEnv
  log: RootLog
  /** What is in force. Its `config` is what everybody holds: it is changed in place. */
  loaded: LoadedConfig
  /** Called when the new one is in force. */
  taken(): void
}

/** Throws CONFIG_INVALID; then nothing has changed. */
export function createReload({ file, env, log, loaded, taken: onTaken }: ReloadParts): () => ReloadJson {
  let inForce = { raw: loaded.raw, origins: loaded.origins }
  return () => {
    const next = loadConfig({ file, env })
    const changes = changesOf(inForce, next)
    const raw = withoutRestart(inForce.raw, next.raw)
    replace(loaded.config, toConfig(raw))
    inForce = { raw, origins: next.origins }
    log.level = loaded.config.daemon.logLevel
    const [waiting, taken] = [changes.filter(isForRestart), changes.filter(change => !isForRestart(change))]
    const [changed, needsRestart] = [taken.map(withoutApply), waiting.map(withoutApply)]
    log.info({ file, changed: changed.map(({ key }) => key) }, 'the configuration was taken over')
    if (needsRestart.length > 0) log.warn({ keys: needsRestart.map(({ key }) => key) }, 'these keys take a restart')
    for (const warning of next.warnings) log.warn({}, warning)
    onTaken()
    return { file, changed, needsRestart, warnings: next.warnings }
  }
}

const isForRestart = ({ apply }: ConfigChange) => apply === 'restart'

const withoutApply = ({ key, from, to }: ConfigChange) => ({ key, from, to })

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
