/** What is taken along when not all fits: the smallest files first, the same ones each time. */
import type { BytePath } from './names.ts'
import type { Candidate, TreeScan } from './scan.ts'

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
