/** `tdf daemon drain`: begin nothing more and wait until nothing runs, for work on the machine. */
import { Command } from 'commander'
import { TdfError } from '../src/errors.ts'
import type { DaemonStatusJson } from '../src/protocol/control.ts'
import { realWorld, sleep } from '../src/world.ts'
import { type Cli, durationOf, formatOf, printJson, say } from './cli.ts'
import { examples } from './examples.ts'

interface DrainOptions {
  undo?: boolean
  wait: boolean
  timeout?: string
}

const LOOK_MS = 500
const FOREVER_MS = Number.POSITIVE_INFINITY

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
  let told = -1
  for (;;) {
    const status = await cli.client().call<DaemonStatusJson>({ path: '/status' })
    const count = running(status)
    if (count === 0) return status
    if (count !== told) say(cli, `waiting for ${count} ${count === 1 ? 'task' : 'tasks'} to end`)
    told = count
    if (clock.mono() > limit) {
      throw new TdfError('WAIT_TIMEOUT', `${count} still run; nothing more is begun`, { hint: 'tdf ls' })
    }
    await sleep(clock, LOOK_MS)
  }
}

/** What has a place on a node. */
const running = ({ tasks }: DaemonStatusJson) => (tasks.delegated ?? 0) + (tasks.in_progress ?? 0)
