/** `tdf source` at work. */
import type { Command } from 'commander'
import type { FindingJson, SourceDetailsJson, SourceJson } from '../../../src/protocol/upkeep.ts'
import { issueName } from '../../../src/text/progress/issues.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { localTime } from '../../../src/text/times.ts'
import { type Cli, printOne, say, shapeOf } from '../../cli/cli.ts'
import { pairs, printList, render } from '../../cli/table.ts'

/** A look asks the tracker about each issue that is new. */
const LOOK_MS = 300_000
const CHECK_MS = 120_000

export async function listSources(cli: Cli, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const sources = await cli.client().call<SourceJson[]>({ path: '/sources' })
  if (sources.length === 0 && shape.format === 'table') {
    return say(cli, 'no source is set up; see [[sources]] in: tdf config example')
  }
  printList(cli, shape, sources, {
    id: ({ name }) => name,
    columns: [
      { title: 'NAME', of: ({ name }) => name },
      { title: 'KIND', of: ({ kind }) => kind },
      { title: 'STATE', of: ({ state }) => state },
      { title: 'TASKS', of: ({ live, atMost }) => `${live}/${atMost}` },
      { title: 'WAITING', of: ({ counts }) => String(counts.waiting ?? 0) },
      { title: 'IGNORED', of: ({ counts }) => String(counts.ignored ?? 0) },
      { title: 'LOOKED', of: ({ lookedAt }) => (lookedAt === null ? '-' : localTime(lookedAt)) },
      { title: 'WHAT', of: ({ error, project, label }) => oneLine(error ?? `${project} ${label}`), flexible: true },
    ],
  })
}

export async function showSource(cli: Cli, name: string, command: Command): Promise<void> {
  printSource(cli, await cli.client().call<SourceDetailsJson>({ path: pathOf(name) }), command)
}

/** Throws FORGE_UNAVAILABLE when the tracker cannot be looked at now. */
export async function changeSource(
  cli: Cli,
  name: string,
  verb: 'run' | 'pause' | 'resume',
  command: Command,
): Promise<void> {
  const asked = { method: 'POST', path: pathOf(name), json: { verb }, timeoutMs: LOOK_MS } as const
  printSource(cli, await cli.client().call<SourceDetailsJson>(asked), command)
}

/** Exit code 1 where something is wrong. */
export async function checkSource(cli: Cli, name: string, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const found = await cli.client().call<FindingJson[]>({ path: `${pathOf(name)}/check`, timeoutMs: CHECK_MS })
  if (found.some(({ state }) => state === 'fail')) cli.exitCode = 1
  printList(cli, shape, found, {
    id: ({ check }) => check,
    columns: [
      { title: 'STATE', of: ({ state }) => state },
      { title: 'WHAT', of: ({ message }) => oneLine(message), flexible: true },
    ],
  })
}

const pathOf = (name: string) => `/sources/${encodeURIComponent(name)}`

function printSource(cli: Cli, source: SourceDetailsJson, command: Command): void {
  const shape = shapeOf(cli, command)
  const text = () =>
    [detailsOf(source), ...(source.issues.length === 0 ? [] : ['', issuesOf(source, shape)])].join('\n')
  printOne(cli, shape.format, source, { id: source.name, text })
}

function detailsOf({
  name,
  kind,
  project,
  label,
  template,
  state,
  error,
  lookedAt,
  nextAt,
  live,
  atMost,
}: SourceDetailsJson) {
  return pairs([
    ['source', name],
    ['tracker', oneLine(`${kind} ${project}`)],
    ['label', oneLine(label)],
    ['template', template],
    ['state', state],
    ['error', error && oneLine(error)],
    ['tasks', `${live} of at most ${atMost}`],
    ['looked', lookedAt && localTime(lookedAt)],
    ['next look', nextAt && localTime(nextAt)],
  ])
}

function issuesOf({ issues }: SourceDetailsJson, shape: ReturnType<typeof shapeOf>): string {
  return render(issues, shape, {
    id: ({ id }) => id,
    columns: [
      { title: 'ISSUE', of: ({ id }) => issueName(id) },
      { title: 'STATE', of: ({ state }) => state },
      { title: 'TASK', of: ({ taskId }) => taskId ?? '-' },
      { title: 'BY', of: ({ labelledBy }) => oneLine(labelledBy ?? '-') },
      { title: 'WHAT', of: ({ why, title }) => oneLine(why ?? title), flexible: true },
    ],
  })
}
