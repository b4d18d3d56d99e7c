/** `[tui]` of the configuration, for who opens the dashboard. */
import { DEFAULT_KEYS, type KeyMap, settledKeys } from '../../src/core/keys.ts'
import type { Cli } from '../cli/cli.ts'

export interface TuiSettings {
  keys: KeyMap
  isReadOnly: boolean
  /** Shown in the dashboard, which opens all the same: a wrong setting elsewhere does not keep it closed. */
  complaint: string | null
}

export async function tuiSettings(cli: Cli): Promise<TuiSettings> {
  const { loadConfig } = await import('../../src/config/load/load.ts')
  try {
    const { tui } = loadConfig({ file: cli.paths().configFile, env: cli.env }).raw
    return { keys: settledKeys(tui.keys), isReadOnly: tui.read_only, complaint: null }
  } catch {
    const complaint = 'the configuration cannot be used, nor [tui] in it: see tdf config check'
    return { keys: DEFAULT_KEYS, isReadOnly: false, complaint }
  }
}
