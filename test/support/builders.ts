/** Values that most tests need, with the parts that matter to them changed. */
import { type Config, defaultConfig, type SourceConfig } from '../../src/config/schema/config.ts'
import type { Task, TaskSpec } from '../../src/core/task.ts'
import type { Script } from '../fakes/agent.ts'

/** The default configuration, some tables changed. */
export function aConfig(change: { [Table in keyof Config]?: Partial<Config[Table]> } = {}): Config {
  const defaults = defaultConfig()
  // Models of nodes have no repositories: what the daemon fetches is tried with real ones.
  const config = { ...defaults, repositories: { ...defaults.repositories, fetch: 'node' as const } }
  const tables = Object.entries(change).map(([table, values]) => [
    table,
    { ...config[table as keyof Config], ...values },
  ])
  return { ...config, ...Object.fromEntries(tables) }
}

/** A source of issues as the configuration has it, without what does not matter. */
export function aSource(change: Partial<SourceConfig> = {}): SourceConfig {
  return {
    ...{ name: 'web', kind: 'github', project: 'acme/web', label: 'tdf', template: 'fix', poll: 60_000, atMost: 2 },
    ...{ from: ['members'], onClose: 'go-on', writes: [], token: '', endpoint: '', command: [] },
    ...change,
  }
}

export function aSpec(change: Partial<TaskSpec> = {}, script: Script = { commits: 1 }): TaskSpec {
  return {
    title: 'say hi',
    prompt: 'say hi',
    agent: { name: 'fake', type: 'command', command: ['fake', JSON.stringify(script)], env: [] },
    repo: { kind: 'git', url: 'https://example.org/repo.git', ref: null, baseCommit: null },
    outputBranch: 'tdf/say-hi',
    author: { name: 'tdf', email: 'tdf@localhost' },
    setup: null,
    check: null,
    node: null,
    provider: null,
    size: null,
    location: null,
    labels: {},
    priority: 0,
    timeoutMs: null,
    interactive: false,
    ...change,
  }
}

export function aTask(change: Partial<Task> = {}): Task {
  return {
    id: 't1',
    attempt: 1,
    rev: 0,
    spec: aSpec(),
    status: 'queued',
    step: 'node_selection',
    stepEnteredAt: 0,
    stepAttempt: 1,
    wakeAt: 0,
    deadlineAt: null,
    absoluteAt: null,
    waitingFor: null,
    parkedUntil: null,
    placement: 1,
    nodeName: null,
    workspaceId: null,
    sessionId: null,
    facts: {},
    verdict: null,
    result: null,
    usage: null,
    error: null,
    cleanup: null,
    continued: null,
    engineVersion: 1,
    createdAt: 0,
    startedAt: null,
    completedAt: null,
    updatedAt: 0,
    ...change,
  }
}

/** A task that has been placed: it has a node, a workspace and a session. */
export function aPlacedTask(change: Partial<Task> = {}): Task {
  return aTask({ status: 'delegated', nodeName: 'n1', workspaceId: 't1-1-1', sessionId: 't1-1-1-s1', ...change })
}
