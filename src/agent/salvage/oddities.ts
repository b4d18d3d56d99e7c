/** What git passes over in silence though it is in the tree: fifos, sockets, devices, and folders it may not enter. */
import { systemTool } from '../system-tool.ts'
import { split } from './listing.ts'
import type { BytePath } from './names.ts'
import type { View } from './view.ts'

const FIND_MS = 60_000
const FOUND_BYTES_MAX = 1024 * 1024

/** Full paths; folders end with a slash. What the ignore rules name is not missed. */
export async function oddities(view: View, tree: string): Promise<BytePath[]> {
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
