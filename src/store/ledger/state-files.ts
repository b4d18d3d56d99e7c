/**
 * Small files of the state folder that belong to the installation, whichever daemon serves: secrets, keys of ssh, pinned host
 * keys, nodes that were added. Where daemons share the state they are rows too, sealed with the key of the installation; a
 * daemon that begins to serve writes them into its own folder, where all that uses them finds them.
 */
import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, readIfThere, removeDurable, writeDurable } from '../../platform/files.ts'
import type { Install } from '../../platform/install.ts'
import { makeLines } from '../../platform/world.ts'
import type { Sql } from '../sqlite/sql.ts'
import { readMeta, readSealed, removeMeta, removeSealed, writeSealed } from '../tables/meta.ts'
import type { InstallationKey } from './key.ts'

export interface StateFiles {
  /** Makes what changed in them durable wherever the state is; what depends on it is not done before. */
  save(): Promise<void>
}

/** With a file as the store they are what they are. */
export const ownFiles: StateFiles = { async save() {} }

/** Files, and folders with all that is in them. */
const PLACES = ['secrets', 'ssh', 'nodes.json', 'configured-nodes.json']
/** What is made anew, or is half made; see src/machines/ssh. */
const PASSING = /(^|\/)(\.[^/]*|offered|[^/]*\.tmp|(?:admin|tunnel|bootstrap)\.[A-Za-z0-9]{6}(?:\/.*)?)$|\/\.scan-/
/** Which of them this folder has from the rows: only those may go when their row does. */
const LIST = 'shared-files'

interface Shared {
  sql: Sql
  commit<T>(write: () => T): Promise<T>
}

/**
 * Brings the files of a folder to what the rows say. Files of which no daemon knew come into the rows: nothing that was set here
 * before is lost. Throws STATE_CORRUPT when a row cannot be opened with this key.
 */
export async function shareStateFiles(store: Shared, stateDir: string, key: InstallationKey): Promise<StateFiles> {
  const rows = openSealed(store.sql, key)
  writeStateFiles(stateDir, rows)
  let known = rows
  const line = makeLines()

  async function save(): Promise<void> {
    const now = readStateFiles(stateDir)
    const changed = [...now].filter(([name, content]) => known.get(name)?.equals(content) !== true)
    const gone = [...known.keys()].filter(name => !now.has(name))
    if (changed.length + gone.length === 0) return
    await store.commit(() => {
      for (const [name, content] of changed) writeSealed(store.sql, name, key.seal(name, content))
      for (const name of gone) removeSealed(store.sql, name)
    })
    known = now
    noteShared(stateDir, now.keys())
  }

  const files: StateFiles = { save: () => line('save', save) }
  await files.save()
  return files
}

/** By name below the state folder. Throws STATE_CORRUPT. */
export function openSealed(sql: Sql, key: InstallationKey): Map<string, Buffer> {
  return new Map(readSealed(sql).map(({ name, sealed }) => [name, key.open(name, sealed)]))
}

export function readStateFiles(stateDir: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  const look = (name: string) => {
    const file = path.join(stateDir, name)
    const kind = lstatSync(file, { throwIfNoEntry: false })
    if (PASSING.test(name) || !kind) return
    if (kind.isDirectory()) for (const entry of readdirSync(file).sort()) look(`${name}/${entry}`)
    if (kind.isFile()) found.set(name, readFileSync(file))
  }
  for (const place of PLACES) look(place)
  return found
}

/** Writes them, and removes those that were shared once and are not any more. */
export function writeStateFiles(stateDir: string, files: ReadonlyMap<string, Buffer>): void {
  const before = (readIfThere(path.join(stateDir, LIST)) ?? '').split('\n').filter(Boolean)
  const here = readStateFiles(stateDir)
  for (const [name, content] of files) {
    if (here.get(name)?.equals(content)) continue
    const file = path.join(stateDir, name)
    makeFolder(path.dirname(file))
    writeDurable(file, content)
  }
  for (const name of before.filter(one => here.has(one) && !files.has(one))) removeDurable(path.join(stateDir, name))
  if (files.size === 0 && before.length === 0) return
  noteShared(stateDir, files.keys())
}

function noteShared(stateDir: string, names: Iterable<string>): void {
  writeDurable(path.join(stateDir, LIST), [...names].map(name => `${name}\n`).join(''))
}

/** The files of a folder from which the state went elsewhere are its own again. */
export function forgetShared(stateDir: string): void {
  rmSync(path.join(stateDir, LIST), { force: true })
}

const INSTALL_KEY = 'install_key'

/** What makes the tokens of an installation that had a file of its own before: nodes know them. */
export function installKeyRow(install: Install, key: InstallationKey): [name: string, value: string] {
  return [INSTALL_KEY, key.seal(INSTALL_KEY, install.key)]
}

/** Of an installation that never had a file of its own, it comes from the shared key. */
export function openInstallKey(sql: Sql, key: InstallationKey): Buffer {
  const sealed = readMeta(sql, INSTALL_KEY)
  return sealed === undefined ? key.tokens : key.open(INSTALL_KEY, sealed)
}

export function dropInstallKey(sql: Sql): void {
  removeMeta(sql, INSTALL_KEY)
}
