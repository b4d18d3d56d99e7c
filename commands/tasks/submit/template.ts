/** `tdf submit --template NAME`: options and a prompt from a file, one of yours or one of the repository. */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { loadConfig, templatesFolder } from '../../../src/config/load/load.ts'
import { nearest } from '../../../src/config/load/suggest.ts'
import { renderTemplate, TEMPLATE_CHARS_MAX } from '../../../src/config/templates/template.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { readPlainFile } from '../../../src/platform/files.ts'
import { canAsk, confirmed, withOptions } from '../../cli/ask.ts'
import { type Cli, say, usage } from '../../cli/cli.ts'
import { readingGit } from '../../cli/git.ts'
import type { SubmitOptions } from './request.ts'
import { indented, isAllowed, policyOf, remember } from './setup.ts'

/** In UTF-8 a character has at most four. */
const BYTES_MAX = 4 * TEMPLATE_CHARS_MAX
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const HELP = 'tdf submit --help'

export interface Templated {
  options: SubmitOptions
  prompt: string
  /** The program that runs in place of an agent, where the template names one. */
  command: string[] | null
}

/**
 * The options with those of the template beside them: what stands on the command line wins. Throws NOT_FOUND, TEMPLATE_INVALID with
 * file, line and column, and SETUP_NOT_ALLOWED for a template of the repository that nobody has allowed.
 */
export async function fromTemplate(
  cli: Cli,
  name: string,
  options: SubmitOptions,
  command: Command,
): Promise<Templated> {
  const { set = {} } = options
  const found = await templateNamed(cli, name, options)
  const { prompt, variables, options: own } = renderTemplate(found.file, found.text, set)
  const stray = Object.keys(set).find(variable => !variables.includes(variable))
  if (stray !== undefined) {
    const meant = nearest(stray, variables)
    const rest = meant === undefined ? '' : ` (did you mean "${meant}"?)`
    throw usage(`--set: ${found.file} has no variable "${stray}"${rest}`, HELP)
  }
  if (found.repository !== null) await allow(cli, command, { ...found, repository: found.repository }, options)
  const { command: words = null, ...rest } = own
  return { options: merged(options, rest, command), prompt, command: words }
}

interface Found {
  file: string
  text: string
  /** The folder of the repository that it is a part of; null for one of yours. */
  repository: string | null
}

/** Yours first: a repository cannot put one of its own in place of it. */
async function templateNamed(cli: Cli, name: string, { repo = cli.cwd }: SubmitOptions): Promise<Found> {
  if (!NAME.test(name)) throw usage(`--template: "${name}" is no name of a template`, HELP)
  const { configFile } = cli.paths()
  const { config } = loadConfig({ file: configFile, env: cli.env })
  const own = path.join(templatesFolder(config, configFile), `${name}.md`)
  const text = ownText(own)
  if (text !== null) return { file: own, text, repository: null }
  const git = readingGit(cli, path.resolve(cli.cwd, repo))
  const top = await git(['rev-parse', '--show-toplevel']).catch(() => null)
  const repository = top?.exitCode === 0 ? top.stdout.slice(0, -1) : null
  const beside = repository === null ? null : path.join(repository, '.tdf', `${name}.md`)
  const theirs = beside === null ? null : readPlainFile(beside, BYTES_MAX)
  if (beside !== null && theirs !== null) return { file: beside, text: theirs, repository }
  const places = beside === null ? own : `${own} nor ${beside}`
  throw new TdfError('NOT_FOUND', `there is no template "${name}": neither ${places}`, { hint: HELP })
}

/** Null where there is no such file. Throws TEMPLATE_INVALID for what cannot be read. */
function ownText(file: string): string | null {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return null
  if (found.isFile() && found.size <= BYTES_MAX) return readFileSync(file, 'utf8')
  throw new TdfError('TEMPLATE_INVALID', `${file} is no file of at most ${BYTES_MAX} bytes`)
}

/** A template of a repository sets options in the name of its author, as its `.tdf.toml` does: it is asked for once for each text. */
async function allow(
  cli: Cli,
  command: Command,
  { file, text, repository }: Found & { repository: string },
  { allowSetup, dryRun }: SubmitOptions,
): Promise<void> {
  const { repositorySetup } = await policyOf(cli)
  if (repositorySetup === 'never') {
    const message = `${file} is of the repository, and [runner] repository_setup = "never" takes nothing from one`
    throw new TdfError('SETUP_NOT_ALLOWED', message, { hint: HELP })
  }
  const answer = { repository, command: `${file}\n${text}`, check: null }
  if (dryRun || allowSetup || isAllowed(cli, answer)) return
  const what = `${file} is of the repository, and submits this:\n${indented(text)}`
  if (!canAsk(cli, command)) {
    throw new TdfError('SETUP_NOT_ALLOWED', `${what}\nand you have not allowed it yet`, {
      hint: withOptions(cli, ['--allow-setup']),
    })
  }
  say(cli, what)
  if (!(await confirmed(cli, command, 'Allow it, now and whenever it is the same?')))
    throw new TdfError('SETUP_NOT_ALLOWED', 'nothing was submitted', { hint: HELP })
  remember(cli, answer)
}

type Own = Omit<ReturnType<typeof renderTemplate>['options'], 'command'>

function merged(options: SubmitOptions, { labels, artifacts, ...own }: Own, command: Command): SubmitOptions {
  const isGiven = (key: string) => command.getOptionValueSource(key) === 'cli'
  const asked = ['push', 'pr', 'until'].some(isGiven)
  const left = Object.entries(own).filter(([key]) => !isGiven(key) && !(asked && ['push', 'pr', 'until'].includes(key)))
  const kept = [...new Set([...(artifacts ?? []), ...(options.artifacts ?? [])])]
  return {
    ...options,
    ...Object.fromEntries(left),
    label: { ...labels, ...options.label },
    ...(kept.length === 0 ? {} : { artifacts: kept }),
  }
}
