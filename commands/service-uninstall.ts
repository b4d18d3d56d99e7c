/** Stops the service and takes its units away. State, results, secrets and users stay: they may hold what you want. */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../src/errors.ts'
import { unitsOf } from '../src/systemd/units.ts'
import { type Cli, print, say } from './cli.ts'
import { must, placeOf, type ScopeOptions, systemctl } from './service-place.ts'

export async function uninstall(cli: Cli, chosen: ScopeOptions): Promise<void> {
  const { scope, unitDir, options } = placeOf(cli, chosen)
  const files = unitsOf(options).map(({ name }) => path.join(unitDir, name))
  if (chosen.print) return print(cli, files.join('\n'))
  const found = files.filter(file => existsSync(file))
  if (found.length === 0) {
    throw new TdfError('NOT_FOUND', `no service is installed in ${unitDir}`, { hint: 'tdf daemon install --print' })
  }
  const names = found.map(file => path.basename(file))
  await must('the service did not stop', systemctl(cli, scope, 'disable', '--now', ...names), 'systemctl status tdfd')
  for (const file of found) rmSync(file)
  await must('systemd did not forget the units', systemctl(cli, scope, 'daemon-reload'), 'systemctl daemon-reload')
  const state = scope === 'system' ? '/var/lib/tdf, /var/lib/tdf-agent and /etc/tdf' : cli.paths().stateDir
  say(cli, `the service is gone; what it knew stays in ${state}`)
}
