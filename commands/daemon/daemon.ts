/** `tdf daemon`: run it, look at it, end it, make it a service. */
import { Command } from 'commander'
import { TdfError } from '../../src/core/errors.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { DaemonStatusJson } from '../../src/protocol/control.ts'
import { type Cli, durationOf, formatOf, printJson, printOne, say } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import { installCommand, serviceCommands, uninstallCommand } from './service/service.ts'

export function daemonCommand(cli: Cli): Command {
  const daemon = new Command('daemon')
    .description('the daemon that runs the tasks')
    .addHelpText('after', examples('daemon'))
  daemon
    .command('run')
    .description('run it in the foreground, as systemd does')
    .addHelpText('after', examples('daemon run'))
    .action(async () => {
      const { runDaemon } = await import('./run.ts')
      await runDaemon(cli)
    })
  daemon
    .command('status')
    .description('whether it runs, where, and what it holds')
    .addHelpText('after', examples('daemon status'))
    .action(async (_options, command: Command) => {
      const status = await cli.client().call<DaemonStatusJson>({ path: '/status' })
      const { daemonDetails } = await import('./status.ts')
      printOne(cli, formatOf(command), status, { id: String(status.pid), text: daemonDetails })
    })
  daemon
    .command('stop')
    .description('end it in order; tasks go on at the next start')
    .addHelpText('after', examples('daemon stop'))
    .action(async (_options, command: Command) => {
      const { stop } = await import('./stop.ts')
      await stop(cli, formatOf(command))
    })
  daemon
    .command('reload')
    .description('take over a changed configuration, and name what takes a restart')
    .addHelpText('after', examples('daemon reload'))
    .action(async (_options, command: Command) => {
      const { reload } = await import('./stop.ts')
      await reload(cli, formatOf(command))
    })
  daemon.addCommand(drainCommand(cli))
  daemon.addCommand(adoptCommand(cli))
  for (const command of serviceCommands(cli)) daemon.addCommand(command)
  daemon.addCommand(installCommand(cli))
  daemon.addCommand(uninstallCommand(cli))
  return daemon
}

const QUESTION =
  'this state was made on another machine, and two daemons with one identity remove each other’s machines. ' +
  'Is the other one stopped for good?'

export function adoptCommand(cli: Cli): Command {
  return new Command('adopt')
    .description('let a state folder that was moved here from another machine live on')
    .addHelpText('after', examples('daemon adopt'))
    .action(async (_options, command: Command) => {
      const { confirmed } = await import('../cli/ask.ts')
      if (!(await confirmed(cli, command, QUESTION))) return
      const { adoptInstall } = await import('../../src/platform/install.ts')
      const { whileDown } = await import('./db/run.ts')
      const { stateDir } = cli.paths()
      const id = whileDown(stateDir, () => adoptInstall(stateDir))
      if (formatOf(command) === 'json') return printJson(cli, { installId: id })
      say(cli, `${stateDir} belongs to this machine now (installation ${id}); start the daemon`)
    })
}

interface DrainOptions {
  undo?: boolean
  wait: boolean
  timeout?: string
}

const LOOK_MS = 500
const FOREVER_MS = Number.POSITIVE_INFINITY

/** `tdf daemon drain`: begin nothing more and wait until nothing runs, for work on the machine. */
export function drainCommand(cli: Cli): Command {
  return new Command('drain')
    .description('begin no more tasks and wait until none runs; holds over restarts')
    .option('--undo', 'begin tasks again')
    .option('--no-wait', 'do not wait for what runs')
    .option('--timeout <duration>', 'wait at most so long (exit 124)')
    .addHelpText('after', examples('daemon drain'))
    .action(async (options: DrainOptions, command: Command) => {
      const timeoutMs = options.timeout === undefined ? FOREVER_MS : durationOf(options.timeout, '--timeout')
      const path = `/drain${options.undo ? '?undo=true' : ''}`
      let status = await cli.client().call<DaemonStatusJson>({ method: 'POST', path })
      if (options.wait && !options.undo && running(status) > 0) status = await waitForNone(cli, timeoutMs)
      if (formatOf(command) === 'json') return printJson(cli, status)
      say(cli, options.undo ? 'tasks are begun again' : `drained: ${running(status)} run, none is begun`)
    })
}

async function waitForNone(cli: Cli, timeoutMs: number): Promise<DaemonStatusJson> {
  const { clock } = realWorld()
  const limit = clock.mono() + timeoutMs
  let shown = -1
  for (;;) {
    const status = await cli.client().call<DaemonStatusJson>({ path: '/status' })
    const count = running(status)
    if (count === 0) return status
    if (count !== shown) say(cli, `waiting for ${count} ${count === 1 ? 'task' : 'tasks'} to end`)
    shown = count
    if (clock.mono() > limit) {
      throw new TdfError('WAIT_TIMEOUT', `${count} still run; nothing more is begun`, { hint: 'tdf ls' })
    }
    await sleep(clock, LOOK_MS)
  }
}

/** What has a place on a node. */
const running = ({ tasks }: DaemonStatusJson) => (tasks.delegated ?? 0) + (tasks.in_progress ?? 0)
