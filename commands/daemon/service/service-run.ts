/** Writes the units, makes what they need, and starts them. Doing it again changes nothing. */
import { constants, existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { TdfError } from '../../../src/core/errors.ts'
import { createDurable, makeFolder, writeDurable } from '../../../src/platform/files.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { Unit } from '../../../src/systemd/unit.ts'
import { STARTED, unitsOf } from '../../../src/systemd/units.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, type Format, printOne, say } from '../../cli/cli.ts'
import {
  must,
  type Place,
  passwordVariables,
  placeOf,
  type ScopeOptions,
  systemctl,
  textOf,
  tool,
} from './service-place.ts'

const SECRETS = '/etc/tdf/secrets'

export async function install(cli: Cli, chosen: ScopeOptions, format: Format): Promise<void> {
  const place = placeOf(cli, chosen)
  const units = unitsOf(place.options)
  if (chosen.print) return printUnits(cli, place, units, format)
  refuseWithoutSystemd(place)
  const missing = units.filter(unit => needsWriting(place, unit))
  if (place.scope === 'system') await prepareSystem(cli, place)
  else writeToken(place.options.agentToken)
  mkdirSync(place.unitDir, { recursive: true })
  for (const { name, text } of missing) writeDurable(path.join(place.unitDir, name), text, 0o644)
  await must('systemd did not take the units', systemctl(cli, place.scope, 'daemon-reload'), 'systemctl status')
  const started = STARTED.filter(name => units.some(unit => unit.name === name))
  const user = place.scope === 'user' ? ' --user' : ''
  const enabled = systemctl(cli, place.scope, 'enable', '--now', ...started)
  await must('the service did not start', enabled, `journalctl${user} -u tdfd -n 50`)
  say(cli, `tdfd runs and starts again by itself: systemctl${user} status tdfd`)
  if (place.scope === 'user') say(cli, 'to let it run while you are logged out: loginctl enable-linger "$USER"')
  else say(cli, 'to let a person use it: usermod -aG tdf NAME')
  sayLeftOut(cli, user)
}

function printUnits(cli: Cli, { unitDir }: Place, units: readonly Unit[], format: Format): void {
  const files = units.map(({ name, text }) => ({ name, path: path.join(unitDir, name), text }))
  const text = () => files.map(file => `# ${file.path}\n${file.text}`).join('\n')
  printOne(cli, format, files, { id: files.map(({ name }) => name).join('\n'), text })
}

function sayLeftOut(cli: Cli, user: string): void {
  const names = passwordVariables(cli)
  if (names.length === 0) return
  say(cli, `not in the units, since everybody may read them: ${names.join(', ')} (with a password)`)
  say(cli, `to set them for the service: systemctl${user} edit tdfd tdf-agent`)
}

/** sd_booted(3): this folder is there exactly when systemd is the machine's manager. */
function refuseWithoutSystemd({ scope }: Place): void {
  if (!existsSync('/run/systemd/system')) {
    throw new TdfError('SERVICE_FAILED', 'systemd does not manage this machine', { hint: 'tdf daemon start' })
  }
  if (scope === 'system' && process.getuid?.() !== 0) {
    const message = 'the service of the machine is installed by root'
    throw new TdfError('FORBIDDEN', message, { hint: 'sudo tdf daemon install --system' })
  }
}

/** An installed unit is its owner's: what differs is never written over. */
function needsWriting({ unitDir }: Place, { name, text }: Unit): boolean {
  const file = path.join(unitDir, name)
  const found = textOf(file)
  if (found === null) return true
  if (found === text) return false
  const message = `${file} exists with other content; it was left as it is`
  throw new TdfError('WRONG_STATE', message, { hint: 'tdf daemon uninstall' })
}

async function prepareSystem(cli: Cli, { options }: Place): Promise<void> {
  const packageDir = path.dirname(path.dirname(options.program))
  for (const file of [options.node, options.program, options.agentProgram]) refuseHidden(file, packageDir)
  for (const name of ['tdf', 'tdf-agent']) await makeUser(cli, name)
  mkdirSync('/etc/tdf', { recursive: true, mode: 0o755 })
  mkdirSync(SECRETS, { recursive: true, mode: 0o700 })
  writeToken(path.join(SECRETS, 'agent-token'))
}

/** Folders that the service sees empty. */
const HIDDEN = ['/home/', '/root/', '/run/user/', '/tmp/', '/var/tmp/']

/** It runs as a user who owns none of the programs. */
function refuseHidden(file: string, packageDir: string): void {
  if (!HIDDEN.some(folder => file.startsWith(folder)) && isOpenToAll(file)) return
  throw new TdfError('SERVICE_FAILED', `the service of the machine cannot read ${file}`, {
    hint: `sudo npm install --global --prefix /usr/local --install-links --ignore-scripts ${quoted(packageDir)}`,
  })
}

function isOpenToAll(file: string): boolean {
  let at = file
  let wanted = constants.S_IROTH
  while (at !== '/') {
    if (!(statSync(at).mode & wanted)) return false
    at = path.dirname(at)
    wanted = constants.S_IXOTH
  }
  return true
}

async function makeUser({ env }: Cli, name: string): Promise<void> {
  if ((await tool(env, 'id', '--user', name)).exitCode === 0) return
  const home = `/var/lib/${name}`
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', home, '--shell', '/usr/sbin/nologin']
  await must(`the user ${name} could not be made`, tool(env, 'useradd', ...options, name), 'journalctl -n 20')
}

function writeToken(file: string): void {
  if (existsSync(file)) return
  makeFolder(path.dirname(file))
  const secret = realWorld().random.bytes(32).toString('base64url')
  createDurable(file, `${secret}\n`)
}

/**
 * Stops the service and removes its units. State, results, secrets and users stay: they may hold what the user wants.
 */
export async function uninstall(cli: Cli, chosen: ScopeOptions, format: Format): Promise<void> {
  const { scope, unitDir, options } = placeOf(cli, chosen)
  const files = unitsOf(options).map(({ name }) => path.join(unitDir, name))
  const list = files.join('\n')
  if (chosen.print) return printOne(cli, format, files, { id: list, text: () => list })
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

export async function control(cli: Cli, verb: 'start' | 'restart', chosen: ScopeOptions): Promise<void> {
  const { scope } = placeOf(cli, chosen)
  const hint = scope === 'user' ? 'tdf daemon install --user' : 'sudo tdf daemon install --system'
  await must(`the service did not ${verb}`, systemctl(cli, scope, verb, 'tdfd'), hint)
  say(cli, 'tdfd runs: tdf daemon status')
}
