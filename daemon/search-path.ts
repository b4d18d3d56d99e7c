/** Whether a program is there for the daemon: its PATH is not that of your shell. */
import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** A name is looked up in `searchPath`; a path is looked at as it is. */
export function isOnPath(program: string, searchPath: string): boolean {
  if (program.includes('/')) return isProgram(program)
  return searchPath.split(path.delimiter).some(dir => isProgram(path.join(dir, program)))
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
