/** What `tdf status` says. */
import type { Command } from 'commander'
import { asTdfError, ERRORS } from '../../src/core/errors.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { DaemonStatusJson, TaskJson } from '../../src/protocol/control.ts'
import { isFailedLately } from '../../src/text/urgency.ts'
import { shortState } from '../../src/tui/terminal/attention.ts'
import { type Cli, formatOf, print, printOne } from '../cli/cli.ts'

const FAILED_MAX = 100

interface Summary {
  running: number
  needYou: number
  queued: number
  parked: number
  /** Within the last day; at most `FAILED_MAX` are counted. */
  failedLately: number
  /** Of all that are kept. */
  completed: number
}

/** Without a daemon a prompt stays empty and quiet; the exit code says it. */
export async function status(cli: Cli, isShort: boolean, command: Command): Promise<void> {
  if (!isShort) return printSummary(cli, await summaryOf(cli), command)
  try {
    const summary = await summaryOf(cli)
    const text = shortState(summary.running, summary.needYou, summary.failedLately)
    if (formatOf(command) !== 'table') printSummary(cli, summary, command)
    else if (text !== '') print(cli, text)
  } catch (thrown) {
    cli.exitCode = ERRORS[asTdfError(thrown).code].exit
  }
}

async function summaryOf(cli: Cli): Promise<Summary> {
  const client = cli.client()
  const now = realWorld().clock.now()
  const [{ tasks: counts }, running, failed] = await Promise.all([
    client.call<DaemonStatusJson>({ path: '/status' }),
    client.call<TaskJson[]>({ path: '/tasks?status=in_progress&status=delegated' }),
    client.call<TaskJson[]>({ path: `/tasks?status=failed&limit=${FAILED_MAX}` }),
  ])
  const needYou = running.filter(({ step }) => step === 'awaiting_followup').length
  return {
    running: running.length - needYou,
    needYou,
    queued: counts.queued ?? 0,
    parked: counts.parked ?? 0,
    failedLately: failed.filter(task => isFailedLately(task, now)).length,
    completed: counts.completed ?? 0,
  }
}

function printSummary(cli: Cli, summary: Summary, command: Command): void {
  printOne(cli, formatOf(command), summary, { id: textOf(summary), text: textOf })
}

function textOf({ running, needYou, queued, parked, failedLately, completed }: Summary): string {
  const parts = [
    needYou > 0 && `? ${needYou} waiting for you`,
    running > 0 && `▶ ${running} running`,
    queued > 0 && `○ ${queued} queued`,
    parked > 0 && `= ${parked} parked`,
    failedLately > 0 && `✗ ${failedLately} failed today`,
    completed > 0 && `✓ ${completed} done`,
  ].filter(Boolean)
  return parts.length === 0 ? 'nothing to do' : parts.join('  ')
}
