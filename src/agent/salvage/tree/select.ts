/** What of a work tree is taken along, and what stays although it is there: too large, of a kind that git has no word for, ignored. */
import { accessSync, constants, readdirSync } from 'node:fs'
import type { Slot } from '../../isolation/slot.ts'
import { systemTool } from '../../isolation/system-tool.ts'
import { type BytePath, bytes, split } from '../listing.ts'
import { statOf } from '../untrusted.ts'
import type { View } from '../view.ts'
import type { LeaveOut } from './left-out.ts'
import { absolute, type Candidate, type ScanContext, type TreeScan } from './scan.ts'

/** Takes the files that do not fit out of the scan: the smallest stay, the same ones each time. Answers what is left of the room. */
export function fitInto(scan: TreeScan, bytesMax: number, leaveOut: LeaveOut): number {
  const all = allFiles(scan).sort((one, other) => one.file.size - other.file.size || (one.path < other.path ? -1 : 1))
  let left = bytesMax
  const over = new Set<Candidate>()
  for (const { file, path } of all) {
    if (over.size === 0 && file.size <= left) left -= file.size
    else {
      over.add(file)
      leaveOut(path, 'oversize', { bytes: file.size })
    }
  }
  if (over.size > 0) drop(scan, over)
  return left
}

function allFiles(scan: TreeScan): { file: Candidate; path: BytePath }[] {
  const own = scan.files.map(file => ({ file, path: scan.prefix + file.path }))
  return [...own, ...scan.embedded.flatMap(embedded => allFiles(embedded.scan))]
}

function drop(scan: TreeScan, over: Set<Candidate>): void {
  scan.files = scan.files.filter(file => !over.has(file))
  for (const embedded of scan.embedded) drop(embedded.scan, over)
}

const FIND = { cwd: '/', timeoutMs: 60_000, outputBytesMax: 1024 * 1024, encoding: 'latin1' as const }
const SPECIAL = ['(', '-type', 'p', '-o', '-type', 's', '-o', '-type', 'b', '-o', '-type', 'c', ')']
const SHUT = ['-type', 'd', '(', '!', '-readable', '-o', '!', '-executable', ')']

