/** Whether `dist/` is there and newer than every source. An installed package has no sources and is always fresh. */
const { existsSync, readdirSync, statSync } = require('node:fs')
const path = require('node:path')

const root = path.dirname(__dirname)

exports.isFresh = function isFresh() {
  const stamp = statSync(`${root}/dist/built`, { throwIfNoEntry: false })
  if (!existsSync(`${root}/src`)) return true
  if (!stamp) return false
  return ['src', 'daemon', 'commands', 'package.json'].every(name => !isNewer(`${root}/${name}`, stamp.mtimeMs))
}

function isNewer(file, thanMs) {
  const stat = statSync(file)
  if (!stat.isDirectory()) return stat.mtimeMs > thanMs
  return readdirSync(file).some(name => isNewer(`${file}/${name}`, thanMs))
}
