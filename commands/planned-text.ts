/** What a submit would do, for people. */
import { formatDurationShort } from '../src/duration.ts'
import type { ForecastJson } from '../src/protocol/control.ts'
import { oneLine } from '../src/sanitize.ts'
import type { TaskSpec } from '../src/task.ts'
import { pairs } from './output.ts'

/** The daemon's answer to `--dry-run`: what would be stored, without an id. */
export type PlannedTask = { id: null; placement: ForecastJson } & TaskSpec

export function plannedText(task: PlannedTask): string {
  const { repo, agent, timeoutMs, labels } = task
  const wishes = [task.node, task.provider, task.size, task.location].filter(wish => wish !== null)
  const facts = pairs([
    ['title', oneLine(task.title)],
    ['agent', oneLine(`${agent.name} (${agent.command.join(' ')})`)],
    ['repository', oneLine(`${repo.url}${repo.ref ? ` at ${repo.ref}` : ''}`)],
    ['base', repo.baseCommit?.slice(0, 12)],
    ['branch', oneLine(task.outputBranch)],
    ['setup', task.setup && oneLine(task.setup.command)],
    ['then', task.push && oneLine(`${task.push.pr ? 'a pull request' : 'a push'} to ${task.push.remote}`)],
    ['check', task.check && oneLine(task.check)],
    ['only on', wishes.length > 0 ? oneLine(wishes.join(', ')) : null],
    ['ends after', timeoutMs === null ? null : formatDurationShort(timeoutMs)],
    [
      'labels',
      oneLine(
        Object.entries(labels)
          .map(entry => entry.join('='))
          .join(', '),
      ),
    ],
    ['priority', task.priority === 0 ? null : String(task.priority)],
    ['would run', forecastText(task.placement)],
  ])
  return `nothing is submitted; this would be:\n${facts}`
}

function forecastText({ how, node, provider, size, location, pricePerHour, why }: ForecastJson): string {
  const price = pricePerHour === null ? '' : ` (€${pricePerHour.toFixed(4)} an hour)`
  const machine = [provider, size, location].filter(part => part !== null).join(', ')
  const said = {
    warm: `at once, on ${node}${price}`,
    coming: `on ${node}, as soon as it is up${price}`,
    ordered: `on a new machine: ${machine}${price}`,
    queued: `later; now it would wait: ${why}`,
  }
  return oneLine(said[how])
}
