/** `tdf config`: what is in force, where it comes from, and whether a file is right. No daemon is needed. */
import { Command } from 'commander'
import { type Cli, formatOf, printJson, printOne, say, shapeOf } from '../cli/cli.ts'
import { examples } from '../cli/examples.ts'
import type { Column } from '../cli/table.ts'

interface Row {
  key: string
  value: string
  origin: string
  apply: string
}

export function configCommand(cli: Cli): Command {
  const config = new Command('config').description('the configuration').addHelpText('after', examples('config'))
  const load = async () => {
    const { loadConfig } = await import('../../src/config/load/load.ts')
    return loadConfig({ file: cli.paths().configFile, env: cli.env })
  }
  config
    .command('check')
    .description('whether the file and the environment are right; exit 78 when not')
    .addHelpText('after', examples('config check'))
    .action(async (_options, command: Command) => {
      const { warnings } = await load()
      for (const warning of warnings) say(cli, `warning: ${warning}`)
      const file = cli.paths().configFile
      const text = () => `${file}: right`
      printOne(cli, formatOf(command), { ok: true, file, warnings }, { id: file, text })
    })
  config
    .command('show')
    .description('every key with its value; secrets are masked')
    .option('--origin', 'and where it comes from')
    .addHelpText('after', examples('config show'))
    .action(async (options: { origin?: boolean }, command: Command) => {
      const [{ describeConfig }, { printList }] = await Promise.all([
        import('../../src/config/show/describe.ts'),
        import('../cli/table.ts'),
      ])
      const rows = describeConfig(await load())
      const columns = options.origin ? [...keyColumns, ...originColumns] : keyColumns
      printList(cli, { ...shapeOf(cli, command), width: undefined }, rows, { columns, id: ({ key }) => key })
    })
  config
    .command('example')
    .description('a file with every key, its meaning and its default')
    .addHelpText('after', examples('config example'))
    .action(async (_options, command: Command) => {
      const { exampleToml } = await import('../../src/config/show/example.ts')
      const toml = exampleToml()
      printOne(cli, formatOf(command), { toml }, { id: toml, text: () => toml })
    })
  config
    .command('path')
    .description('the file that is read')
    .addHelpText('after', examples('config path'))
    .action((_options, command: Command) => {
      const { configFile } = cli.paths()
      printOne(cli, formatOf(command), { path: configFile }, { id: configFile, text: () => configFile })
    })
  config
    .command('schema')
    .description('a JSON Schema of the file, for editors')
    .addHelpText('after', examples('config schema'))
    .action(async () => {
      const { configJsonSchema } = await import('../../src/config/show/manual.ts')
      printJson(cli, configJsonSchema(), 2)
    })
  return config
}

const keyColumns: readonly Column<Row>[] = [
  { title: 'KEY', of: ({ key }) => key },
  { title: 'VALUE', of: ({ value }) => value },
]
const originColumns: readonly Column<Row>[] = [
  { title: 'ORIGIN', of: ({ origin }) => origin },
  { title: 'A CHANGE NEEDS', of: ({ apply }) => apply },
]
