/** A scanned tree as a git tree. git reads the files itself, so modes, links and line endings are as it has them. */
import { type BytePath, split } from '../listing.ts'
import { type LargeStore, storeLarge } from './large.ts'
import type { ScanContext, TreeScan } from './scan.ts'
import { leaveRefused } from './select.ts'

const BATCH_MAX = 20_000

/** The id of the tree; files that git did not take are left out and named. */
export async function writeTree(context: ScanContext, scan: TreeScan, store: LargeStore): Promise<string> {
  const { view } = context
  const { tree, index } = scan
  const paths = scan.files.flatMap(({ path, pointer }) => (pointer === undefined ? [path] : []))
  if (!(await takeAtOnce(context, scan, paths))) {
    await remove(context, scan, scan.removed)
    for (let at = 0; at < paths.length; at += BATCH_MAX) await add(context, scan, paths.slice(at, at + BATCH_MAX))
    // git passes over names that it does not allow, such as "git~1", without an error.
    const taken = new Set(split(await view.must(['ls-files', '-z'], { tree, index })))
    for (const path of paths) if (!taken.has(path)) leaveRefused(context, scan, path)
  }
  await remove(
    context,
    scan,
    scan.embedded.map(embedded => embedded.path),
  )
  for (const embedded of scan.embedded) await graft(context, scan, embedded, store)
  await enter(context, scan, await storeLarge(context, scan, store))
  return (await view.must(['write-tree'], { index })).trim()
}

/** False when git did not take each of them: it names those that it did. */
async function takeAtOnce({ view }: ScanContext, scan: TreeScan, paths: readonly BytePath[]): Promise<boolean> {
  const all = [...scan.removed, ...paths]
  if (all.length === 0) return true
  if (all.length > BATCH_MAX) return false
  const flags = ['--add', '--remove', '--replace', '--verbose', '-z', '--stdin']
  const taken = await view.run(['update-index', ...flags], { ...at(scan), input: list(all) })
  return taken.exitCode === 0 && taken.stdout === all.map(path => `add '${path}'\n`).join('')
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
  if (paths.length === 1 && only !== undefined) return leaveRefused(context, scan, only)
  const middle = paths.length >> 1
  await add(context, scan, paths.slice(0, middle))
  await add(context, scan, paths.slice(middle))
}

/** Entries go in one by one as bytes: an argument such as --prefix could not hold a name that is not UTF-8. */
async function graft(
  context: ScanContext,
  scan: TreeScan,
  { path, scan: inner }: TreeScan['embedded'][number],
  store: LargeStore,
): Promise<void> {
  const tree = await writeTree(context, inner, store)
  const entries = split(await context.view.must(['ls-tree', '-r', '-z', tree])).map(line => {
    const tab = line.indexOf('\t')
    const [mode, , oid] = line.slice(0, tab).split(' ')
    return `${mode} ${oid}\t${path}/${line.slice(tab + 1)}`
  })
  await enter(context, scan, entries)
}

async function enter(context: ScanContext, scan: TreeScan, entries: readonly string[]): Promise<void> {
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
