/** Help texts as people read them. `npm run golden` writes them anew; read the difference before you commit it. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { createCli } from '../../../../commands/cli/cli.ts'
import { buildProgram } from '../../../../commands/program.ts'

const golden = path.join(import.meta.dirname, '..', '..', '..', 'golden', 'help')
const program = buildProgram(createCli(process, '/nowhere'))

type Program = typeof program
function all(command: Program, name: string): [string, Program][] {
  const children = command.commands.flatMap(child => all(child, `${name} ${child.name()}`))
  return [[name, command], ...children]
}

const commands = all(program, 'tdf')

it.each(commands)('%s --help', async (name, command) => {
  command.configureHelp({ helpWidth: 100 })
  let text = ''
  command.configureOutput({ writeOut: piece => (text += piece), getOutHasColors: () => false })
  command.outputHelp()
  await expect(text).toMatchFileSnapshot(path.join(golden, `${name.replaceAll(' ', '-')}.txt`))
})

it('every command that does something has an example', () => {
  const doing = commands.filter(([, command]) => command.commands.length === 0)
  const without = doing.filter(([name]) => {
    const file = path.join(golden, `${name.replaceAll(' ', '-')}.txt`)
    return !readFileSync(file, 'utf8').includes('Examples:\n  ')
  })
  expect(doing.length).toBeGreaterThan(25)
  expect(without.map(([name]) => name)).toEqual([])
})
