/** `tdf db`: the database that everything is in. A backup goes through the daemon; the rest needs it to be down. */
import { Command } from 'commander'
import type { Cli } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'

export function dbCommand(cli: Cli): Command {
  const db = new Command('db')
    .description('the database: back it up, check it, put it back')
    .addHelpText('after', examples('db'))
  db.command('backup')
    .description('write a copy, while the daemon runs or not')
    .option('--to <file>', 'also copy it here')
    .addHelpText('after', examples('db backup'))
    .action(async (options: { to?: string }, command: Command) => {
      const { backup } = await import('./db-backup.ts')
      await backup(cli, command, options.to)
    })
  db.command('check')
    .description('whether the database, or a backup, is whole; exit 78 when not')
    .argument('[file]', 'a backup; without it the database itself, and the daemon must be down')
    .addHelpText('after', examples('db check'))
    .action(async (file: string | undefined, _options, command: Command) => {
      const { check } = await import('./db-run.ts')
      check(cli, command, file)
    })
  db.command('restore')
    .description('put a backup in the place of the database, which is kept aside; the daemon must be down')
    .argument('[file]', 'the backup; without it the newest one')
    .addHelpText('after', examples('db restore'))
    .action(async (file: string | undefined, _options, command: Command) => {
      const { restore } = await import('./db-run.ts')
      await restore(cli, command, file)
    })
  db.command('export')
    .description('take everything into a PostgreSQL that daemons share; the daemon must be down')
    .option('--to <url>', 'the database; without it [store] url')
    .addHelpText('after', examples('db export'))
    .action(async (options: { to?: string }, command: Command) => {
      const { exportDatabase } = await import('./db-move.ts')
      await exportDatabase(cli, command, options.to)
    })
  db.command('import')
    .description('take everything back into a file of this machine; no daemon may serve')
    .option('--from <url>', 'the database; without it [store] url')
    .addHelpText('after', examples('db import'))
    .action(async (options: { from?: string }, command: Command) => {
      const { importDatabase } = await import('./db-move.ts')
      await importDatabase(cli, command, options.from)
    })
  return db
}
