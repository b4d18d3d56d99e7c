/** What only the daemon can see of itself, for `tdf doctor`. A new check is a function in this list. */
import type { FindingJson } from '../../src/protocol/control.ts'
import type { Engine } from '../deps.ts'
import type { Health } from '../health.ts'
import { checkAgents } from './agents.ts'
import { checkLocal } from './local.ts'
import { checkModes } from './modes.ts'
import { checkNodes } from './nodes.ts'

type Check = (engine: Engine) => FindingJson[] | Promise<FindingJson[]>

const CHECKS: readonly Check[] = [checkAdmission, checkNodes, checkLocal, checkAgents]

export async function examine(engine: Engine, health: Health, stateDir: string): Promise<FindingJson[]> {
  const well = (await health.look()).map(({ name, ok, detail }): FindingJson => {
    return { check: name, state: ok ? 'ok' : 'fail', message: detail, hint: ok ? null : 'tdf errors' }
  })
  const seen = await Promise.all(CHECKS.map(check => check(engine)))
  return [...well, ...checkModes(stateDir), ...seen.flat()]
}

function checkAdmission({ admission }: Engine): FindingJson[] {
  const obstacle = admission.obstacle()
  if (obstacle === null) return [{ check: 'new work', state: 'ok', message: 'it is taken in', hint: null }]
  return [{ check: 'new work', state: 'warn', message: obstacle, hint: 'tdf daemon status' }]
}
