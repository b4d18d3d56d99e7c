/** Finds, asks, writes. A file that is there is never changed; without a terminal nothing is written unless `--yes` says so. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { REPOSITORY_FILE } from '../../../src/core/source.ts'
import { createDurable, makeFolder } from '../../../src/platform/files.ts'
import { KNOWN_AGENTS, noAgentText } from '../../../src/text/agents.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { type Asking, agreed, canAsk, openAsking, withOptions } from '../../cli/ask.ts'
import { type Cli, formatOf, type GlobalOptions, printOne, say, usage } from '../../cli/cli.ts'
import { readingGit } from '../../cli/git.ts'
import { pairs } from '../../cli/table.ts'
import { remember } from '../../tasks/submit/setup.ts'
import { type AgentHere, agentsHere } from './agents-here.ts'
import { configText, repositoryText } from './files.ts'
import { programName } from './program-name.ts'
import { type Found, type Project, projectIn } from './project.ts'

export interface InitOptions {
  dryRun?: boolean
}

interface Choice {
  agent: string | null
  check: string | null
  setup: string | null
}

interface PlannedFile {
  path: string
  state: 'planned' | 'written' | 'kept'
  text: string
}

interface InitJson extends Choice {
  agents: readonly AgentHere[]
  /** Its top folder. */
  repository: string | null
  files: readonly PlannedFile[]
  /** What to type next. */
  next: string
}

/** What is known before anything is asked. */
interface Surroundings {
  agents: readonly AgentHere[]
  repository: string | null
  project: Project
  configFile: string
}

export async function init(cli: Cli, { dryRun = false }: InitOptions, command: Command): Promise<void> {
  const { yes = false } = command.optsWithGlobals<GlobalOptions>()
  const isAsking = !yes && !dryRun
  if (isAsking && !canAsk(cli, command)) {
    throw usage('init asks before it writes, and there is no terminal to ask on', withOptions(cli, ['--yes']))
  }
  const found = await lookAround(cli)
  if (isAsking) say(cli, foundText(found))
  const asking = isAsking ? openAsking(cli) : null
  const { choice, planned, isWanted } = await decided(cli, found, asking, !dryRun).finally(() => asking?.end())
  const files = isWanted ? planned.map(written) : planned
  if (isWanted) await takeOver(cli, found, choice, files)
  const { agents, repository } = found
  const answer: InitJson = { agents, repository, ...choice, files, next: nextOf(cli, found, choice) }
  const text = () => `${isAsking ? '' : `${foundText(found)}\n`}${resultText(answer)}`
  printOne(cli, formatOf(command), answer, { id: files.map(file => file.path).join('\n'), text })
}

/** `mayWrite` without a question. */
async function decided(cli: Cli, found: Surroundings, asking: Asking | null, mayWrite: boolean) {
  const choice = asking ? await chosen(cli, found, asking) : defaultsOf(found)
  const planned = filesOf(found, choice)
  return { choice, planned, isWanted: asking ? await isAgreed(asking, planned) : mayWrite }
}

async function lookAround(cli: Cli): Promise<Surroundings> {
  const top = await readingGit(cli, cli.cwd)(['rev-parse', '--show-toplevel'])
  const repository = top.exitCode === 0 ? top.stdout.slice(0, -1) : null
  const project = repository === null ? { checks: [], setup: null } : projectIn(repository)
  return { agents: await agentsHere(cli, repository), repository, project, configFile: cli.paths().configFile }
}

const repositoryFileOf = (repository: string) => path.join(repository, REPOSITORY_FILE)
const mayHaveRules = ({ repository }: Surroundings) => repository !== null && !existsSync(repositoryFileOf(repository))

function defaultsOf({ agents, project }: Surroundings): Choice {
  return {
    agent: agents[0]?.name ?? null,
    check: project.checks[0]?.command ?? null,
    setup: project.setup?.command ?? null,
  }
}

/** Asked only where a file can hold the answer. */
async function chosen(cli: Cli, found: Surroundings, asking: Asking): Promise<Choice> {
  const initial = defaultsOf(found)
  const asksAgent = found.agents.length > 1 && !existsSync(found.configFile)
  const agent = asksAgent ? await agentOf(asking, found.agents, initial.agent ?? '') : initial.agent
  if (!mayHaveRules(found)) return { ...initial, agent }
  say(cli, 'Enter takes what stands in brackets, - is none.')
  const check = await commandOf(asking, 'the command that tests the work', initial.check)
  const setup = await commandOf(asking, 'the command that prepares a fresh copy', initial.setup)
  return { agent, check, setup }
}

