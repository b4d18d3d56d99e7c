/** A scanned tree as a git tree. git reads the files itself, so modes, links and line endings are as it has them. */
import { indexEntries, split } from './listing.ts'
import type { BytePath } from './names.ts'
import type { ScanContext, TreeScan } from './scan.ts'

const BATCH_MAX = 20_000

/** The id of the tree; files that git did not take are left out and named. */
export async function writeTree(context: ScanContext, scan: TreeScan): Promise<string> {
  const { view } = context
  const { tree, index } = scan
  await remove(context, scan, [...scan.removed, ...scan.embedded.map(embedded => embedded.path)])
  const paths = scan.files.map(file => file.path)
  for (let at = 0; at < paths.length; at += BATCH_MAX) await add(context, scan, paths.slice(at, at + BATCH_MAX))
  for (const embedded of scan.embedded) await graft(context, scan, embedded.path, embedded.scan)
  if (paths.length > 0) {
    // git passes over names that it does not allow, such as "git~1", without an error.
    const taken = new Set((await indexEntries(view, { tree, index })).map(entry => entry.path))
    for (const path of paths) if (!taken.has(path)) context.leaveOut(scan.prefix + path)
  }
  return (await view.must(['write-tree'], { index })).trim()
}

async function remove(context: ScanContext, scan: TreeScan, paths: readonly BytePath[]): Promise<void> {
  if (paths.length === 0) return
  await context.view.must(['update-index', '--force-remove', '-z', '--stdin'], { ...at(scan), input: list(paths) })
}

/** One bad file fails a whole call, so halves are tried until it is alone: it is missing from the index then. */
async function add(context: ScanContext, scan: TreeScan, paths: readonly BytePath[]): Promise<void> {
  const flags = ['--add', '--replace', '-z', '--stdin']
  const added = await context.view.run(['update-index', ...flags], { ...at(scan), input: list(paths) })
  if (added.exitCode === 0) return
  if (added.timedOut || added.exitCode === null) throw new Error('git update-index did not end')
  const [only] = paths
  if (paths.length === 1 && only !== undefined) return context.leaveOut(scan.prefix + only)
  const middle = paths.length >> 1
  await add(context, scan, paths.slice(0, middle))
  await add(context, scan, paths.slice(middle))
}

/** Entries go in one by one as bytes: an argument such as --prefix could not hold a name that is not UTF-8. */
async function graft(context: ScanContext, scan: TreeScan, path: BytePath, inner: TreeScan): Promise<void> {
  const tree = await writeTree(context, inner)
  const entries = split(await context.view.must(['ls-tree', '-r', '-z', tree])).map(line => {
    const tab = line.indexOf('\t')
    const [mode, , oid] = line.slice(0, tab).split(' ')
    return `${mode} ${oid}\t${path}/${line.slice(tab + 1)}`
  })
  if (entries.length === 0) return
  const flags = ['--add', '--replace', '-z', '--index-info']
  await context.view.must(['update-index', ...flags], { ...at(scan), input: list(entries) })
}

function at(scan: TreeScan) {
  return { tree: scan.tree, index: scan.index }
}

function list(words: readonly string[]): string {
  return words.map(word => `${word}\0`).join('')
}
