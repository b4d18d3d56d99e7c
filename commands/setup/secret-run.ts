/** `tdf secret` at work. */
import type { Command } from 'commander'
import { realWorld } from '../../src/platform/world.ts'
import type { SecretJson } from '../../src/protocol/upkeep.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import { quoted, readStdin } from '../cli/arguments.ts'
import { hiddenAnswer } from '../cli/ask.ts'
import { type Cli, formatOf, type GlobalOptions, printOne, say, shapeOf, usage } from '../cli/cli.ts'
import { type Column, printList } from '../cli/table.ts'
import { since } from '../tasks/task-text.ts'

const VALUE_BYTES_MAX = 64 * 1024

/** Throws USAGE when there is neither a pipe nor a terminal to ask on. */
export async function setSecret(cli: Cli, command: Command, name: string): Promise<void> {
  const value = await askedValue(cli, command, name)
  const json = { value }
  const secret = await cli.client().call<SecretJson>({ method: 'PUT', path: pathOf(name), json })
  if (secret.usedBy.length === 0) say(cli, `note: no table of the configuration names ${name} yet: [agents.NAME] env`)
  show(cli, command, secret, `${name} is kept; it is given from the next session on`)
}

export async function listSecrets(cli: Cli, command: Command): Promise<void> {
  const secrets = await cli.client().call<SecretJson[]>({ path: '/secrets' })
  const now = realWorld().clock.now()
  const columns: readonly Column<SecretJson>[] = [
    { title: 'NAME', of: ({ name }) => oneLine(name) },
    { title: 'SET', of: ({ setAt }) => `${since(setAt, now)} ago` },
    { title: 'GIVEN TO', of: ({ usedBy }) => oneLine(usedBy.join(', ')) || '-', flexible: true },
  ]
  printList(cli, shapeOf(cli, command), secrets, { columns, id: ({ name }) => name })
}

export async function removeSecret(cli: Cli, command: Command, name: string): Promise<void> {
  const secret = await cli.client().call<SecretJson>({ method: 'DELETE', path: pathOf(name) })
  show(cli, command, secret, `${name} is forgotten`)
}

const pathOf = (name: string) => `/secrets/${encodeURIComponent(name)}`

function show(cli: Cli, command: Command, secret: SecretJson, text: string): void {
  printOne(cli, formatOf(command), secret, { id: secret.name, text: () => text })
}

async function askedValue(cli: Cli, command: Command, name: string): Promise<string> {
  if (cli.stdin.isTTY) {
    const { input } = command.optsWithGlobals<GlobalOptions>()
    const paste = `tdf secret set ${quoted(name)} < file`
    if (input === false || !cli.stderr.isTTY) throw usage('there is no terminal to ask for the value on', paste)
    return hiddenAnswer(cli, `${name}: `)
  }
  const text = await readStdin(cli, 'a secret', VALUE_BYTES_MAX, 'tdf secret set --help')
  // What `echo` and editors put behind it is not meant.
  return text.replace(/\r?\n$/, '')
}
