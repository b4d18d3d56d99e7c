/** Whether `dist/` is there and newer than every source. An installed package has no sources and is always fresh. */
const { existsSync, readdirSync, statSync } = require('node:fs')
const path = require('node:path')

const root = path.dirname(__dirname)

exports.isFresh = function isFresh() {
  const stamp = statSync(`${root}/dist/built`, { throwIfNoEntry: false })
  if (!existsSync(`${root}/src`)) return true
  if (!stamp) return false
  const isNewer = file => statSync(file).mtimeMs > stamp.mtimeMs
  return (
    !isNewer(`${root}/package.json`) && !['src', 'daemon', 'commands'].some(name => hasSome(`${root}/${name}`, isNewer))
  )
}

/** Folders are told by their entry: a look at each of five hundred files is felt. */
function hasSome(folder, isIt) {
  return readdirSync(folder, { withFileTypes: true }).some(entry =>
    entry.isDirectory() ? hasSome(`${folder}/${entry.name}`, isIt) : isIt(`${folder}/${entry.name}`),
  )
}
