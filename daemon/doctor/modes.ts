/** Whether somebody else may look into the state: its folder, its databases, its keys. */
import path from 'node:path'
import type { FindingJson } from '../../src/protocol/control.ts'
import { openToOthers } from '../care/modes.ts'

export function checkModes(stateDir: string): FindingJson[] {
  const open = openToOthers(stateDir)
  if (open.length === 0) return [{ check: 'modes', state: 'ok', message: 'nobody else may read the state', hint: null }]
  return open.map(name => {
    const file = path.join(stateDir, name)
    const message = `others may look into ${file}`
    return { check: 'modes', state: 'fail', message, hint: `chmod go= '${file.replaceAll("'", "'\\''")}'` }
  })
}
