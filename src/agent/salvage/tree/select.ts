/** What of a work tree is taken along, and what stays although it is there: too large, of a kind that git has no word for, ignored. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Slot } from '../../isolation/slot.ts'
import { systemTool } from '../../isolation/system-tool.ts'
import { type BytePath, bytes, split } from '../listing.ts'
import { type GitFolder, isPlainFile, isPlainFolder, statOf } from '../untrusted.ts'
import type { View } from '../view.ts'
import type { LeaveOut } from './left-out.ts'
import { absolute, type Candidate, type ScanContext, type TreeScan } from './scan.ts'

/** Takes the files that do not fit out of the scan: the smallest stay, the same ones each time. Answers what is left of the room. */
export function fitInto(scan: TreeScan, bytesMax: number, leaveOut: LeaveOut): number {
  const all = allFiles(scan).sort((one, other) => one.file.size - other.file.size || compare(one.path, other.path))
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

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
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

/** Names what the ignore rules name, folders as a whole, but not what was there before an agent was, nor what it added all the same. */
export function leaveIgnored(context: ScanContext, scan: TreeScan, before: ReadonlySet<string>): void {
  const added = new Set(scan.files.map(({ path }) => path))
  for (const path of scan.ignored.flatMap(found => withoutLinked(context, scan, found))) {
    if (before.has(path) || added.has(path)) continue
    const stat = statOf(absolute(scan, path))
    context.leaveOut(scan.prefix + path, 'ignored', stat?.isFile() ? { bytes: stat.size } : {})
  }
}

/** An ignored folder may hold linked work trees, which are saved: what is beside them is named one by one. */
function withoutLinked(context: ScanContext, scan: TreeScan, path: BytePath): BytePath[] {
  if (!path.endsWith('/') || !context.holdsLinked(absolute(scan, path.slice(0, -1)))) return [path]
  if (context.isLinked(absolute(scan, path.slice(0, -1)))) return []
  const names = readdirSync(absolute(scan, path), { withFileTypes: true, encoding: 'latin1' as BufferEncoding })
  return names.flatMap(entry => withoutLinked(context, scan, `${path}${entry.name}${entry.isDirectory() ? '/' : ''}`))
}

/** Names the files whose clean filter was not run: they are saved as they lie on the disk. */
export async function nameFiltered(context: ScanContext, scan: TreeScan): Promise<void> {
  const { view } = context
  const paths = scan.files.map(({ path }) => path)
  if (paths.length > 0 && hasAttributes(scan)) {
    const input = paths.map(path => `${path}\0`).join('')
    const answer = await view.run(['check-attr', '-z', '--stdin', 'filter'], {
      tree: scan.tree,
      index: scan.index,
      input,
    })
    const words = answer.stdout.split('\0')
    for (let at = 0; at + 2 < words.length; at += 3) {
      const [path = '', , filter = ''] = words.slice(at, at + 3)
      if (['unspecified', 'unset', 'set'].includes(filter)) continue
      const name = bytes(filter).toString('utf8').slice(0, 100)
      context.leaveOut(scan.prefix + path, 'filter', { reason: `its clean filter "${name}" was not run` })
    }
  }
  for (const { scan: inner } of scan.embedded) await nameFiltered(context, inner)
}

const hasAttributes = ({ files, attributed }: TreeScan) =>
  attributed || files.some(({ path }) => /(^|\/)\.gitattributes$/.test(path))

/** The file that git has in place of a large one (git-lfs-spec, "The Pointer"). */
const POINTER =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n$/
const POINTER_BYTES_MAX = 1024
const POINTERS_MAX = 10_000

/** Names what a result has as a pointer of Git LFS alone, and the repository of the agent has the content of. */
export async function nameLarge(
  { view, leaveOut, baseCommit }: { view: View; leaveOut: LeaveOut; baseCommit: string },
  { shared }: GitFolder,
  commit: string,
): Promise<void> {
  const large = join(shared, 'lfs', 'objects')
  if (!isPlainFolder(large)) return
  const changed = await view.must(['diff-tree', '-r', '-z', '--no-renames', '--diff-filter=AM', baseCommit, commit])
  const paths = new Map<string, BytePath[]>()
  for (const [, oid = '', path = ''] of changed.matchAll(/:\d+ \d+ [0-9a-f]+ ([0-9a-f]+) [AM]\0([^\0]+)\0/g)) {
    paths.set(oid, [...(paths.get(oid) ?? []), path])
  }
  const sizes = await view.must(['cat-file', '--batch-check'], {
    input: [...paths.keys()].map(oid => `${oid}\n`).join(''),
  })
  const small = [...sizes.matchAll(/^([0-9a-f]+) blob (\d+)$/gm)].filter(
    ([, , size]) => Number(size) < POINTER_BYTES_MAX,
  )
  const input = small.slice(0, POINTERS_MAX).map(([, oid]) => `${oid}\n`)
  const contents = await view.must(['cat-file', '--batch'], { input: input.join('') })
  let at = 0
  for (const [line, oid = '', bytes] of small.slice(0, POINTERS_MAX)) {
    // A line as that of the check, the content, the end of a line.
    const from = at + line.length + 1
    at = from + Number(bytes) + 1
    const [, name = '', size] = POINTER.exec(contents.slice(from, at - 1)) ?? []
    if (name === '' || !isPlainFile(join(large, name.slice(0, 2), name.slice(2, 4), name))) continue
    const reason = 'its content in Git LFS stayed behind: the result has its pointer'
    for (const path of paths.get(oid) ?? []) leaveOut(path, 'filter', { reason, bytes: Number(size) })
  }
}
