/** `tdf doctor` on a real home: what it finds right, what it finds wrong, and that each hint mends or shows it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FindingJson } from '../../../../src/protocol/upkeep.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { runs } from '../../../support/command-tree.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'

let home: Home
beforeAll(async () => {
  home = makeHome()
  await home.start()
})
afterAll(() => home.remove())

async function findings(env: Record<string, string> = {}): Promise<{ code: number | null; found: FindingJson[] }> {
  const { code, out, err } = await cliWith(home, { env }, 'doctor', '--json')
  expect(err).toBe('')
  return { code, found: JSON.parse(out) }
}

async function expectFinding(found: FindingJson[], check: string, message: RegExp, state = 'fail'): Promise<string> {
  const bad = found.find(one => one.check === check && one.state === state)
  expect(bad?.message).toMatch(message)
  await runs(bad?.hint ?? '')
  return bad?.hint ?? ''
}

describe('tdf doctor', () => {
  it('looks at everything, in words and as JSON', async () => {
    const { code, found } = await findings()
    expect(code).toBe(0)
    expect(found.map(({ check }) => check)).toEqual([
      ...['node', 'git', 'config', 'state', 'disk', 'mcp', 'socket', 'daemon', 'callbacks'],
      ...['event loop', 'scheduler', 'database', 'storage', 'modes', 'new work', 'nodes', 'agents'],
    ])
    const { out } = await cli(home, 'doctor')
    expect(out).toMatch(/^CHECK +STATE +WHAT\nnode +ok +\d/)
  })

  it('finds a state folder that others may read, and its hint mends it', async () => {
    chmodSync(path.join(home.dir, 'state'), 0o755)
    const { code, found } = await findings()
    expect(code).toBe(1)
    const hint = await expectFinding(found, 'state', /mode 755/)
    execFileSync('sh', ['-c', hint])
    expect((await findings()).code).toBe(0)
  })

  it('finds a key that others may read, and its hint mends it', async () => {
    chmodSync(path.join(home.dir, 'state', 'install.json'), 0o644)
    const { code, found } = await findings()
    expect(code).toBe(1)
    execFileSync('sh', ['-c', await expectFinding(found, 'modes', /install\.json/)])
    expect((await findings()).code).toBe(0)
  })

  it('finds a configuration that is wrong, a git that is not there, and looks at the rest', async () => {
    writeFileSync(path.join(home.dir, 'config.toml'), '[runner]\nagnet = "x"\n')
    const { code, found } = await findings({ PATH: '/nowhere' })
    writeFileSync(path.join(home.dir, 'config.toml'), '')
    expect(code).toBe(1)
    await expectFinding(found, 'config', /agnet/)
    await expectFinding(found, 'git', /cannot be run/)
    expect(found.find(({ check }) => check === 'socket')?.state).toBe('ok')
  })

  it('finds a disk below the limit', async () => {
    await expectFinding((await findings({ TDF_DISK__LOW: '1000TiB' })).found, 'disk', /GiB free/)
  })

  it('finds that there is no daemon, and says what starts one', async () => {
    const { code, found } = await findings({ TDF_HOST: '/nowhere/tdf.sock' })
    expect(code).toBe(1)
    expect(await expectFinding(found, 'daemon', /no socket \/nowhere\/tdf.sock \(from TDF_HOST\)/)).toBe(
      'tdf daemon start',
    )
  })
})
