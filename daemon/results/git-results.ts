/** Results in git: fetched from the node's bundle, checked object by object, and only then named. */
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { LARGE_REFS, SUBMODULE_REFS } from '../../src/core/source.ts'
import { resultRefOf, type Task, type TaskResult } from '../../src/core/task.ts'
import { bundleRefs } from '../../src/platform/objects/bundle.ts'
import type { Salvaged } from '../../src/protocol/salvage.ts'
import { type KeptFiles, keptFiles } from '../../src/store/blobs/kept-files.ts'
import { snapshots } from '../../src/store/blobs/snapshots.ts'
import type { BlobStore } from '../../src/store/ledger/ledger.ts'
import { pack } from './bundles.ts'
import { baseOf } from './landing/base.ts'
import { logFiles } from './logs.ts'
import { artifactResults, artifactsAtHome } from './receive/artifacts.ts'
import { checkpointAnswer, checkpointRefOf, keepCheckpoint, takeCheckpoint } from './receive/checkpoints.ts'
import { missingFrom, receiveRefs } from './receive/receive.ts'
import { type Repository, repositories } from './repository.ts'
import type { Results } from './results.ts'
import { LARGE_NAMED, takeProved } from './sources/large.ts'
import { writeThin } from './sources/thin.ts'

/** Under their ids: commits that are here with all that they reach. */
export const BASES = 'refs/tdf-base'
const HAVE_MAX = 50
const FETCH_TIMEOUT_MS = 600_000

export interface GitResults extends Results {
  /** The repository that holds the results of this task's source. */
  of(task: Pick<Task, 'spec' | 'facts'>): Promise<Repository>
  /** That of a url or folder, for objects with names of so many characters: see `repositories`. */
  open(source: string, idLength?: number): Promise<Repository>
  /** Whether that is there already. */
  has(source: string, idLength: number): Promise<boolean>
}

export interface GitResultsOptions {
  stateDir: string
  bundleFile(sha256: string): string
  /** Of each log, in bytes. */
  logBytesMax: number
  /** Throws while there is no room for what comes home. */
  assertRoom(): void
  /** Where what comes home is kept beside this machine; null: nowhere else. */
  blobs?: BlobStore | null
}

export function gitResults(options: GitResultsOptions): GitResults {
  const { stateDir, bundleFile, logBytesMax, assertRoom, blobs = null } = options
  const { open, has, all, removeUnused } = repositories(path.join(stateDir, 'results'), blobs && snapshots(blobs))
  const files = keptFiles(stateDir, blobs)
  const [downloads, packs] = [path.join(stateDir, 'downloads'), path.join(stateDir, 'packs')]
  const packFile = (task: Pick<Task, 'id' | 'attempt'>) => path.join(packs, `${task.id}-${task.attempt}.bundle`)
  const of = ({ spec: { repo }, facts }: Pick<Task, 'spec' | 'facts'>, saved = facts.salvage) =>
    open(repo.url, (repo.baseCommit ?? facts.source?.commit ?? (saved ?? facts.resume)?.baseCommit)?.length)

  const results: GitResults = {
    ...artifactResults({ of, all, assertRoom, folder: downloads }),
    of,
    open,
    has,
    files,
    logs: logFiles(stateDir, logBytesMax, assertRoom, files),
    async have(task, saved) {
      assertRoom()
      const repository = await of(task, saved)
      await mkdir(downloads, { recursive: true, mode: 0o700 })
      return basesFor(repository, saved, () => ground(repository, task, { bundleFile, files }))
    },
    async receive(task, saved, file) {
      const repository = await of(task, saved)
      const came = file === null ? NOTHING : await takeProved(repository, resultRefOf(task.id, task.attempt), file)
      const received = await repository.alone(() => receive(repository, task, saved, came))
      await repository.save()
      return received
    },
    async missing(task, saved) {
      return missingFrom(await of(task, saved), resultRefOf(task.id, task.attempt), saved)
    },
    keepCheckpoint: async (task, saved, fetch) => keepNewest(results, await of(task, saved), task, saved, fetch),
    async takeCheckpoint(task) {
      const repository = await of(task)
      const taken = await repository.alone(() => takeCheckpoint(repository, task))
      await repository.save()
      return taken
    },
    async describe(task, saved) {
      return describe(await of(task, saved), task, saved)
    },
    async pack(task, resume, signal) {
      const repository = await ground(await of(task), task, { bundleFile, files })
      const file = packFile(task)
      await mkdir(packs, { recursive: true, mode: 0o700 })
      const packed = await repository.alone(() => pack(repository, resume, file, signal))
      await files.keep(file)
      return packed
    },
    base: async (task, work) => baseOf(await of(task), task, work),
    packFile,
    removeUnused,
    async thin(task, whole, have, signal) {
      const file = path.join(downloads, `${task.id}-${task.attempt}.thin`)
      try {
        const repository = await ground(await of(task), task, { bundleFile, files })
        await mkdir(downloads, { recursive: true, mode: 0o700 })
        return await writeThin(repository, { whole, have }, file, signal)
      } catch {
        await results.discard(file)
        signal?.throwIfAborted()
        return null
      }
    },
    downloadFile: task => path.join(downloads, `${task.id}-${task.attempt}.bundle`),
    discard: file => rm(file, { force: true }),
  }
  return results
}

