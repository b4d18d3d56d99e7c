/** `tdf db`: the database that everything is in, a file or one that daemons share. */
import { Command } from 'commander'
import type { Cli } from '../../cli/cli.ts'
import { examples } from '../../cli/examples.ts'

export function dbCommand(cli: Cli): Command {
  const db = new Command('db')
    .description('the database: back it up, check it, put it back')
    .addHelpText('after', examples('db'))
  db.command('backup')
    .description('write a copy, while the daemon runs or not')
    .option('--to <file>', 'also copy it here')
    .addHelpText('after', examples('db backup'))
    .action(async (options: { to?: string }, command: Command) => {
      const { backup } = await import('./backup.ts')
      await backup(cli, command, options.to)
    })
  db.command('check')
    .description('whether the database, or a backup, is whole; exit 78 when not')
    .argument('[file]', 'a backup; without it the database itself: a file needs the daemon to be down')
    .addHelpText('after', examples('db check'))
    .action(async (file: string | undefined, _options, command: Command) => {
      const { checkShared, sharedUrl } = await import('./shared.ts')
      const url = file === undefined ? sharedUrl(cli) : null
      if (url !== null) return checkShared(cli, command, url)
      const { check } = await import('./run.ts')
      check(cli, command, file)
    })
  db.command('restore')
    .description('put a backup in the place of the database, which is kept aside; every daemon must be down')
    .argument('[file]', 'the backup; without it the newest one')
    .addHelpText('after', examples('db restore'))
    .action(async (file: string | undefined, _options, command: Command) => {
      const { restoreShared, sharedUrl } = await import('./shared.ts')
      const url = sharedUrl(cli)
      if (url !== null) return restoreShared(cli, command, url, file)
      const { restore } = await import('./run.ts')
      await restore(cli, command, file)
    })
  db.command('export')
    .description('take everything into a PostgreSQL that daemons share; the daemon must be down')
    .option('--to <url>', 'the database; without it [store] url')
    .addHelpText('after', examples('db export'))
    .action(async (options: { to?: string }, command: Command) => {
      const { exportDatabase } = await import('./move.ts')
      await exportDatabase(cli, command, options.to)
    })
  db.command('import')
    .description('take everything back into a file of this machine; no daemon may serve')
    .option('--from <url>', 'the database; without it [store] url')
    .addHelpText('after', examples('db import'))
    .action(async (options: { from?: string }, command: Command) => {
      const { importDatabase } = await import('./move.ts')
      await importDatabase(cli, command, options.from)
    })
  return db
}
