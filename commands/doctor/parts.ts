/** What a bundle takes of each thing: names of ours, numbers and times. Texts that others wrote stay behind. */
import type { Cli } from '../cli.ts'

type Row = Record<string, unknown>

const only = (names: readonly string[]) => (row: Row) =>
  Object.fromEntries(names.flatMap(name => (name in row ? [[name, row[name]]] : [])))

const TASK = [
  ...['id', 'attempt', 'agent', 'priority', 'status', 'step', 'stepEnteredAt', 'stepAttempt', 'wakeAt', 'parkedUntil'],
  ...['verdict', 'usage', 'cleanup', 'createdAt', 'startedAt', 'completedAt', 'updatedAt'],
]

export function taskPart(task: Row): Row {
  const part = (name: string, names: readonly string[]) =>
    task[name] ? { [name]: only(names)(task[name] as Row) } : { [name]: null }
  return {
    ...only(TASK)(task),
    ...part('node', ['name', 'provider', 'size', 'location', 'autoProvisioned']),
    ...part('workspace', ['id', 'status']),
    ...part('session', ['id', 'status', 'exitCode', 'signal']),
    ...part('result', ['ahead', 'filesChanged', 'insertions', 'deletions', 'salvaged']),
    ...part('push', ['state', 'wantsPr', 'tries', 'nextTryAt', 'updatedAt']),
    ...part('error', ['code', 'step', 'class']),
  }
}

export const statusPart = only([
  ...['pid', 'version', 'startedAt', 'supervisor', 'tasks', 'nodes', 'obstacle', 'socket', 'callbacksUrl'],
])

export const nodePart = only([
  ...['name', 'provider', 'status', 'size', 'location', 'workspaces', 'maxWorkspaces', 'warmUntil', 'createdAt'],
])

/** Of what an event tells, the names of steps and statuses and how long it took. */
export function eventPart({ data, ...event }: Row): Row {
  return {
    ...only(['seq', 'at', 'type', 'taskId', 'nodeName', 'step', 'attempt'])(event),
    data: only(['from', 'to', 'ms'])((data ?? {}) as Row),
  }
}

/** A message may quote what an agent or a repository said; one of a bug is ours. */
export function errorPart(error: Row): Row {
  const names = ['id', 'at', 'level', 'source', 'taskId', 'step', 'code']
  return only(error.code === 'BUG' ? [...names, 'message'] : names)(error)
}

/** Numbers, switches, times and sizes. */
const PLAIN = /^(\d+(\.\d+)?|true|false|""|"\d+(\.\d+)?[a-zA-Z]+")$/

/** Every key that is not at its default; of a text only that it is set. */
export async function configPart(cli: Cli): Promise<Row[]> {
  const { describeConfig, loadConfig } = await import('../../src/config/index.ts')
  const loaded = loadConfig({ file: cli.paths().configFile, env: cli.env })
  return describeConfig(loaded)
    .filter(({ origin }) => origin !== 'default')
    .map(({ key, value }) => ({ key, value: PLAIN.test(value) ? value : 'a text' }))
}
