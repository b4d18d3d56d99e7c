/** What is taken along when not all fits: the smallest files first, the same ones each time. */
import { systemTool } from '../isolation/system-tool.ts'
import { type BytePath, split } from './listing.ts'
import type { Candidate, TreeScan } from './scan.ts'
import type { View } from './view.ts'

/** Takes the files that do not fit out of the scan, and says which. */
export function fitInto(scan: TreeScan, bytesMax: number): BytePath[] {
  const all = allFiles(scan).sort((one, other) => one.file.size - other.file.size || compare(one.path, other.path))
  let total = 0
  const over = new Map<Candidate, BytePath>()
  for (const { file, path } of all) {
    total += file.size
    if (total > bytesMax) over.set(file, path)
  }
  if (over.size > 0) drop(scan, over)
  return [...over.values()]
}

function allFiles(scan: TreeScan): { file: Candidate; path: BytePath }[] {
  const own = scan.files.map(file => ({ file, path: scan.prefix + file.path }))
  return [...own, ...scan.embedded.flatMap(embedded => allFiles(embedded.scan))]
}

function drop(scan: TreeScan, over: Map<Candidate, BytePath>): void {
  scan.files = scan.files.filter(file => !over.has(file))
  for (const embedded of scan.embedded) drop(embedded.scan, over)
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** What git passes over in silence though it is in the tree: fifos, sockets, devices, and folders it may not enter. */

const FIND_MS = 60_000
const FOUND_BYTES_MAX = 1024 * 1024

/** Full paths; folders end with a slash. What the ignore rules name is not missed. */
export async function unsupported(view: View, tree: string): Promise<BytePath[]> {
  const special = ['-type', 'p', '-o', '-type', 's', '-o', '-type', 'b', '-o', '-type', 'c']
  const shut = ['-type', 'd', '(', '!', '-readable', '-o', '!', '-executable', ')']
  const found = await systemTool(
    'find',
    [
      ...['.', '-xdev', '-name', '.git', '-prune', '-o'],
      ...['(', ...special, ')', '-print0', '-o', ...shut, '-printf', '%p/\\0'],
    ],
    {
      cwd: tree,
      timeoutMs: FIND_MS,
      outputBytesMax: FOUND_BYTES_MAX,
      encoding: 'latin1',
    },
  )
  const paths = split(found.stdout).map(path => path.replace(/^\.\//, ''))
  if (paths.length === 0) return []
  const input = paths.map(path => `${path}\0`).join('')
  const ignored = await view.run(['check-ignore', '-z', '--stdin'], { tree, index: view.newIndex(), input })
  const dropped = new Set(split(ignored.stdout))
  return paths.filter(path => !dropped.has(path)).sort()
}
