/** The units of the machine's service as systemd itself judges them; needs `systemd-analyze` and nothing that runs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { unitsOf } from '../../../src/systemd/units.ts'

/** systemd's own scale: 0 is sealed, 10 is open. */
const EXPOSURE_MAX = 2.0

let folder: string
const file = (name: string) => path.join(folder, name)
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-units-'))
  const [node, program] = [process.execPath, path.resolve('dist/tdf.js')]
  const agent = { agentProgram: path.resolve('dist/tdf-agent.js'), agentState: '', agentToken: '' }
  const units = unitsOf({ scope: 'system', node, program, ...agent, environment: {} })
  for (const { name, text } of units) writeFileSync(file(name), text)
})
afterAll(() => rmSync(folder, { recursive: true }))

it.each(['tdfd.service', 'tdf-agent.service', 'tdf-reap.service', 'tdf-reap.timer'])('%s is understood whole', name => {
  const said = execFileSync('sh', ['-c', `systemd-analyze verify --man=no ${file(name)} 2>&1`], { encoding: 'utf8' })
  expect(said.split('\n').filter(line => line.includes(folder))).toEqual([])
})

it(`the daemon's exposure is at most ${EXPOSURE_MAX}`, () => {
  const said = execFileSync('systemd-analyze', ['security', '--offline=yes', file('tdfd.service')], {
    encoding: 'utf8',
  })
  const exposure = Number(/exposure level for tdfd\.service: ([\d.]+)/.exec(said)?.[1])
  expect(exposure).toBeLessThanOrEqual(EXPOSURE_MAX)
})
