/** Help texts as people read them. `npm run golden` writes them anew; read the difference before you commit it. */
import path from 'node:path'
import type { Option } from 'commander'
import { describe, expect, it } from 'vitest'
import { createCli } from '../../../../commands/cli/cli.ts'
import { COLUMNS } from '../../../../commands/cli/examples.ts'
import { buildProgram } from '../../../../commands/program.ts'
import { taskColumns } from '../../../../commands/tasks/task-text.ts'
import { cli } from '../../../support/cli.ts'
import { parses, wordsOf } from '../../../support/command-tree.ts'

const golden = path.join(import.meta.dirname, '..', '..', '..', 'golden', 'help')
const program = buildProgram(createCli(process, '/nowhere'))

type Program = typeof program
function all(command: Program, name: string): [string, Program][] {
  const children = command.commands.flatMap(child => all(child, `${name} ${child.name()}`))
  return [[name, command], ...children]
}

const commands = all(program, 'tdf')

function helpOf(command: Program): string {
  let text = ''
  command.configureOutput({
    writeOut: piece => (text += piece),
    getOutHasColors: () => false,
    getOutHelpWidth: () => 100,
  })
  command.outputHelp()
  return text
}

it.each(commands)('%s --help', async (name, command) => {
  await expect(helpOf(command)).toMatchFileSnapshot(path.join(golden, `${name.replaceAll(' ', '-')}.txt`))
})

describe.each(commands)('the help of %s', (_, command) => {
  const text = helpOf(command)
  const oneLine = text.replace(/\s+/g, ' ')

  it('ends with examples that the command tree takes', async () => {
    const lines = /\nExamples:\n((?: {2}.+\n)+)\n$/.exec(text)?.[1]?.trim().split('\n') ?? []
    expect(lines).not.toEqual([])
    for (const line of lines) await expect(takes(line), line).resolves.toBeUndefined()
  })

  it('names the options that every command takes', () => {
    for (const { long, flags } of program.options) {
      if (long !== '--version') expect(text).toContain(flags)
    }
  })

  it('prints the values that an option or argument takes', () => {
    const choosing = [...command.options, ...program.options, ...command.registeredArguments]
    for (const { argChoices } of choosing) {
      if (argChoices) expect(oneLine).toContain(`one of: ${argChoices.join(', ')}`)
    }
    const columns = COLUMNS[pathOf(command)]
    if (columns) expect(text).toContain(`Columns:\n  ${columns.join(', ')}\n`)
  })

  it('shows no value of the code', () => {
    expect(text).not.toMatch(/undefined|\[object|=>|default: (?:\[\]|\{|""|null|true|false)/)
  })
})

const pathOf = (command: Program): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : ''

/** Parses each command of tdf in a line for a shell; rejects with what the parser says. */
async function takes(line: string): Promise<void> {
  const parts = line.split(/ && | \|\| | \| |\$\(|; /).map(part => part.replace(/\)".*$|\)$/, ''))
  const own = parts.flatMap(part => /(?:^|[" ])tdf( .*)?$/.exec(part)?.[1]?.replace(/ [<>].*$/, '') ?? [])
  if (own.length === 0) throw new Error(`no command of tdf: ${line}`)
  for (const words of own) await parses(wordsOf(words.trim()))
}

describe('the values that are known', () => {
  const isOpen = ({ argChoices }: Pick<Option, 'argChoices'>) => argChoices === undefined
  it.each(['--status', '--for', '--output', '--color', '--permissions', '--provider'])('of %s are named', name => {
    const options = commands.flatMap(([, { options }]) => options.filter(({ long }) => long === name))
    expect(options.length).toBeGreaterThan(0)
    expect(options.filter(isOpen)).toEqual([])
  })

  it('of columns are those of the tables', () => {
    const keys = taskColumns(0).map(({ title }) => title.toLowerCase().replaceAll(' ', '-'))
    expect(COLUMNS.ls).toEqual(keys)
  })
})

describe('help about a command that does not exist', () => {
  it.each([
    [['help', 'lst'], /'lst' \(did you mean list\?\)/, 'tdf list --help'],
    [['lst', '--help'], /'lst'/, 'tdf list --help'],
    [['foo', '--help'], /unknown command 'foo'/, 'tdf --help'],
    [['help', 'node', 'sho'], /'sho'/, 'tdf node show --help'],
    [['node', 'help', 'sho'], /'sho'/, 'tdf node show --help'],
    [['node', 'sho', '--help'], /'sho'/, 'tdf node show --help'],
    [['--json', 'foo', '-h'], /unknown command 'foo'/, 'tdf --help'],
  ])('tdf %s is refused, with what may have been meant', async (words, message, hint) => {
    const { code, out, err } = await cli({ env: {} }, ...words, '--json')
    expect([code, out]).toEqual([2, ''])
    expect(JSON.parse(err).error).toMatchObject({ message: expect.stringMatching(message), hint })
  })

  it.each([
    [['help']],
    [['help', 'ls']],
    [['help', 'node']],
    [['help', 'node', 'show']],
    [['submit', 'foo', '--help']],
  ])('tdf %s shows what there is', async words => {
    const { code, out, err } = await cli({ env: {} }, ...words)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^Usage: tdf/)
  })
})
