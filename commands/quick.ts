/**
 * A second way in, for the commands that people and scripts ask all day: the same code, built as one small CommonJS
 * file without the rest of the tree. `bin/tdf` takes it when the first word is one of these. It halves what `tdf ls` costs
 * beyond Node: 22 modules, each found, read and compiled by itself, were most of that.
 */
import process from 'node:process'
import { rootCommand } from './root.ts'
import { begin, runCli } from './run.ts'
import { lsCommand, showCommand, whyCommand } from './tasks/list.ts'

const { cli, args: words } = begin(__dirname)
runCli(cli, words, () => rootCommand(cli, [{ heading: 'Work:', commands: [lsCommand, showCommand, whyCommand] }])).then(
  code => {
    process.exitCode = code
  },
)
