/** `daemon start|restart|logs` with stand-ins for systemd's programs: what they are asked for, and how they fail. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runs } from '../../../support/command-tree.ts'
import { makeHome, tdfWith } from '../../../support/daemon/home.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tdf-service-'))
const home = makeHome()
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await home.remove()
})

function standIn(exit: number): string {
  const bin = path.join(folder, `bin-${exit}`)
  mkdirSync(bin, { recursive: true })
  for (const name of ['systemctl', 'journalctl']) {
    const script = `#!/bin/sh\necho "${name} $*"\n[ ${exit} -eq 0 ] || echo "Unit tdfd.service not found." >&2\nexit ${exit}\n`
    writeFileSync(path.join(bin, name), script, { mode: 0o755 })
  }
  return `${bin}:${process.env.PATH}`
}
const tdf = (PATH: string, ...words: string[]) => tdfWith(home, { env: { PATH } }, ...words)

it('daemon start and restart are asked of the manager, and a service that is not there is said', async () => {
  for (const verb of ['start', 'restart']) {
    expect(await tdf(standIn(0), 'daemon', verb, '--user')).toMatchObject({ code: 0, out: '' })
    const failed = await tdf(standIn(5), 'daemon', verb, '--user', '--json')
    expect([failed.code, failed.out]).toEqual([1, ''])
    const { error } = JSON.parse(failed.err)
    expect(error.message).toBe(`the service did not ${verb}: Unit tdfd.service not found.`)
    await runs(error.hint)
  }
})

it('daemon logs are those of the journal', async () => {
  expect((await tdf(standIn(0), 'daemon', 'logs', '--user', '--tail', '7')).out).toBe(
    'journalctl --user --unit tdfd --lines 7 --output cat --no-pager\n',
  )
  expect((await tdf(standIn(0), 'daemon', 'logs', '--system', '-f')).out).toBe(
    'journalctl --unit tdfd --lines 100 --output cat --follow\n',
  )
  expect((await tdf(standIn(5), 'daemon', 'logs', '--user')).code).toBe(5)
})
