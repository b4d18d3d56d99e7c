/** The repository that results are kept in. Its files lie beside the work tree, so its settings are written anew each time. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const CONFIG = `[core]
	repositoryFormatVersion = 1
	bare = true
	commitGraph = false
	fsmonitor = false
	hooksPath = /dev/null
	attributesFile = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
`

/** Made by the build; here too, for a workspace whose agent destroyed it. */
export function prepareRepository(repository: string, oidLength: number): void {
  for (const name of ['objects', 'refs']) mkdirSync(join(repository, name), { recursive: true, mode: 0o700 })
  for (const name of ['hooks', 'objects/info/alternates', 'info']) {
    rmSync(join(repository, name), { recursive: true, force: true })
  }
  const format = oidLength === 64 ? '[extensions]\n\tobjectFormat = sha256\n' : ''
  writeFileSync(join(repository, 'config'), CONFIG + format)
  if (!existsSync(join(repository, 'HEAD'))) writeFileSync(join(repository, 'HEAD'), 'ref: refs/heads/none\n')
}
