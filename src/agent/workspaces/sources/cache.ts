/**
 * What this node keeps of repositories for the next task on them: a bare repository a source, filled from bundles of the
 * daemon alone, before anything of the repository has run. A workspace gets copies: its agent owns its files and could write
 * into a link. Nothing here is needed: what is damaged or in the way goes, and the next bundle comes whole.
 */
import { constants, existsSync, mkdirSync, readdirSync, statfsSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, OPEN_UMASK } from '../../../platform/files.ts'
import { type GitOptions, git } from '../../../platform/git.ts'
import { bundleHeader } from '../../../platform/objects/bundle.ts'
import { type Lines, makeLines } from '../../../platform/world.ts'
import { type Agent, type BuildContext, diskLowBytes } from '../../agent.ts'
import { messageOf } from '../../errors.ts'
import { prepareRepository } from '../../salvage/keep.ts'
import { removeTree } from '../../state/remove-tree.ts'
import type { WorkspaceRecord } from '../workspace.ts'

const HAVE = 'refs/have'
const HAVE_MAX = 100
const OID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/
/** More packs than this become fewer: each is copied into each workspace. */
const PACKS_MAX = 12
const UNUSED_MS_MAX = 30 * 24 * 3_600_000

/** The node lost what a thin bundle builds on. */
export class GroundLost extends Error {}

const folderOf = (agent: Agent, key: string) => join(agent.state, 'sources', `${key}.git`)

/** Commits that are here with all that they reach; those that came last are first. */
export function commitsKept(agent: Agent, key: string): string[] {
  const folder = join(folderOf(agent, key), HAVE)
  if (!existsSync(folder)) return []
  const named = readdirSync(folder).filter(name => OID.test(name))
  const cameAt = new Map(named.map(oid => [oid, statSync(join(folder, oid), { throwIfNoEntry: false })?.mtimeMs]))
  return named.sort((a, b) => (cameAt.get(b) ?? 0) - (cameAt.get(a) ?? 0)).slice(0, HAVE_MAX)
}

/** Whether all is here that a bundle builds on. Throws RESULT_BROKEN when it is no bundle. */
export async function hasGround(agent: Agent, key: string, bundle: string): Promise<boolean> {
  const { prerequisites } = await bundleHeader(bundle)
  return prerequisites.every(oid => existsSync(join(folderOf(agent, key), HAVE, oid)))
}

/** Copies what is kept of a source into a fresh repository of a workspace. Throws `GroundLost`. */
export async function copyKept({ agent, tree }: BuildContext, key: string): Promise<void> {
  await inLine(agent, key, async () => {
    try {
      await copyPacks(join(folderOf(agent, key), 'objects'), join(tree, '.git', 'objects'))
      touch(agent, key)
    } catch (error) {
      throw new GroundLost(messageOf(error))
    }
  })
}

/** Keeps the objects of a repository that was made from a bundle, and the commits that the bundle names, one or more. Never throws. */
export async function keepSource(context: BuildContext, key: string, commits: readonly string[]): Promise<void> {
  const { agent, tree } = context
  const from = join(tree, '.git', 'objects')
  await makeRoom(agent, key, bytesOf(from))
  await inLine(agent, key, async () => {
    try {
      if (freeBytes(agent) < diskLowBytes(agent) + bytesOf(from)) return
      const folder = folderOf(agent, key)
      makeFolder(join(agent.state, 'sources'))
      if (!existsSync(join(folder, 'HEAD'))) prepareRepository(folder, commits[0]?.length ?? 0)
      await copyPacks(from, join(folder, 'objects'))
      nameCommits(folder, commits)
      await joinPacks(agent, key)
      touch(agent, key)
    } catch (error) {
      agent.log('warn', 'what came of a source is not kept', { key, reason: messageOf(error) })
      await removeTree(folderOf(agent, key))
    }
  })
}

export async function dropSource(agent: Agent, key: string): Promise<void> {
  await inLine(agent, key, async () => void (await removeTree(folderOf(agent, key))))
}

/** One at a time for each source: packs that are copied are not joined meanwhile. */
const lines = new WeakMap<Agent, Lines>()

function inLine<T>(agent: Agent, key: string, act: () => Promise<T>): Promise<T> {
  const line = lines.get(agent) ?? makeLines()
  lines.set(agent, line)
  return line(key, act)
}

