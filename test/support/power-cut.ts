/**
 * What a power cut would take: a model of a disk that keeps a file's bytes only after its fsync, and a name only after
 * the fsync of its folder. Calls of `node:fs` of this process go through to the real disk and are noted.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'

export interface PowerCut {
  /** What was renamed or linked so far, in order. */
  named(): string[]
  /** Files and folders whose fsync was waited for, in order. */
  synced(): string[]
  /** One line for each name or content that would be lost now. */
  lost(): string[]
  restore(): void
}

export function watchDisk(): PowerCut {
  const names: string[] = []
  const contentSynced = new Set<string>()
  const problems: string[] = []
  const unsyncedNames = new Map<string, string>()
  const files = new Map<number, string>()

  const synced = (name: string) => {
    contentSynced.add(name)
    for (const [target, folder] of unsyncedNames) if (folder === name) unsyncedNames.delete(target)
  }
  const named = (from: string, to: string) => {
    names.push(to)
    if (fs.statSync(from).isFile() && !contentSynced.has(from)) problems.push(`the content of ${path.basename(to)}`)
    unsyncedNames.set(to, path.dirname(to))
  }

  const real = { ...pick(fs, ['openSync', 'fsyncSync', 'renameSync', 'linkSync']), promises: { ...fs.promises } }
  fs.openSync = ((file: string, ...rest: [string]) => {
    const opened = real.openSync(file, ...rest)
    files.set(opened, String(file))
    return opened
  }) as typeof fs.openSync
  fs.fsyncSync = opened => {
    real.fsyncSync(opened)
    synced(files.get(opened) ?? '')
  }
  fs.renameSync = (from, to) => {
    named(String(from), String(to))
    real.renameSync(from, to)
  }
  fs.linkSync = (from, to) => {
    named(String(from), String(to))
    real.linkSync(from, to)
  }
  fs.promises.open = async (file, ...rest) => {
    const opened = await real.promises.open(file, ...rest)
    const sync = opened.sync.bind(opened)
    opened.sync = async () => {
      await sync()
      synced(String(file))
    }
    return opened
  }
  fs.promises.rename = async (from, to) => {
    named(String(from), String(to))
    await real.promises.rename(from, to)
  }
  syncBuiltinESMExports()

  return {
    named: () => names,
    synced: () => [...contentSynced],
    lost: () => [...problems, ...[...unsyncedNames.keys()].map(name => `the name ${path.basename(name)}`)],
    restore() {
      const { promises, ...sync } = real
      Object.assign(fs, sync)
      Object.assign(fs.promises, { open: promises.open, rename: promises.rename })
      syncBuiltinESMExports()
    },
  }
}

function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map(key => [key, from[key]])) as Pick<T, K>
}
