/** The failure card of a task, with the end of what failed printed, as the daemon has it. */
import type { FailureJson, TaskJson } from '../../src/protocol/control.ts'
import { type CardLine, failureCard, failureOf } from '../../src/text/failure.ts'
import type { Cli } from '../cli/cli.ts'

/** A node that is slow to give its log holds up no answer for longer, in ms. */
const TAIL_MS = 8_000

/**
 * Empty for a task that did not fail; without the output where that cannot be had. `reference` names the attempt, where it is
 * not the newest one.
 */
export async function cardOf(cli: Cli, task: TaskJson, reference = task.id): Promise<CardLine[]> {
  if (failureOf(task) === null) return []
  const path = `/tasks/${encodeURIComponent(reference)}/failure`
  const asked = cli.client().call<FailureJson | null>({ path, timeoutMs: TAIL_MS })
  // The card is worth having without it.
  const lines = await asked.then(failure => failure?.lines ?? []).catch(() => [])
  return failureCard(task, lines.join('\n'))
}
