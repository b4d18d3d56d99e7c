/** `tdf watch` without a task: events as they happen, one object a line. */
import type { Cli } from './cli.ts'
import { followEvents } from './observe-run.ts'

export async function watchAll(cli: Cli): Promise<void> {
  await followEvents(cli, 'now')
}