async function keepNewest(
  results: Results,
  repository: Repository,
  task: Task,
  saved: Salvaged,
  fetch: Parameters<Results['keepCheckpoint']>[2],
): Promise<void> {
  const before = await checkpointAnswer(repository, checkpointRefOf(task))
  if (JSON.stringify(before) === JSON.stringify(saved)) return
  const file = `${results.downloadFile(task)}.checkpoint`
  try {
    const have = [...(await results.have(task, saved)), ...(before === null ? [] : tipsOf(before))]
    const came = (await fetch(have, file)) ? await takeProved(repository, checkpointRefOf(task), file) : NOTHING
    await repository.alone(() => keepCheckpoint(repository, task, saved, came))
    await repository.save()
  } finally {
    await results.discard(file)
  }
}

/** The repository with all that the task began from. */
async function ground(repository: Repository, task: Task, places: Places): Promise<Repository> {
  await uploadTaken(repository, task)
  await repository.alone(() => takeBase(repository, task, places))
  return repository
}

interface Places extends Pick<GitResultsOptions, 'bundleFile'> {
  files: KeptFiles
}

/** The newest ones, and that of the result, which is taken in where it is not among them. */
async function basesFor(repository: Repository, { baseCommit }: Salvaged, take: () => Promise<Repository>) {
  const newest = await basesIn(repository)
  if (newest.includes(baseCommit)) return newest
  await take()
  const own = await repository.may(['rev-parse', '--quiet', '--verify', `${BASES}/${baseCommit}`])
  return [...new Set([...own.stdout.split('\n').filter(Boolean), ...(await basesIn(repository))])]
}

async function basesIn(repository: Repository): Promise<string[]> {
  const order = ['--sort=-committerdate', `--count=${HAVE_MAX}`, '--format=%(objectname)']
  return (await repository.must(['for-each-ref', ...order, BASES])).split('\n').filter(Boolean)
}

/** Waits while it is being taken in; whether that fails or not, the base is looked for then. */
async function uploadTaken(repository: Repository, { spec: { repo } }: Task): Promise<void> {
  if (repo.kind === 'bundle') await repository.shared(repo.sha256, async () => {}).catch(() => {})
}

/** The bundle that the task began from is the ground that one with only the new commits stands on; its submodules go on with it. */
async function takeBase(repository: Repository, task: Task, { bundleFile, files }: Places): Promise<void> {
  const { repo } = task.spec
  const { source } = task.facts
  const begun = repo.kind === 'bundle' ? { ...repo, commit: repo.baseCommit } : source
  if (!begun) return
  const file = bundleFile(begun.sha256)
  await files.bring(file)
  if (!existsSync(file)) return
  const input = `${[...(await bundleRefs(file)).values()].join('\n')}\n`
  const found = await repository.must(['cat-file', '--batch-check=%(objecttype)'], { input })
  if (!found.includes('missing')) return
  // With all that it names: a bundle of the same for another node holds it too.
  const named = [`+${SUBMODULE_REFS}*:${BASES}-submodules/*`, `+${LARGE_REFS}*:${LARGE_NAMED}/*`]
  const beside = ['+refs/tags/*:refs/tags/*', ...named]
  const targets = [`+${begun.ref}:${BASES}/${begun.commit}`, ...beside]
  await repository.must(['fetch', ...QUIET, '--end-of-options', file, ...targets], { timeoutMs: FETCH_TIMEOUT_MS })
}

const QUIET = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-recurse-submodules']
const NOTHING: ReadonlyMap<string, string> = new Map()

const tipsOf = ({ commit, saved }: Salvaged) => [commit, ...saved.map(one => one.commit)].slice(0, HAVE_MAX)

async function receive(
  repository: Repository,
  task: Task,
  saved: Salvaged,
  came: ReadonlyMap<string, string>,
): Promise<Salvaged> {
  const ref = resultRefOf(task.id, task.attempt)
  const before = task.facts.salvage?.files
  const base = new Map([[`${BASES}/${saved.baseCommit}`, saved.baseCommit]])
  const beside = await receiveRefs(repository, ref, saved, came, task.facts.salvage?.saved, base)
  const files = saved.files === undefined ? {} : { files: await artifactsAtHome(repository, before, saved.files) }
  const judged = task.facts.kept ? task.result?.commit : undefined
  if (judged === undefined || judged === saved.commit) return { ...saved, saved: beside, ...files }
  // A verdict was given on the commit of then: the newer one stands beside it.
  const late = {
    ref: `${ref}-others/late`,
    name: 'late',
    kind: 'branch' as const,
    commit: saved.commit,
    ahead: saved.ahead,
  }
  await repository.must(['update-ref', '--stdin'], {
    input: `update ${ref} ${judged}\nupdate ${late.ref} ${late.commit}\n`,
  })
  return { ...saved, commit: judged, saved: [...beside.filter(one => one.ref !== late.ref), late], ...files }
}

async function describe(repository: Repository, task: Task, saved: Salvaged): Promise<TaskResult> {
  const { baseCommit, commit } = saved
  const [ahead, counted] = await Promise.all([
    repository.must(['rev-list', '--count', '--end-of-options', `${baseCommit}..${commit}`]),
    repository.must(['diff', ...PLAIN, '--numstat', '-z', '--end-of-options', baseCommit, commit]),
  ])
  const rows = counted.split('\0').filter(row => /^(\d+|-)\t(\d+|-)\t/.test(row))
  const sum = (column: number) => rows.reduce((total, row) => total + (Number(row.split('\t')[column]) || 0), 0)
  return {
    branch: task.spec.outputBranch,
    commit,
    ahead: Number(ahead),
    filesChanged: rows.length,
    insertions: sum(0),
    deletions: sum(1),
    summary: task.facts.exit?.summary ?? null,
    salvaged: saved.salvaged,
    check: null,
  }
}

/** Differences without any program that a repository could name. */
export const PLAIN = ['--no-ext-diff', '--no-textconv', '--no-color', '--no-renames']
