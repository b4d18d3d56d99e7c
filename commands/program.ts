/** The command tree. What a command needs beyond its options is loaded when it runs. */
import { Command, Option } from 'commander'
import { VERSION } from '../src/version.ts'
import type { Cli } from './cli.ts'
import { daemonCommand } from './daemon.ts'
import { FORMATS } from './output.ts'
import { submitCommand } from './submit.ts'

export function buildProgram(cli: Cli): Command {
  const program = new Command('tdf')
    .description('Runs coding-agent tasks on machines you own, and never loses one.')
    .version(VERSION, '--version', 'print the version and nothing else')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(FORMATS))
    .option('--json', 'the same as -o json')
    .option('-q, --quiet', 'the same as -o id')
    .option('--no-input', 'never ask')
    .option('--yes', 'answer every question with yes')
    .showHelpAfterError('(try: tdf --help)')
    .exitOverride()
    .configureOutput({ writeErr: text => void cli.stderr.write(text) })
    .enablePositionalOptions(false)
  for (const command of [submitCommand(cli), daemonCommand(cli)]) {
    command.exitOverride()
    program.addCommand(command)
  }
  return program
}
