/** Loads a configuration from text, as if it stood in /etc/tdf/config.toml. */
import { loadConfig } from '../../../../src/config/load/load.ts'
import { TdfError } from '../../../../src/core/errors.ts'

export const FILE = '/etc/tdf/config.toml'

interface Given {
  toml?: string
  env?: Record<string, string>
  mode?: number
}

export function load({ toml, env = {}, mode = 0o100600 }: Given = {}) {
  return loadConfig({ file: FILE, env, readFile: () => (toml === undefined ? null : { text: toml, mode }) })
}

/** The message of the refusal; fails when there was none. */
export function refusal(given: Given): string {
  try {
    load(given)
  } catch (thrown) {
    if (thrown instanceof TdfError && thrown.code === 'CONFIG_INVALID') return thrown.message
    throw thrown
  }
  throw new Error('the configuration was accepted')
}
