/** `GET …/bundle`: what was salvaged under a ref, less what the caller has, as a file that is whole before it is sent. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { gitOutput } from '../../platform/git.ts'
import type { Agent } from '../agent.ts'
import { Refusal } from '../errors.ts'
import { salvageRepository, scratchFolder, type Workspace } from '../workspaces/workspace.ts'
import { openKeeper } from './keep.ts'
import { checkRef } from './salvage.ts'

const BUNDLE_MS = 10 * 60_000

/** The path of a file for the caller to send and remove; null when REF's commit is known to it. */
export async function writeBundle(
  agent: Agent,
  workspace: Workspace,
  ref: string,
  have: readonly string[],
): Promise<string | null> {
  checkRef(ref)
  const { run, refsOf } = openKeeper(salvageRepository(workspace), BUNDLE_MS, workspace.leaving.signal)
  const found = await run(['rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`])
  if (found.exitCode !== 0) throw new Refusal('not_found', `workspace ${workspace.id} has nothing salvaged as ${ref}`)
  const known = await commitsOf(run, have)
  if (await isReached(run, found.stdout.trim(), known)) return null
  const folder = scratchFolder(workspace)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `bundle-${agent.world.random.bytes(6).toString('hex')}`)
  const input = [...(await refsOf(ref)), ...known.map(oid => `^${oid}`)].join('\n')
  const made = await run(['bundle', 'create', '--quiet', file, '--stdin'], `${input}\n`)
  gitOutput('bundle', made, message => new Refusal('internal', message))
  return file
}

type Run = ReturnType<typeof openKeeper>['run']

/** Those of the caller's ids that are commits here; the others say nothing. */
async function commitsOf(run: Run, have: readonly string[]): Promise<string[]> {
  if (have.length === 0) return []
  const checked = await run(['cat-file', '--batch-check=%(objecttype) %(objectname)'], `${have.join('\n')}\n`)
  return checked.stdout.split('\n').flatMap(line => (line.startsWith('commit ') ? [line.slice('commit '.length)] : []))
}

/** Also when it is an ancestor: git makes no bundle of nothing. */
async function isReached(run: Run, commit: string, known: readonly string[]): Promise<boolean> {
  if (known.length === 0) return false
  const input = [commit, ...known.map(oid => `^${oid}`)].join('\n')
  const missing = await run(['rev-list', '--count', '--stdin'], `${input}\n`)
  return missing.exitCode === 0 && missing.stdout.trim() === '0'
}
