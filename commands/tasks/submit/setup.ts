/**
 * Whether the `setup` of a repository's `.tdf.toml` may run: it is a command of whoever wrote the repository, in a folder that
 * may merely lie here. It is asked for once for each repository and text, and remembered for the user of this program.
 */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { REPOSITORY_FILE_BYTES_MAX } from '../../../src/config/repository-file.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { readIfThere, writeDurable } from '../../../src/platform/files.ts'
import type { PolicyJson } from '../../../src/protocol/upkeep.ts'
import { sanitize } from '../../../src/text/sanitize.ts'
import { canAsk, confirmed, withOptions } from '../../cli/ask.ts'
import { type Cli, say } from '../../cli/cli.ts'
import type { Git } from '../../cli/git.ts'

export interface SetupOptions {
  /** False for `--no-setup`. */
  setup?: string | boolean
  allowSetup?: boolean
}

export interface RepositorySetup {
  /** The repository's folder. */
  repository: string
  command: string
}

/** How many answers are remembered; the oldest goes first. */
const ANSWERS_MAX = 1_000

/** What the commit asks for; null when it asks for nothing, or for what its workspace will refuse with the reason. */
export async function setupIn(git: Git, repository: string, commit: string): Promise<RepositorySetup | null> {
  const found = await git(['cat-file', 'blob', `${commit}:.tdf.toml`])
  if (found.exitCode !== 0 || Buffer.byteLength(found.stdout) > REPOSITORY_FILE_BYTES_MAX) return null
  const { parseRepositoryFile } = await import('../../../src/config/repository-file.ts')
  const file = parseRepositoryFile(found.stdout)
  return 'problem' in file || file.setup === undefined ? null : { repository, command: file.setup }
}

export const wantsSetup = ({ setup }: Pick<SetupOptions, 'setup'>) => setup === undefined || setup === true

/** Whether the daemon runs any such set-up: where it never does, there is nothing to ask. */
export async function isEverRun(cli: Cli): Promise<boolean> {
  return (await policyOf(cli)).repositorySetup !== 'never'
}

export const policyOf = (cli: Cli) => cli.client().call<PolicyJson>({ path: '/policy' })

/** Asks where it has to. Throws SETUP_NOT_ALLOWED when nobody can be asked, or the answer is no. */
export async function allowSetup(
  cli: Cli,
  command: Command,
  setup: RepositorySetup | null,
  options: SetupOptions,
): Promise<void> {
  if (setup === null || !wantsSetup(options) || options.allowSetup || isAllowed(cli, setup)) return
  if (!(await isEverRun(cli))) return
  const what = `${path.join(setup.repository, '.tdf.toml')} runs this before the agent:\n${indented(setup.command)}`
  if (!canAsk(cli, command)) {
    const message = `${what}\nand you have not allowed it yet (--no-setup runs nothing)`
    throw new TdfError('SETUP_NOT_ALLOWED', message, { hint: withOptions(cli, ['--allow-setup']) })
  }
  say(cli, what)
  if (!(await confirmed(cli, command, 'Allow it, now and whenever it is the same?'))) {
    throw new TdfError('SETUP_NOT_ALLOWED', 'nothing was submitted', { hint: withOptions(cli, ['--no-setup']) })
  }
  remember(cli, setup)
}

const indented = (text: string) =>
  sanitize(text)
    .split('\n')
    .map(line => `    ${line}`)
    .join('\n')

export function isAllowed(cli: Cli, setup: RepositorySetup): boolean {
  return answers(fileOf(cli)).includes(nameOf(setup))
}

function remember(cli: Cli, setup: RepositorySetup): void {
  const file = fileOf(cli)
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const allowed = [...answers(file), nameOf(setup)].slice(-ANSWERS_MAX)
  writeDurable(file, `${JSON.stringify({ allowed }, null, 1)}\n`)
}

const nameOf = ({ repository, command }: RepositorySetup) =>
  createHash('sha256')
    .update(JSON.stringify([repository, command]))
    .digest('hex')

/** In the state of who runs this program, which need not be that of the daemon. */
function fileOf({ env, paths }: Cli): string {
  if (env.TDF_HOME) return path.join(paths().home, 'setups.json')
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : path.join(env.HOME ?? '/', '.local', 'state')
  return path.join(state, 'tdf', 'setups.json')
}

function answers(file: string): string[] {
  try {
    const { allowed } = JSON.parse(readIfThere(file) ?? '{}')
    return Array.isArray(allowed) ? allowed.filter(one => typeof one === 'string') : []
  } catch {
    return []
  }
}