/** Gives a user back what it may not read of its own: git records no more of a mode than the x. */
export async function makeReadable(tree: string, uid: number): Promise<void> {
  const folders = ['-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '--', '{}', ';']
  const files = ['-type', 'f', '!', '-perm', '-u=r', '-exec', 'chmod', 'u+r', '--', '{}', '+']
  const own = ['-user', String(uid)]
  await systemTool('find', [tree, '-xdev', ...own, '(', ...folders, '-o', ...files, ')'], FIND)
}

export interface Oddities {
  /** Folders that cannot be looked into, each with a slash at its end. */
  closed: BytePath[]
  /** `.git` below the top, with what it belongs to or by itself. */
  repositories: BytePath[]
}

/**
 * What git passes over in silence. What cannot be read and what is special is left out by name, unless it is ignored.
 * A slot's user is asked itself: access(2) does not count the capabilities by which the agent reads its files.
 */
export async function oddities(view: View, tree: string, leaveOut: LeaveOut, slot: Slot | null): Promise<Oddities> {
  const print = (letter: string, end = '') => ['-printf', `${letter}%s %p${end}\\0`]
  const found = await systemTool(
    'find',
    [
      ...['.', '-xdev', ...SHUT, ...print('d', '/'), '-prune', '-o', '-type', 'f', '!', '-readable', ...print('f')],
      ...['-o', '-path', './.git/*', '-o', '-path', './.git', '-o', '-name', '.git', ...print('r'), '-prune'],
      ...['-o', ...SPECIAL, ...print('s')],
    ],
    { ...FIND, cwd: tree },
    slot?.isVirtual ? null : slot,
  )
  const all = split(found.stdout).map(line => {
    const space = line.indexOf(' ')
    return { kind: line[0], bytes: Number(line.slice(1, space)), path: line.slice(space + 1).replace(/^\.\//, '') }
  })
  const ignored = await ignoredAmong(view, tree, all)
  const kept = all.filter(({ path }) => !ignored.has(path))
  for (const { kind, path, bytes } of kept) {
    if (kind === 'd') leaveOut(path, 'unreadable')
    if (kind === 'f') leaveOut(path, 'unreadable', { bytes })
    if (kind === 's') leaveOut(path, 'special')
  }
  const of = (letter: string) => kept.filter(({ kind }) => kind === letter).map(({ path }) => path)
  return { closed: all.filter(({ kind }) => kind === 'd').map(({ path }) => path), repositories: of('r') }
}

async function ignoredAmong(view: View, tree: string, all: readonly { path: BytePath }[]): Promise<Set<BytePath>> {
  const asked = all.filter(({ path }) => !path.startsWith('.git/'))
  if (asked.length === 0) return new Set()
  const input = asked.map(({ path }) => `${path}\0`).join('')
  const answer = await view.run(['check-ignore', '-z', '--stdin'], { tree, index: view.newIndex(), input })
  return new Set(split(answer.stdout))
}

/** Why git did not take a file that is there. */
export function leaveRefused(context: ScanContext, scan: TreeScan, path: BytePath): void {
  const bytes = statOf(absolute(scan, path))?.size
  const about = bytes === undefined ? {} : { bytes }
  context.leaveOut(scan.prefix + path, isReadable(absolute(scan, path)) ? 'refused' : 'unreadable', about)
}

function isReadable(path: Buffer): boolean {
  try {
    if (!statOf(path)?.isSymbolicLink()) accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

const STRAY_MAX = 20

/**
 * Files in a `.git` that git does not look into: it takes no such name. A whole repository in a folder that has files of the work
 * tree is one of them, whose own files came home with those.
 */
export async function leaveStray(
  context: ScanContext,
  scan: TreeScan,
  repositories: readonly BytePath[],
): Promise<void> {
  if (repositories.length === 0) return
  const known = new Set(knownRepositories(scan))
  const submodules = await context.baseGitlinks()
  for (const path of repositories) {
    const folder = path.replace(/\/?\.git$/, '')
    if (known.has(folder) || submodules.has(folder)) continue
    if (context.isLinked(absolute(scan, folder))) continue
    if (isGitFolder(scan, path)) context.leaveOut(scan.prefix + path, 'history')
    else
      for (const inner of filesBelow(scan, path).slice(0, STRAY_MAX)) context.leaveOut(scan.prefix + inner, 'refused')
  }
}

function knownRepositories(scan: TreeScan): BytePath[] {
  return scan.embedded.flatMap(({ path, scan: inner }) => [scan.prefix + path, ...knownRepositories(inner)])
}

/** gitrepository-layout(5): without a HEAD and objects it is none. */
const isGitFolder = (scan: TreeScan, path: BytePath) =>
  statOf(absolute(scan, `${path}/HEAD`)) !== undefined && statOf(absolute(scan, `${path}/objects`)) !== undefined

function filesBelow(scan: TreeScan, path: BytePath): BytePath[] {
  if (!statOf(absolute(scan, path))?.isDirectory()) return [path]
  try {
    const names = readdirSync(absolute(scan, path), { encoding: 'latin1' }).slice(0, STRAY_MAX)
    return names.flatMap(name => filesBelow(scan, `${path}/${name}`))
  } catch {
    return [path]
  }
}

/**
 * Names what the ignore rules name, folders as a whole, but not what was there before an agent was, nor what it added all
 * the same or what is kept as an artifact.
 */
export function leaveIgnored(context: ScanContext, scan: TreeScan, before: ReadonlySet<string>): void {
  const added = new Set(scan.files.map(({ path }) => path))
  const holding = new Set([...context.artifacts].flatMap(foldersOf))
  const made = scan.ignored.filter(path => !before.has(path))
  for (const path of made.flatMap(found => opened(context, scan, holding, found))) {
    if (before.has(path) || added.has(path) || context.artifacts.has(scan.prefix + path)) continue
    const stat = statOf(absolute(scan, path))
    context.leaveOut(scan.prefix + path, 'ignored', stat?.isFile() ? { bytes: stat.size } : {})
  }
}

/** An ignored folder may hold linked work trees and artifacts, which are saved: what is beside them is named one by one. */
function opened(context: ScanContext, scan: TreeScan, holding: ReadonlySet<BytePath>, path: BytePath): BytePath[] {
  if (!path.endsWith('/')) return [path]
  const folder = absolute(scan, path.slice(0, -1))
  if (context.isLinked(folder)) return []
  if (!context.holdsLinked(folder) && !holding.has(scan.prefix + path)) return [path]
  const names = readdirSync(absolute(scan, path), { withFileTypes: true, encoding: 'latin1' as BufferEncoding })
  return names.flatMap(entry => opened(context, scan, holding, `${path}${entry.name}${entry.isDirectory() ? '/' : ''}`))
}

/** Every folder above a path, each with a slash behind it. */
const foldersOf = (path: BytePath): BytePath[] => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index + 1))

/** The clean filters that attributes name for the files of a scan, by path; none of a file without one. */
export async function filtersOf({ view }: ScanContext, scan: TreeScan): Promise<Map<BytePath, string>> {
  const paths = scan.files.map(({ path }) => path)
  if (paths.length === 0 || !hasAttributes(scan)) return new Map()
  const input = paths.map(path => `${path}\0`).join('')
  const flags = ['check-attr', '-z', '--stdin', 'filter']
  const words = (await view.run(flags, { tree: scan.tree, index: scan.index, input })).stdout.split('\0')
  const found = new Map<BytePath, string>()
  for (let at = 0; at + 2 < words.length; at += 3) {
    const [path = '', , filter = ''] = words.slice(at, at + 3)
    if (!['unspecified', 'unset', 'set'].includes(filter)) found.set(path, filter)
  }
  return found
}

/** Names the files whose clean filter was not run: they are saved as they lie on the disk. */
export async function nameFiltered(context: ScanContext, scan: TreeScan): Promise<void> {
  for (const [path, filter] of await filtersOf(context, scan)) {
    if (filter === LFS) continue
    const name = bytes(filter).toString('utf8').slice(0, 100)
    context.leaveOut(scan.prefix + path, 'filter', { reason: `its clean filter "${name}" was not run` })
  }
  for (const { scan: inner } of scan.embedded) await nameFiltered(context, inner)
}

/** Its files are saved as what it would have made of them. */
export const LFS = 'lfs'

const hasAttributes = ({ files, attributed }: TreeScan) =>
  attributed || files.some(({ path }) => /(^|\/)\.gitattributes$/.test(path))
