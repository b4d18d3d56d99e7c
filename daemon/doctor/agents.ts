/** Whether the programs of the agents are there for the local node; other machines have their own. */
import process from 'node:process'
import type { FindingJson } from '../../src/protocol/control.ts'
import type { Engine } from '../deps.ts'
import { isOnPath } from '../search-path.ts'

export function checkAgents({ config, providers }: Engine): FindingJson[] {
  if (!providers.local) return []
  const searchPath = process.env.PATH ?? ''
  const agents = Object.entries(config.agents).filter(([, { command }]) => command.length > 0)
  const isThere = ([, { command }]: (typeof agents)[number]) => isOnPath(command[0] ?? '', searchPath)
  const there = agents.filter(isThere).map(([name]) => name)
  const missing = agents.filter(agent => !isThere(agent)).map(([name]) => name)
  const preferred = config.runner.agent
  if (preferred !== '' && missing.includes(preferred)) {
    const message = `${preferred}, the default, is not on the PATH of the daemon: ${searchPath}`
    return [{ check: 'agents', state: 'fail', message, hint: 'tdf config show --origin' }]
  }
  if (there.length === 0) {
    const message = `none of ${missing.join(', ')} is on the PATH of the daemon; any program runs behind "--"`
    return [{ check: 'agents', state: 'warn', message, hint: 'tdf submit --help' }]
  }
  const also = missing.length > 0 ? `; not there: ${missing.join(', ')}` : ''
  return [{ check: 'agents', state: 'ok', message: `${there.join(', ')}${also}`, hint: null }]
}
