/**
 * How nodes that were taken out of the configuration were last reached: what still runs on them comes home that way. Kept
 * in the state folder, since the configuration knows nothing of them any more.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { StaticNodeConfig } from '../../../src/config/schema/config.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { writeDurable } from '../../../src/platform/files.ts'

/**
 * Notes the configured nodes, and answers those of earlier that are not among them and are still known by `hasRow`. Throws
 * STATE_CORRUPT when its file is damaged: nodes with work on them would be forgotten.
 */
export function leftNodes(
  stateDir: string,
  configured: readonly StaticNodeConfig[],
  hasRow: (name: string) => boolean,
): readonly StaticNodeConfig[] {
  const file = path.join(stateDir, 'configured-nodes.json')
  const before = read(file)
  const names = new Set(configured.map(({ name }) => name))
  const left = before.filter(({ name }) => !names.has(name) && hasRow(name))
  const text = `${JSON.stringify([...configured, ...left], null, 1)}\n`
  if (text !== `${JSON.stringify(before, null, 1)}\n`) writeDurable(file, text)
  return left
}

function read(file: string): StaticNodeConfig[] {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '[]'
  try {
    return JSON.parse(text) as StaticNodeConfig[]
  } catch (error) {
    const message = `${file} is damaged: nodes that are not in the configuration any more cannot be reached`
    throw new TdfError('STATE_CORRUPT', message, { cause: error, hint: `mv ${file} ${file}.damaged` })
  }
}
