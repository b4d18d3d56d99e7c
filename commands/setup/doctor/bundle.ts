/**
 * `tdf doctor --bundle`: what a bug report needs, in one archive that can be shown to others. It holds what tdf itself
 * counted and decided, and no text that a user or an agent wrote.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { arch, homedir, release, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { TdfError } from '../../../src/core/errors.ts'
import { run } from '../../../src/platform/run.ts'
import { VERSION } from '../../../src/platform/version.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { Cli } from '../../cli/cli.ts'
import { plainEnv } from '../../cli/git.ts'

const ROWS = 500
const TAR_MS = 60_000

type Part = (cli: Cli, found: readonly FindingJson[]) => Promise<unknown> | unknown

/** File name → what stands in it. A part that cannot be read says why and does not hold up the others. */
const PARTS: Record<string, Part> = {
  'about.json': () => ({
    version: VERSION,
    node: process.versions.node,
    system: `${process.platform} ${arch()} ${release()}`,
  }),
  'doctor.json': (_cli, found) => found,
  'config.json': configPart,
  'status.json': async cli => statusPart(await cli.client().call({ path: '/status' })),
  'metrics.txt': async cli => (await cli.client().raw({ path: '/metrics' })).body.toString('utf8'),
  'nodes.json': async cli => (await rows(cli, '/nodes')).map(nodePart),
  'tasks.json': async cli => (await rows(cli, '/tasks')).slice(0, ROWS).map(taskPart),
  'events.json': async cli => (await newestEvents(cli)).map(eventPart),
  'errors.json': async cli => (await rows(cli, '/errors')).slice(0, ROWS).map(errorPart),
}

