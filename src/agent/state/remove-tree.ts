/**
 * Removing what an agent left behind: folders without write permission, paths longer than PATH_MAX. The system's own
 * `rm` walks by file descriptors and so meets neither that limit nor a symlink on the way.
 */
import { lstatSync } from 'node:fs'
import { systemTool } from '../isolation/system-tool.ts'

const OPTIONS = { cwd: '/', timeoutMs: 5 * 60_000, outputBytesMax: 64 * 1024 }

/** True when nothing is left at `path`. */
export async function removeTree(path: string): Promise<boolean> {
  if (!isThere(path)) return true
  await systemTool('rm', ['-rf', '--one-file-system', '--', path], OPTIONS)
  if (!isThere(path)) return true
  await systemTool('chmod', ['-R', 'u+rwX', '--', path], OPTIONS)
  await systemTool('rm', ['-rf', '--one-file-system', '--', path], OPTIONS)
  return !isThere(path)
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
