/** Prints what was spent, with its sum, and what of it is not known. */
import type { Command } from 'commander'
import { realWorld } from '../../src/platform/world.ts'
import type { CostJson, CostKind, CostsJson } from '../../src/protocol/upkeep.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { type Cli, durationOf, say, shapeOf } from '../cli/cli.ts'
import { type Column, printList } from '../cli/table.ts'

export interface CostOptions {
  since: string
  by?: CostKind
}

export async function cost(cli: Cli, { since, by }: CostOptions, command: Command): Promise<void> {
  const shape = shapeOf(cli, command)
  const from = realWorld().clock.now() - durationOf(since, '--since')
  const query = new URLSearchParams({ since: String(Math.max(from, 0)), ...(by === undefined ? {} : { by }) })
  const { rows, unpriced } = await cli.client().call<CostsJson>({ path: `/costs?${query}` })
  const isText = shape.format === 'table' || shape.format === 'wide'
  if (isText && by !== undefined && rows.length === 0) return say(cli, `nothing was spent within ${since}`)
  const shown = isText && by !== undefined && rows.length > 1 ? [...rows, sumOf(rows)] : rows
  printList(cli, shape, shown, { columns: columnsOf(by, shape.format === 'csv'), id: ({ key }) => key ?? '-' })
  if (isText && unpriced.length > 0) say(cli, unpricedText(unpriced))
}

/** A task that ran on two days counts in both rows: their number has no sum. */
function sumOf(rows: readonly CostJson[]): CostJson & { isSum: true } {
  const known = rows.flatMap(({ costUsd }) => costUsd ?? [])
  const add = (of: (row: CostJson) => number) => rows.reduce((sum, row) => sum + of(row), 0)
  return {
    key: 'total',
    tasks: 0,
    inputTokens: add(row => row.inputTokens),
    outputTokens: add(row => row.outputTokens),
    costUsd: known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0),
    machineUsd: add(row => row.machineUsd),
    unpriced: add(row => row.unpriced),
    isSum: true,
  }
}

/** For programs the numbers as they are. */
function columnsOf(by: CostKind | undefined, isExact: boolean): Column<CostJson & { isSum?: true }>[] {
  const money = (usd: number | null) =>
    usd === null ? (isExact ? '' : '-') : isExact ? String(usd) : `$${usd.toFixed(2)}`
  return [
    { title: (by ?? 'what').toUpperCase(), of: ({ key }) => oneLine(key ?? (by === undefined ? 'all' : '-')) },
    { title: 'TASKS', of: ({ tasks, isSum }) => (isSum ? '' : String(tasks)) },
    { title: 'INPUT', of: ({ inputTokens }) => String(inputTokens) },
    { title: 'OUTPUT', of: ({ outputTokens }) => String(outputTokens) },
    { title: 'AGENTS', of: ({ costUsd }) => money(costUsd) },
    { title: 'MACHINES', of: ({ machineUsd }) => money(machineUsd) },
    { title: 'TOTAL', of: ({ costUsd, machineUsd }) => money((costUsd ?? 0) + machineUsd) },
  ]
}

function unpricedText(agents: readonly string[]): string {
  const names = agents.join(', ')
  const which = agents.length === 1 ? `agent ${names} is` : `agents ${names} is`
  return `what the ${which} paid for is not known and counts as $0; give [agents.${agents[0]}] its input_price and output_price`
}
