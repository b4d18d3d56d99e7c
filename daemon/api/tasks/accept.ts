/** From what was asked for to what will be done: checks a submit and fills in what it leaves open. Loses nothing: a
 * submit that is refused was never stored. */
import process from 'node:process'
import type { AgentSpec } from '../../../src/core/agent.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { RepoSource } from '../../../src/core/source.ts'
import type { TaskSpec } from '../../../src/core/task.ts'
import { hasPassword, isMetadataUrl, isRepositoryUrl, isSafeBranch, isSafeRef } from '../../../src/platform/git.ts'
import type { Random } from '../../../src/platform/world.ts'
import type { SubmitRequest } from '../../../src/protocol/submit.ts'
import type { ReadTask } from '../../../src/store/tables/attempts.ts'
import { readBundle } from '../../../src/store/tables/bundles.ts'
import { readNode } from '../../../src/store/tables/nodes.ts'
import { noAgentText } from '../../../src/text/agents.ts'
import { isOnPath } from '../../host/programs.ts'
import { pushOf } from '../../results/push/request.ts'
import type { Engine } from '../../services.ts'
import { afterOf, beforeOf, otherSource } from './after.ts'
import { agentNamed, checkBudget, fallbackOf } from './agents.ts'

const SETUP_TIMEOUT_MS = 20 * 60_000
const TITLE_CHARS = 72
type Accepting = Pick<Engine, 'config' | 'store' | 'providers' | 'secrets'>

/** Throws with what is wrong and the command that mends it. */
export function accept(engine: Accepting, id: string, request: SubmitRequest): TaskSpec {
  const agent = agentOf(engine, request)
  const title = titleOf(request)
  const after = afterOf(engine.store.sql, request)
  const before = beforeOf(engine.store.sql, after)
  const repo = repoOf(engine, request, before)
  checkWishes(engine, request)
  if (request.maxCostUsd !== null) checkBudget(engine, agent)
  if (request.atLimit === 'ask' && request.maxCostUsd === null) {
    throw new TdfError('USAGE', '--at-limit ask needs the limit, by --max-cost', { field: 'atLimit' })
  }
  const fallback = fallbackOf(engine, agent, { names: request.fallback, isLimited: request.maxCostUsd !== null })
  return {
    title,
    prompt: request.prompt,
    agent,
    repo,
    outputBranch: branchOf(request, id, title, repo),
    author: request.author ?? before?.spec.author ?? { name: 'tdf', email: 'tdf@localhost' },
    setup: request.setup === null ? null : { command: request.setup, timeoutMs: SETUP_TIMEOUT_MS },
    repositorySetup: request.repositorySetup,
    check: request.check,
    node: request.node,
    provider: request.provider ?? (engine.config.runner.provider || null),
    size: request.size,
    location: request.location,
    labels: request.labels,
    priority: request.priority,
    timeoutMs: request.timeoutMs,
    interactive: request.interactive,
    maxCostUsd: request.maxCostUsd,
    ...(request.atLimit === 'ask' ? { atLimit: 'ask' as const } : {}),
    permissions: request.permissions ?? engine.config.agents[agent.name]?.permissions ?? 'allow',
    autoResume: request.autoResume,
    ...(fallback ? { fallback } : {}),
    ...(request.artifacts.length === 0 ? {} : { artifacts: request.artifacts }),
    push: pushOf(engine, pushAsked(request, repo, before)),
    ...(after ? { after } : {}),
    ...(request.maySpawn ? { maySpawn: request.maySpawn } : {}),
  }
}

function agentOf(engine: Accepting, request: SubmitRequest): AgentSpec {
  if (request.command !== null) {
    if (request.command[0] === '') throw new TdfError('EMPTY_PROMPT', 'the command behind "--" is empty')
    return { name: 'command', type: 'command', command: request.command, env: [] }
  }
  if (request.prompt.trim() === '') throw new TdfError('EMPTY_PROMPT', 'the prompt is empty: there is nothing to do')
  const name = request.agent ?? (engine.config.runner.agent || firstOnPath())
  return agentNamed(engine, name, request.model)
}

function firstOnPath(): string {
  const searchPath = process.env.PATH ?? ''
  const found = ['claude', 'codex'].find(name => isOnPath(name, searchPath))
  if (found) return found
  throw new TdfError('AGENT_UNKNOWN', noAgentText('the PATH of the daemon'), { hint: 'tdf init' })
}

/** Where the branch of a task goes that begins from the work of another is where that of the other goes. */
function pushAsked(request: SubmitRequest, repo: RepoSource, before: ReadTask | undefined) {
  const remote = request.remote ?? before?.spec.push?.remote ?? null
  return { ...request, remote, ...(repo.kind === 'git' ? { repo } : {}) }
}

