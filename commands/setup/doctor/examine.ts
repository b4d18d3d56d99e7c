/** The checks in their order, as a table. A check that fails is a finding and does not hold up the others. */
import type { Command } from 'commander'
import { asTdfError, shownHint } from '../../../src/core/errors.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { quoted } from '../../cli/arguments.ts'
import { type Cli, formatOf, print, printJson, printOne, shapeOf } from '../../cli/cli.ts'
import { type Column, printList } from '../../cli/table.ts'
import { checkMcp } from './doors.ts'
import { checkConfig, checkDaemon, checkDisk, checkFolders, checkGit, checkNode } from './here.ts'
import { checkKey } from './key.ts'

/** Answers with what it saw; what it throws is a failure with the hint of its error. */
type Check = (cli: Cli) => Promise<FindingJson[]> | FindingJson[]

const CHECKS: Record<string, Check> = {
  node: checkNode,
  git: checkGit,
  config: checkConfig,
  folders: checkFolders,
  disk: checkDisk,
  key: checkKey,
  mcp: checkMcp,
  daemon: checkDaemon,
}

export interface DoctorOptions {
  /** A file, or true for one whose name says when it was made. */
  bundle?: string | true
}

export async function doctor(cli: Cli, { bundle }: DoctorOptions, command: Command): Promise<void> {
  const found: FindingJson[] = []
  for (const [name, check] of Object.entries(CHECKS)) found.push(...(await looked(cli, name, check, found)))
  if (bundle !== undefined) return bundled(cli, found, bundle, command)
  const shape = shapeOf(cli, command)
  if (found.some(({ state }) => state === 'fail')) cli.exitCode = 1
  if (shape.format === 'json') return printJson(cli, found)
  printList(cli, shape, found, { columns, id: ({ check }) => check })
  if (shape.format !== 'table' && shape.format !== 'wide') return
  for (const { check, hint, state, message } of found) {
    if (state !== 'ok' && hint) print(cli, ['', check, ...message.split('\n').slice(1), `  hint: ${hint}`].join('\n'))
  }
}

/** What was found stands in the bundle: nothing of it changes the exit code. */
async function bundled(cli: Cli, found: FindingJson[], wanted: string | true, command: Command): Promise<void> {
  const { writeBundle } = await import('./bundle.ts')
  const file = await writeBundle(cli, found.map(withoutQuotes), wanted)
  const text = () => `${file}\nlook at it before you send it: tar -xzOf ${quoted(file)}`
  printOne(cli, formatOf(command), { file }, { id: file, text })
}

/** A problem of the configuration names its line. */
const withoutQuotes = (one: FindingJson): FindingJson =>
  one.check === 'config' && one.state === 'fail' ? { ...one, message: 'it is not right' } : one

async function looked(cli: Cli, name: string, check: Check, before: readonly FindingJson[]): Promise<FindingJson[]> {
  try {
    return await check(cli)
  } catch (thrown) {
    const error = asTdfError(thrown)
    const isKnown = before.some(one => one.check === 'config' && one.state === 'fail')
    // What is wrong with the configuration is said once, by the line about it.
    if (isKnown && error.code === 'CONFIG_INVALID') return []
    return [{ check: name, state: 'fail', message: error.message, hint: shownHint(error) }]
  }
}

/** Text before symbols: nothing here needs a colour to be read. */
const WORDS = { ok: 'ok', warn: 'WARNING', fail: 'FAILED' } as const

const TONES = { ok: 'good', warn: 'wait', fail: 'bad' } as const

const columns: readonly Column<FindingJson>[] = [
  { title: 'CHECK', of: ({ check }) => oneLine(check) },
  { title: 'STATE', of: ({ state }) => WORDS[state], tone: ({ state }) => TONES[state] },
  // What has more lines is shown whole below the table.
  { title: 'WHAT', of: ({ message }) => oneLine(message.split('\n')[0] ?? ''), flexible: true },
]
