/**
 * `tdf doctor --bundle`: what a bug report needs, in one archive that can be shown to others. It holds what tdf itself
 * counted and decided; no word of yours and nothing that an agent said is in it.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { arch, release, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { TdfError } from '../../src/errors.ts'
import { run } from '../../src/process.ts'
import type { FindingJson } from '../../src/protocol/control.ts'
import { VERSION } from '../../src/version.ts'
import { realWorld } from '../../src/world.ts'
import type { Cli } from '../cli.ts'
import { plainEnv } from '../local-git.ts'
import { type Masks, masked, masksOf } from './mask.ts'
import { configPart, errorPart, eventPart, nodePart, statusPart, taskPart } from './parts.ts'

const ROWS = 500
const TAR_MS = 60_000

type Part = (cli: Cli, found: readonly FindingJson[]) => Promise<unknown> | unknown

/** File name → what stands in it. A part that cannot be had says why and keeps no other from being there. */
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
    const packed = await run('tar', ['-czf', file, '-C', folder, 'tdf-bundle'], {
      cwd: folder,
      env: plainEnv(cli),
      timeoutMs: TAR_MS,
    })
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
    // The code alone: a message may hold what somebody wrote.
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