/** Answers the file. Throws WRONG_STATE when it is there already. */
export async function writeBundle(cli: Cli, found: readonly FindingJson[], wanted: string | true): Promise<string> {
  const stamp = new Date(realWorld().clock.now()).toISOString().replace(/[-:]|\.\d+/g, '')
  const file = path.resolve(cli.cwd, wanted === true ? `tdf-bundle-${stamp}.tar.gz` : wanted)
  if (existsSync(file)) throw new TdfError('WRONG_STATE', `${file} is there already`, { hint: 'tdf doctor --bundle' })
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-bundle-'))
  try {
    await fill(cli, path.join(folder, 'tdf-bundle'), found)
    const limits = { cwd: folder, env: plainEnv(cli), timeoutMs: TAR_MS }
    const packed = await run('tar', ['-czf', file, '-C', folder, 'tdf-bundle'], limits)
    if (packed.exitCode !== 0)
      throw new TdfError('STATE_UNWRITABLE', `${file} was not written: ${packed.stderr.trim()}`)
    chmodSync(file, 0o600)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return file
}

async function fill(cli: Cli, folder: string, found: readonly FindingJson[]): Promise<void> {
  mkdirSync(folder, { mode: 0o700 })
  const masks = masksOf(cli)
  for (const [name, part] of Object.entries(PARTS)) {
    writeFileSync(path.join(folder, name), textOf(await partOf(part, cli, found), masks), { mode: 0o600 })
  }
}

async function partOf(part: Part, cli: Cli, found: readonly FindingJson[]): Promise<unknown> {
  try {
    return await part(cli, found)
  } catch (thrown) {
    // The code alone: a message may hold what a user wrote.
    return { missing: thrown instanceof TdfError ? thrown.code : 'BUG' }
  }
}

function textOf(part: unknown, masks: Masks): string {
  const text = typeof part === 'string' ? part : JSON.stringify(part, null, 2)
  return `${masked(text, masks).trimEnd()}\n`
}

const rows = (cli: Cli, where: string) => cli.client().call<Record<string, unknown>[]>({ path: where })

async function newestEvents(cli: Cli): Promise<Record<string, unknown>[]> {
  const { seq } = await cli.client().call<{ seq: number }>({ path: '/snapshot' })
  return rows(cli, `/events?after=${Math.max(0, seq - ROWS)}`)
}

/** What must not leave this machine (secrets, names of its user) → what is shown in its place. */
export type Masks = readonly (readonly [string, string])[]

const SECRET_NAME = /(TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIAL|KEY|AUTH)/i
/** Hiding a shorter value would hide half of every line. */
const LENGTH_LEAST = 6

export function masksOf(cli: Cli): Masks {
  const { stateDir } = cli.paths()
  const fromEnv = Object.entries(cli.env).flatMap(([name, value]) => (SECRET_NAME.test(name) && value ? [value] : []))
  const kept = namesIn(path.join(stateDir, 'secrets')).map(name => path.join('secrets', name))
  const fromFiles = ['agent-token', 'install.json', ...kept].flatMap(name => secretsIn(path.join(stateDir, name)))
  const secrets = [...fromEnv, ...fromFiles].filter(value => value.length >= LENGTH_LEAST)
  return [
    ...secrets.flatMap(value => [value, encodeURIComponent(value)]).map(value => [value, '[secret]'] as const),
    [cli.env.HOME || homedir(), '~'],
  ]
}

export function masked(text: string, masks: Masks): string {
  return masks.reduce((shown, [what, instead]) => shown.replaceAll(what, instead), text)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Whole when it is one line, else each string of its JSON; nothing when it cannot be read from here. */
function secretsIn(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8').trim()
    if (!text.startsWith('{')) return [text]
    return Object.entries(JSON.parse(text)).flatMap(([name, value]) => (name === 'key' ? [String(value)] : []))
  } catch {
    return []
  }
}

type Row = Record<string, unknown>

const only = (names: readonly string[]) => (row: Row) =>
  Object.fromEntries(names.flatMap(name => (name in row ? [[name, row[name]]] : [])))

const TASK = [
  'id',
  'attempt',
  'agent',
  'priority',
  'status',
  'step',
  'stepEnteredAt',
  'stepAttempt',
  'wakeAt',
  'parkedUntil',
  'verdict',
  'usage',
  'cleanup',
  'createdAt',
  'startedAt',
  'completedAt',
  'updatedAt',
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
  'pid',
  'version',
  'startedAt',
  'supervisor',
  'tasks',
  'nodes',
  'obstacle',
  'socket',
  'callbacksUrl',
])

export const nodePart = only([
  'name',
  'provider',
  'status',
  'size',
  'location',
  'workspaces',
  'maxWorkspaces',
  'warmUntil',
  'createdAt',
])

/** Of an event, the names of steps and statuses and how long it took. */
export function eventPart({ data, ...event }: Row): Row {
  return {
    ...only(['seq', 'at', 'type', 'taskId', 'nodeName', 'step', 'attempt'])(event),
    data: only(['from', 'to', 'ms'])((data ?? {}) as Row),
  }
}

/** A message may quote an agent or a repository; the one of a bug is tdf's own. */
export function errorPart(error: Row): Row {
  const names = ['id', 'at', 'level', 'source', 'taskId', 'step', 'code']
  return only(error.code === 'BUG' ? [...names, 'message'] : names)(error)
}

/** Numbers, switches, times and sizes. */
const PLAIN = /^(\d+(\.\d+)?|true|false|""|"\d+(\.\d+)?[a-zA-Z]+")$/

/** Every key that is not at its default; of a text only that it is set. */
export async function configPart(cli: Cli): Promise<Row[]> {
  const { loadConfig } = await import('../../../src/config/load/load.ts')
  const { describeConfig } = await import('../../../src/config/show/describe.ts')
  const loaded = loadConfig({ file: cli.paths().configFile, env: cli.env })
  return describeConfig(loaded)
    .filter(({ origin }) => origin !== 'default')
    .map(({ key, value }) => ({ key, value: PLAIN.test(value) ? value : 'a text' }))
}