async function agentOf(asking: Asking, agents: readonly AgentHere[], initial: string): Promise<string> {
  const names = agents.map(({ name }) => name)
  const answer = await answerOf(asking, `the agent of a task that names none: ${names.join(', ')}`, initial)
  if (names.includes(answer)) return answer
  throw usage(`"${answer}" is none of the agents here: ${names.join(', ')}`, 'tdf init')
}

async function commandOf(asking: Asking, question: string, initial: string | null): Promise<string | null> {
  const answer = await answerOf(asking, question, initial ?? '-')
  return answer === '-' ? null : answer
}

/** Without an agent, or without a command for the repository, there is nothing to write down. */
function filesOf({ configFile, repository }: Surroundings, choice: Choice): PlannedFile[] {
  const config = choice.agent === null ? null : configText(choice.agent)
  const rules = repository === null ? null : repositoryText(choice)
  const plan = (file: string, text: string | null): PlannedFile[] => {
    if (existsSync(file)) return [{ path: file, state: 'kept', text: '' }]
    return text === null ? [] : [{ path: file, state: 'planned', text }]
  }
  return [...plan(configFile, config), ...(repository === null ? [] : plan(repositoryFileOf(repository), rules))]
}

/** What is typed, or what Enter stands for. Throws INTERRUPTED at the end of the input. */
async function answerOf(asking: Asking, question: string, initial: string): Promise<string> {
  const answer = await asking.ask(`${question} [${initial}]: `)
  if (answer === null) throw new TdfError('INTERRUPTED', 'interrupted; nothing was written')
  return answer === '' ? initial : answer
}

async function isAgreed(asking: Asking, files: readonly PlannedFile[]): Promise<boolean> {
  const names = files.filter(({ state }) => state === 'planned').map(file => oneLine(file.path))
  return names.length === 0 || agreed(asking, `write ${names.join(' and ')}?`)
}

function written(file: PlannedFile): PlannedFile {
  if (file.state === 'kept') return file
  try {
    makeFolder(path.dirname(file.path))
    // The service of the machine reads its configuration as another user, and a repository is for all who have it.
    const isShared = file.path.startsWith('/etc/') || path.basename(file.path) === REPOSITORY_FILE
    return { ...file, state: createDurable(file.path, file.text, isShared ? 0o644 : 0o600) ? 'written' : 'kept' }
  } catch (thrown) {
    const message = `${file.path} cannot be written: ${asTdfError(thrown).message}`
    throw new TdfError('STATE_UNWRITABLE', message, { hint: 'tdf init --dry-run' })
  }
}

/** Its own user has just said what the repository may run; a daemon that runs reads the new configuration. */
async function takeOver(
  cli: Cli,
  { repository, configFile }: Surroundings,
  { check, setup }: Choice,
  files: readonly PlannedFile[],
): Promise<void> {
  const isWritten = (name: string) => files.some(file => file.path === name && file.state === 'written')
  if (repository !== null && isWritten(repositoryFileOf(repository))) {
    remember(cli, { repository, command: setup, check })
  }
  // None may run, and one that runs says itself what it cannot take over.
  if (isWritten(configFile))
    await cli
      .client()
      .call({ method: 'POST', path: '/reload' })
      .catch(() => {})
}

function nextOf(cli: Cli, { agents, repository }: Surroundings, { agent }: Choice): string {
  const own = programName(cli)
  if (repository === null) return `cd REPOSITORY && ${own} init`
  return agents.length === 0 && agent === null ? `${own} submit --wait -- COMMAND` : `${own} submit --wait "what to do"`
}

function foundText({ agents, repository, project }: Surroundings): string {
  const named = agents.map(({ name, path: file, version }) => oneLine(`${name} ${version ?? ''} (${file})`))
  const facts = pairs([
    ['agents', named.join('\n') || 'none'],
    ['repository', repository === null ? 'none here: .tdf.toml is written into one' : oneLine(repository)],
    ['tested by', project.checks.map(withSource).join('\n')],
    ['prepared by', project.setup && withSource(project.setup)],
  ])
  const tables = Object.entries(KNOWN_AGENTS).filter(([, { table }]) => table)
  const others = `  (${tables.map(([name]) => name).join(', ')} would be found as well)`
  return agents.length > 0 ? facts : `${facts}${noAgentText('your PATH')}\n${others}\n`
}

const withSource = ({ command, from }: Found) => oneLine(`${command} (${from})`)

const STATES = { planned: 'would write', written: 'wrote', kept: 'kept' } as const

function resultText({ files, next }: InitJson): string {
  const lines = files.map(({ path: file, state, text }) => {
    const name = `${STATES[state]} ${oneLine(file)}${state === 'kept' ? ', which is there already' : ''}`
    return state === 'planned' ? `${name}\n${text.replace(/^/gm, '  ').trimEnd()}` : name
  })
  return [...lines, `next: ${next}`].join('\n')
}
