/** `[tui]` of the configuration, for who opens the dashboard. */

import type { loadConfig } from '../../src/config/load/load.ts'
import { DEFAULT_KEYS, type KeyMap, settledKeys } from '../../src/core/dashboard-keys.ts'
import type { Attention } from '../../src/tui/terminal/attention.ts'
import type { Cli } from '../cli/cli.ts'

type Table = ReturnType<typeof loadConfig>['raw']['tui']

export interface TuiSettings {
  keys: KeyMap
  isReadOnly: boolean
  theme: Table['theme']
  hasMouse: boolean
  attention: Pick<Attention, 'how' | 'on'>
  /** Shown in the dashboard, which opens all the same: a wrong setting elsewhere does not keep it closed. */
  complaint: string | null
}

const DEFAULTS: TuiSettings = {
  keys: DEFAULT_KEYS,
  isReadOnly: false,
  theme: 'auto',
  hasMouse: true,
  attention: { how: 'none', on: [] },
  complaint: null,
}

export async function tuiSettings(cli: Cli): Promise<TuiSettings> {
  const { loadConfig } = await import('../../src/config/load/load.ts')
  try {
    const { tui } = loadConfig({ file: cli.paths().configFile, env: cli.env }).raw
    const { theme, attention: how, attention_on: on, read_only: isReadOnly, mouse: hasMouse } = tui
    return { keys: settledKeys(tui.keys), isReadOnly, theme, hasMouse, attention: { how, on }, complaint: null }
  } catch {
    return { ...DEFAULTS, complaint: 'the configuration cannot be used, nor [tui] in it: see tdf config check' }
  }
}
