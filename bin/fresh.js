/** Whether `dist/` is there and newer than every source. An installed package has no sources and is always fresh. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

export function isFresh() {
  const stamp = statSync(`${root}dist/built`, { throwIfNoEntry: false })
  if (!existsSync(`${root}src`)) return true
  if (!stamp) return false
  return ['src', 'daemon', 'commands', 'package.json'].every(name => !isNewer(root + name, stamp.mtimeMs))
}

function isNewer(path, thanMs) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs > thanMs
  return readdirSync(path).some(name => isNewer(`${path}/${name}`, thanMs))
}
