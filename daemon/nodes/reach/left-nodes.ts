/**
 * How nodes that were taken out of the configuration were last reached: what still runs on them comes home that way. Kept
 * in the state folder, since the configuration knows nothing of them any more.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { StaticNodeConfig } from '../../../src/config/schema/schema.ts'
import { writeDurable } from '../../../src/platform/files.ts'

/** Notes the configured nodes, and answers those of earlier that are not among them and are still known by `hasRow`. */
export function leftNodes(
  stateDir: string,
  configured: readonly StaticNodeConfig[],
  hasRow: (name: string) => boolean,
): readonly StaticNodeConfig[] {
  const file = path.join(stateDir, 'configured-nodes.json')
  // We wrote it, whole.
  const before = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []) as StaticNodeConfig[]
  const names = new Set(configured.map(({ name }) => name))
  const left = before.filter(({ name }) => !names.has(name) && hasRow(name))
  const text = `${JSON.stringify([...configured, ...left], null, 1)}\n`
  if (text !== `${JSON.stringify(before, null, 1)}\n`) writeDurable(file, text)
  return left
}
