/**
 * Backups of the database while it is in use. A small one is written in one go; a large one would hold up every callback
 * meanwhile, so its file is frozen and copied by a process of its own.
 */
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { publishFile } from '../../src/platform/files.ts'
import { run } from '../../src/platform/run.ts'
import type { World } from '../../src/platform/world.ts'
import type { BackupJson } from '../../src/protocol/upkeep.ts'
import { BACKUP_DIR, backUp, databaseBytes, freezeFile, thawFile } from '../../src/store/sqlite/backup.ts'
import type { Store } from '../../src/store/store.ts'
import type { Sweep } from '../sweeps/run.ts'
import type { Disk } from './disk.ts'

export interface Backups {
  /** Writes one now; one that is under way is shared. Throws DISK_FULL or BACKUP_FAILED; WRONG_STATE where the state is in no file. */
  make(): Promise<BackupJson>
  /** Newest first. */
  list(): Promise<BackupJson[]>
  /** Removes the oldest of those that were made here beyond `keep`, and of the others beyond a few. */
  prune(keep: number): Promise<number>
  /** The path of one that is there; undefined for any other name. */
  file(name: string): Promise<string | undefined>
}

export interface BackupParts {
  store: Store
  world: World
  stateDir: string
  /** From this size on, in bytes, a copy is made aside. */
  asideBytes?: number
}

/** A `vacuum into` of this many bytes takes some 200 ms. */
const ASIDE_BYTES = 64 * 1024 * 1024
const COPY_TIMEOUT_MS = 1_800_000
/** Written before a migration: the way back to the version before. */
const MIGRATION_COPIES = 3
const OURS = /^tdf-\d{8}T\d{6}Z\.db$/
const NAME = /^[a-z0-9-]+(?:T\d{6}Z)?\.db$/i

export function createBackups({ store, world, stateDir, asideBytes = ASIDE_BYTES }: BackupParts): Backups {
  const folder = path.join(stateDir, BACKUP_DIR)
  let underWay: Promise<BackupJson> | null = null

  async function make(): Promise<BackupJson> {
    const name = `tdf-${new Date(world.clock.now()).toISOString().replace(/[-:]|\.\d+/g, '')}.db`
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (databaseBytes(store.sql) < asideBytes) backUp(store.sql, stateDir, name)
    else await copyAside(store, path.join(stateDir, 'tdf.db'), path.join(folder, name))
    return about(folder, name)
  }

  async function list(): Promise<BackupJson[]> {
    const names = (await readdir(folder).catch(() => [])).filter(name => NAME.test(name))
    const found = await Promise.all(names.map(name => about(folder, name)))
    return found.sort((a, b) => (a.at < b.at ? 1 : -1))
  }

  return {
    make() {
      if (store.kind !== 'file') return Promise.reject(noFile())
      underWay ??= make().finally(() => (underWay = null))
      return underWay
    },
    list,
    async prune(keep) {
      const all = await list()
      const old = [
        ...all.filter(({ name }) => OURS.test(name)).slice(keep),
        ...all.filter(({ name }) => !OURS.test(name)).slice(MIGRATION_COPIES),
      ]
      for (const { file } of old) await rm(file, { force: true })
      return old.length
    },
    async file(name) {
      return (await list()).find(backup => backup.name === name)?.file
    },
  }
}

const noFile = () =>
  new TdfError('WRONG_STATE', 'the state is in PostgreSQL: a command that is told [store] url makes a backup of it', {
    hint: 'TDF_STORE__URL=postgres://USER@HOST/DATABASE tdf db backup',
  })

async function about(folder: string, name: string): Promise<BackupJson> {
  const file = path.join(folder, name)
  const { size, mtime } = await stat(file)
  return { name, file, bytes: size, at: mtime.toISOString() }
}

/** While the file is frozen the log grows with every commit; the first checkpoint after it writes that home. */
async function copyAside({ sql }: Store, source: string, target: string): Promise<void> {
  const part = `${target}.part`
  freezeFile(sql)
  try {
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin' }
    const limits = { cwd: path.dirname(target), env, timeoutMs: COPY_TIMEOUT_MS }
    const { exitCode, stderr } = await run('cp', ['--reflink=auto', '--', source, part], limits)
    if (exitCode !== 0) throw new TdfError('BACKUP_FAILED', `the database could not be copied: ${stderr.trim()}`)
    await chmod(part, 0o600)
    await publishFile(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  } finally {
    thawFile(sql)
  }
}

// --- The sweeps that look after the disk: room, reserve, backups ---

const LOOK_MS = 10_000
const BACKUP_LOOK_MS = 600_000

export function careSweeps(disk: Disk, backups: Backups): Sweep[] {
  return [
    {
      name: 'disk',
      everyMs: () => LOOK_MS,
      async run() {
        disk.look()
        await disk.keepReserve()
        return {}
      },
    },
    {
      name: 'backup',
      everyMs: config => Math.min(config.backups.interval, BACKUP_LOOK_MS),
      async run({ config, world, store }) {
        if (store.kind !== 'file') return {}
        const { interval, keep } = config.backups
        const [newest] = (await backups.list()).filter(({ name }) => name.startsWith('tdf-'))
        const isDue = !newest || world.clock.now() - Date.parse(newest.at) >= interval
        if (keep === 0 || !isDue) return { removed: await backups.prune(keep) }
        await backups.make()
        return { made: 1, removed: await backups.prune(keep) }
      },
    },
  ]
}
