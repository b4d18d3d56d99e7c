/** `tdf cost`: what agents and machines cost. */
import { Command, Option } from 'commander'
import { COST_KINDS } from '../../src/protocol/upkeep.ts'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { CostOptions } from './cost-run.ts'

export function costCommand(cli: Cli): Command {
  return new Command('cost')
    .description('what agents and machines cost; removed tasks count as well')
    .option('--since <duration>', 'what was spent within this time, to a quarter of an hour', '30d')
    .addOption(new Option('--by <side>', 'a row for each day, set of labels, agent …').choices(COST_KINDS))
    .addHelpText('after', examples('cost'))
    .action(async (options: CostOptions, command: Command) => {
      const { cost } = await import('./cost-run.ts')
      await cost(cli, options, command)
    })
}
