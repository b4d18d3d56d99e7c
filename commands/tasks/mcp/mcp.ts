/** `tdf mcp`: the Model Context Protocol on stdin and stdout, by which agents hand work over. */
import { Command, Option } from 'commander'
import { amount, collectLabel, notEmpty, wholeNumber } from '../../cli/arguments.ts'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'
import type { McpOptions } from './door.ts'

export function mcpCommand(cli: Cli): Command {
  return new Command('mcp')
    .description('tools for agents: the Model Context Protocol on stdin and stdout')
    .option('--read-only', 'only the tools that look')
    .option('--may-answer', 'also allow or deny what agents of tasks ask for')
    .addOption(new Option('--max-tasks <count>', 'how many tasks it submits in all').argParser(wholeNumber))
    .addOption(
      new Option('--max-cost <usd>', 'what its tasks may cost in all; each of them says its share').argParser(amount),
    )
    .addOption(
      new Option(
        '--label <key=value>',
        'on all its tasks; may be given several times; those with the same labels share their limits',
      )
        .default({})
        .argParser(collectLabel),
    )
    .addOption(
      new Option(
        '--repo <path-or-url>',
        'only these repositories and those in these folders; may be given several times',
      )
        .default([])
        .argParser((repository: string, known: string[]) => [...known, notEmpty(repository)]),
    )
    .addHelpText('after', examples('mcp'))
    .action(async (options: McpOptions, command: Command) => {
      const { serve } = await import('./serve.ts')
      await serve(cli, options, command)
    })
}