/** The index of a pack comes last: without it the pack is not there. */
async function copyPacks(from: string, to: string): Promise<void> {
  await mkdir(join(to, 'pack'), { recursive: true })
  const names = readdirSync(join(from, 'pack')).filter(name => /^pack-[0-9a-f]+\.(pack|rev|idx)$/.test(name))
  const isIndex = (name: string) => name.endsWith('.idx')
  for (const name of [...names.filter(name => !isIndex(name)), ...names.filter(isIndex)]) {
    const target = join(to, 'pack', name)
    if (!existsSync(target)) await copyFile(join(from, 'pack', name), target, constants.COPYFILE_FICLONE)
  }
}

/** Each is a file with what it names (gitrepository-layout(5)): nobody else writes here. */
function nameCommits(folder: string, commits: readonly string[]): void {
  mkdirSync(join(folder, HAVE), { recursive: true })
  for (const oid of commits) writeFileSync(join(folder, HAVE, oid), `${oid}\n`)
}

/** Large packs stay as they are, small ones become one (git-repack(1), --geometric); old names go. */
async function joinPacks(agent: Agent, key: string): Promise<void> {
  const packs = readdirSync(join(folderOf(agent, key), 'objects', 'pack')).filter(name => name.endsWith('.pack'))
  if (packs.length <= PACKS_MAX) return
  const joined = await gitIn(agent, key, ['repack', '--quiet', '--geometric=2', '-d'], { umask: OPEN_UMASK })
  if (joined.exitCode !== 0) throw new Error(joined.stderr.trim())
  const listed = await gitIn(agent, key, ['for-each-ref', '--sort=-committerdate', '--format=delete %(refname)', HAVE])
  const old = listed.stdout.split('\n').filter(Boolean).slice(HAVE_MAX)
  await gitIn(agent, key, ['update-ref', '--stdin'], { input: old.map(line => `${line}\n`).join('') })
}

function gitIn(agent: Agent, key: string, args: readonly string[], options: Partial<GitOptions> = {}) {
  const folder = folderOf(agent, key)
  return git(['--git-dir', folder, ...args], { cwd: folder, timeoutMs: agent.limits.gitMs, ...options })
}

function touch(agent: Agent, key: string): void {
  const now = agent.world.clock.now() / 1000
  utimesSync(folderOf(agent, key), now, now)
}

/** Removes what no task has used for long, and the longest unused until `bytes` more are within the bounds; not `keep`. */
export async function makeRoom(agent: Agent, keep: string | null = null, bytes = 0): Promise<void> {
  const kept = listKept(agent)
  let total = bytes + kept.reduce((sum, one) => sum + one.bytes, 0)
  const inUse = new Set([keep, ...[...agent.workspaces.values()].map(({ record }) => keyInUse(record))])
  for (const one of kept.filter(({ key }) => !inUse.has(key))) {
    const isOld = agent.world.clock.now() - one.usedAt > UNUSED_MS_MAX
    const isOver = total > agent.limits.sourcesBytesMax || freeBytes(agent) < diskLowBytes(agent) + bytes
    if (!isOld && !isOver) continue
    await dropSource(agent, one.key)
    total -= one.bytes
  }
}

/** The source whose objects a bundle waits for that is not built yet. */
function keyInUse({ status, bundleIsThin, request: { source } }: WorkspaceRecord): string | null {
  if (status !== 'creating' || !bundleIsThin || source.kind !== 'bundle') return null
  return source.cache?.key ?? null
}

interface Kept {
  key: string
  usedAt: number
  bytes: number
}

/** The longest unused first. */
function listKept(agent: Agent): Kept[] {
  const folder = join(agent.state, 'sources')
  if (!existsSync(folder)) return []
  const keys = readdirSync(folder).flatMap(name => /^([0-9a-f]{64})\.git$/.exec(name)?.[1] ?? [])
  const kept = keys.map(key => {
    const usedAt = statSync(folderOf(agent, key)).mtimeMs
    return { key, usedAt, bytes: bytesOf(join(folderOf(agent, key), 'objects')) }
  })
  return kept.sort((a, b) => a.usedAt - b.usedAt)
}

function bytesOf(objects: string): number {
  const packs = join(objects, 'pack')
  if (!existsSync(packs)) return 0
  return readdirSync(packs).reduce((sum, name) => sum + statSync(join(packs, name)).size, 0)
}

function freeBytes({ state }: Agent): number {
  const { bavail, bsize } = statfsSync(state)
  return bavail * bsize
}