function repoOf({ store }: Accepting, { repo }: SubmitRequest, before: ReadTask | undefined): RepoSource {
  if (before && repo.kind !== 'result' && repo.url !== before.spec.repo.url) {
    throw otherSource(before, 'this one would', repo.url)
  }
  if (before) return before.spec.repo
  if (repo.kind === 'result') {
    throw new TdfError('NO_REPOSITORY', 'there is no repository, and no task from whose work to begin', {
      field: 'from',
    })
  }
  if (repo.ref !== null && !isSafeRef(repo.ref)) {
    throw new TdfError('REF_UNSAFE', `"${repo.ref}" cannot be a branch, tag or commit`, { field: 'repo.ref' })
  }
  if (repo.kind === 'git') {
    if (hasPassword(repo.url)) {
      throw new TdfError(
        'NO_REPOSITORY',
        'the address has a password in it; keep it as a secret, by [repositories] tokens',
        {
          field: 'repo.url',
          hint: 'tdf secret set --help',
        },
      )
    }
    if (!isRepositoryUrl(repo.url) || repo.url.startsWith('file:') || isMetadataUrl(repo.url)) {
      throw new TdfError('NO_REPOSITORY', `"${repo.url}" is not a repository that can be cloned`, { field: 'repo.url' })
    }
    return { kind: 'git', url: repo.url, ref: repo.ref, baseCommit: null }
  }
  const bundle = readBundle(store.sql, repo.sha256)
  if (bundle) return { ...repo, bytes: bundle.bytes }
  throw new TdfError('BUNDLE_MISSING', `the repository with the hash ${repo.sha256.slice(0, 12)}… was not uploaded`)
}

function checkWishes({ config, store, providers }: Accepting, { node, provider, size }: SubmitRequest): void {
  if (node !== null && !readNode(store.sql, node)) {
    throw new TdfError('NODE_UNKNOWN', `there is no node "${node}"`, { field: 'node' })
  }
  const names = Object.keys(providers)
  if (provider !== null && !names.includes(provider)) {
    const known = names.length === 0 ? 'none is enabled' : `enabled: ${names.join(', ')}`
    throw new TdfError('USAGE', `there is no provider "${provider}"; ${known}`, {
      field: 'provider',
      hint: 'tdf config show',
    })
  }
  const sizes = Object.keys(config.providers.hetzner.sizes)
  if (size !== null && !sizes.includes(size)) {
    throw new TdfError('USAGE', `there is no size "${size}"; known are: ${sizes.join(', ')}`, {
      field: 'size',
      hint: 'tdf config show',
    })
  }
}

export function titleOf({ title, prompt, command }: Pick<SubmitRequest, 'title' | 'prompt' | 'command'>): string {
  const text = title ?? (prompt.trim() || (command ?? []).join(' '))
  const line = text.trim().split('\n')[0]?.replace(/\s+/g, ' ') ?? ''
  return line.length <= TITLE_CHARS ? line : `${line.slice(0, TITLE_CHARS - 1)}…`
}

export function branchOf(
  { outputBranch }: Pick<SubmitRequest, 'outputBranch'>,
  id: string,
  title: string,
  repo: RepoSource,
): string {
  const slug = title
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  const branch = outputBranch?.replace(/^refs\/heads\//, '') ?? `tdf/${id}${slug ? `-${slug}` : ''}`
  if (!isSafeBranch(branch) || branch.startsWith('refs/')) {
    throw new TdfError('REF_UNSAFE', `"${branch}" cannot be the name of a branch`, { field: 'outputBranch' })
  }
  if ([branch, `refs/heads/${branch}`].includes(repo.ref ?? '') || ['main', 'master', 'HEAD'].includes(branch)) {
    throw new TdfError('REF_UNSAFE', `the result would go to "${branch}" itself; choose a branch of its own`, {
      field: 'outputBranch',
    })
  }
  return branch
}

/**
 * What a task that is made for another has of it: the task that its agent hands over, the check of its landing. A key that is not
 * here is the other's own: what follows when it is over, and what it is part of.
 */
export function inheritedOf(spec: TaskSpec) {
  const { agent, repo, author, setup, repositorySetup, check, node, provider, size, location, labels } = spec
  const { priority, timeoutMs, permissions, autoResume, artifacts, traceparent } = spec
  return {
    ...{ agent, repo, author, setup, check, node, provider, size, location, labels, priority, timeoutMs },
    ...(repositorySetup === undefined ? {} : { repositorySetup }),
    ...(permissions === undefined ? {} : { permissions }),
    ...(autoResume === undefined ? {} : { autoResume }),
    ...(artifacts === undefined ? {} : { artifacts }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** Crockford's alphabet in small letters: nothing in it is taken for anything else. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LETTERS = ALPHABET.slice(10)
const LENGTH = 10

/**
 * Ids of tasks: short enough to type, and different from the first characters on. Fifty bits of chance; begins with a
 * letter, so that it is never a number or an option.
 */
export function freshTaskId(random: Random): string {
  const bytes = random.bytes(LENGTH)
  const rest = [...bytes.subarray(1)].map(byte => ALPHABET[byte % ALPHABET.length])
  return `${LETTERS[(bytes[0] ?? 0) % LETTERS.length]}${rest.join('')}`
}
