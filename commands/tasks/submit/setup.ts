/**
 * Whether the `setup` and the `check` of a repository's `.tdf.toml` may run: they are commands of the author of the repository,
 * in a folder that may merely lie here. It is asked for once for each repository and text, and remembered for the user of this
 * program.
 */
import { createHash } from 'node:crypto'
import path from 'node:path'
import type { Command } from 'commander'
import { TdfError } from '../../../src/core/errors.ts'
import { REPOSITORY_FILE, REPOSITORY_FILE_BYTES_MAX } from '../../../src/core/source.ts'
import { makeStateFolder, readIfThere, readPlainFile, writeDurable } from '../../../src/platform/files.ts'
import type { PolicyJson } from '../../../src/protocol/upkeep.ts'
import { sanitize } from '../../../src/text/sanitize.ts'
import { canAsk, confirmed, withOptions } from '../../cli/ask.ts'
import { type Cli, say, usage } from '../../cli/cli.ts'
import type { Git } from '../../cli/git.ts'

export interface SetupOptions {
  artifacts?: string[]
  /** False for `--no-setup`. */
  setup?: string | boolean
  /** False for `--no-check`. */
  check?: string | boolean
  allowSetup?: boolean
}

export interface RepositorySetup {
  /** The repository's folder. */
  repository: string
  /** The command before the agent and the one after it; null where the file names none. */
  command: string | null
  check: string | null
  /** Globs of files to keep. They run nothing, so that they need no consent. */
  artifacts: string[]
  /** The file lies in the folder and is in no commit: the workspace will not find it. */
  isLoose: boolean
}

/** What was allowed: commands, and in which repository. */
type Allowed = Pick<RepositorySetup, 'repository' | 'command' | 'check'>

/** How many answers are remembered; the oldest goes first. */
const ANSWERS_MAX = 1_000

/**
 * What the commit asks for, or where it has no such file, the one in `folder`, if there is one; null when nothing is asked for, or
 * what the workspace will refuse with the reason. Throws USAGE for a wrong file in the folder.
 */
export async function setupIn(
  git: Git,
  repository: string,
  commit: string,
  folder: string | null,
): Promise<RepositorySetup | null> {
  const found = await git(['cat-file', 'blob', `${commit}:${REPOSITORY_FILE}`])
  const isLoose = found.exitCode !== 0
  const loose = folder === null ? null : path.join(folder, REPOSITORY_FILE)
  const text = isLoose ? loose && readPlainFile(loose, REPOSITORY_FILE_BYTES_MAX) : found.stdout
  if (text === null || Buffer.byteLength(text) > REPOSITORY_FILE_BYTES_MAX) return null
  const { parseRepositoryFile } = await import('../../../src/config/repository-file.ts')
  const file = parseRepositoryFile(text)
  if ('problem' in file) {
    if (!isLoose) return null
    throw usage(`${path.join(repository, REPOSITORY_FILE)}: ${file.problem}`, 'tdf submit --no-setup --no-check')
  }
  const { setup: command = null, check = null, artifacts = [] } = file
  const isEmpty = command === null && check === null && artifacts.length === 0
  return isEmpty ? null : { repository, command, check, artifacts, isLoose }
}

const wantsSetup = ({ setup }: SetupOptions) => setup === undefined || setup === true
const wantsCheck = ({ check }: SetupOptions) => check === undefined || check === true

/** Whether a command of the file would run with these options. */
const wants = ({ command, check }: RepositorySetup, options: SetupOptions) =>
  (command !== null && wantsSetup(options)) || (check !== null && wantsCheck(options))

/** The options with what the file adds to them. A daemon that runs no such command adds nothing. */
export async function withRepositoryFile<Options extends SetupOptions>(
  cli: Cli,
  setup: RepositorySetup | null,
  options: Options,
): Promise<Options> {
  if (setup === null) return options
  const artifacts = [...new Set([...(options.artifacts ?? []), ...setup.artifacts])]
  const kept = artifacts.length === 0 ? options : { ...options, artifacts }
  if (!wants(setup, options) || !(await isEverRun(cli))) return kept
  return {
    ...kept,
    ...(setup.check !== null && wantsCheck(options) ? { check: setup.check } : {}),
    // That of a commit is read in the workspace.
    ...(setup.isLoose && setup.command !== null && wantsSetup(options) ? { setup: setup.command } : {}),
  }
}

/** What of the file would run, for a task that is only planned. */
export async function plannedOf(
  cli: Cli,
  setup: RepositorySetup | null,
  options: SetupOptions,
): Promise<Record<'setup' | 'check', { command: string; allowed: boolean } | null>> {
  if (setup === null || !wants(setup, options) || !(await isEverRun(cli))) return { setup: null, check: null }
  const allowed = options.allowSetup === true || isAllowed(cli, setup)
  const { command, check } = setup
  return {
    setup: command !== null && wantsSetup(options) ? { command, allowed } : null,
    check: check !== null && wantsCheck(options) ? { command: check, allowed } : null,
  }
}

/** Whether the daemon runs any such set-up: where it never does, there is nothing to ask. */
async function isEverRun(cli: Cli): Promise<boolean> {
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
  if (setup === null || !wants(setup, options) || options.allowSetup || isAllowed(cli, setup)) return
  if (!(await isEverRun(cli))) return
  const what = questionOf(setup)
  if (!canAsk(cli, command)) {
    const message = `${what}\nand you have not allowed it yet (--no-setup and --no-check run nothing)`
    throw new TdfError('SETUP_NOT_ALLOWED', message, { hint: withOptions(cli, ['--allow-setup']) })
  }
  say(cli, what)
  if (!(await confirmed(cli, command, 'Allow it, now and whenever it is the same?'))) {
    const without = [...(setup.command ? ['--no-setup'] : []), ...(setup.check ? ['--no-check'] : [])]
    throw new TdfError('SETUP_NOT_ALLOWED', 'nothing was submitted', { hint: withOptions(cli, without) })
  }
  remember(cli, setup)
}

function questionOf({ repository, command, check }: RepositorySetup): string {
  const [before, after] = ['this before the agent:\n', 'this after the agent:\n']
  const parts = [...(command ? [before + indented(command)] : []), ...(check ? [after + indented(check)] : [])]
  return `${path.join(repository, REPOSITORY_FILE)} runs ${parts.join('\nand ')}`
}

export const indented = (text: string) =>
  sanitize(text)
    .split('\n')
    .map(line => `    ${line}`)
    .join('\n')

export function isAllowed(cli: Cli, setup: Allowed): boolean {
  return answers(fileOf(cli)).includes(nameOf(setup))
}

export function remember(cli: Cli, setup: Allowed): void {
  const file = fileOf(cli)
  makeStateFolder(path.dirname(file))
  const allowed = [...answers(file), nameOf(setup)].slice(-ANSWERS_MAX)
  writeDurable(file, `${JSON.stringify({ allowed }, null, 1)}\n`)
}

/** Without a check as it ever was: what was allowed stays so. */
const nameOf = ({ repository, command, check }: Allowed) =>
  createHash('sha256')
    .update(JSON.stringify(check === null ? [repository, command] : [repository, command, check]))
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
