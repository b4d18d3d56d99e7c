/** The command tree as users meet it: walked, and parsed against without doing anything. */
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { createCli } from '../../commands/cli/cli.ts'
import { buildProgram } from '../../commands/program.ts'
import { splitAgentCommand } from '../../commands/run.ts'

function quietProgram(): Command {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() })
  const around = { env: {}, cwd: () => '/', stdin: process.stdin, stdout: stream, stderr: stream }
  // Nothing of the terminal is looked at before a command runs, and none does.
  return buildProgram(createCli(around as unknown as NodeJS.Process, '/nowhere'))
}

/** `node ls`, `show`, … : every command that does something, by its words. */
export function commandPaths(): string[] {
  const walk = (command: Command, path: readonly string[]): string[] => [
    ...(doesSomething(command) ? [path.join(' ')] : []),
    ...command.commands.flatMap(child => walk(child, [...path, child.name()])),
  ]
  return walk(quietProgram(), [])
}

/** One with commands below it takes arguments of its own only where it is a command itself. */
const doesSomething = ({ commands, registeredArguments }: Command) =>
  commands.length === 0 || registeredArguments.length > 0

/** Parses a command line without running it. Rejects with what the parser says. */
export async function parses(words: readonly string[]): Promise<void> {
  const program = quietProgram()
  const still = (command: Command) => {
    if (doesSomething(command)) command.action(() => {})
    command.commands.forEach(still)
  }
  still(program)
  try {
    await program.parseAsync(splitAgentCommand(program, words).args, { from: 'user' })
  } catch (thrown) {
    // Asking for help is a right thing to do.
    if ((thrown as { exitCode?: number }).exitCode !== 0) throw thrown
  }
}

/** A line for a shell as words; enough of a shell for what hints are made of. */
export function wordsOf(line: string): string[] {
  const words = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []
  return words.map(word => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}

/** What a hint may begin with besides `tdf`; everything else is no command that we know to be there. */
const PROGRAMS = [
  'apt-get',
  'git',
  'sudo',
  'chmod',
  'df',
  'mv',
  'node',
  'ssh',
  'ssh-keygen',
  'systemctl',
  'journalctl',
  'psql',
  'export',
]

/** Rejects when a hint is no command, or one of ours that its own tree would refuse. */
export async function runs(hint: string): Promise<void> {
  for (const part of hint.split(/ && | \|\| | \| |; /)) {
    const words = wordsOf(part.replace(/ [<>].*$/, ''))
    const own = words[0] === 'sudo' ? words.slice(1) : words
    if (own[0] === 'tdf') await parses(own.slice(1))
    else if (!PROGRAMS.includes(words[0] ?? '')) throw new Error(`no command: ${hint}`)
  }
}
