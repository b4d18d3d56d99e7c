/** Repositories of every shape on a box of one's own, and by their url: what the node has, and what comes home. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { afterFile } from '../../../support/after-file.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'
import { runShape } from '../../../support/daemon/shapes/run.ts'
import { SHAPES } from '../../../support/daemon/shapes/table.ts'
import { startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

/** The machine of the tests is busy with them. */
const ANY_LOAD = '[nodes]\ncpu_threshold_percent = 100\nmemory_threshold_percent = 100\n'

/** For one shape beside four others, on a machine that is busy with other tests too. */
const LIMIT_MS = 600_000

let home: Home
let server: GitServer
const served = mkdtempSync(path.join(tmpdir(), 'tdf-served-'))
afterFile(() => rmSync(served, { recursive: true, force: true }))

beforeAll(async () => {
  const { url, token } = await startAgentProcess({ name: 'box' })
  home = makeHome(`${ANY_LOAD}[[providers.static.nodes]]\nname = "box"\nurl = "${url}"\ntoken = "${token}"\n`)
  server = await gitServer(served, null)
  await home.start()
}, 180_000)
afterAll(async () => {
  await home.remove()
  await server.close()
}, 60_000)

let count = 0
function serve(folder: string): string {
  const name = `${++count}.git`
  execFileSync('git', ['clone', '--quiet', '--mirror', '--', folder, path.join(served, name)], { stdio: 'pipe' })
  return `${server.url}/${name}`
}

describe('a folder on a box, whose repository is', () => {
  it.concurrent.each(SHAPES.filter(shape => !shape.onlyPlanned && !shape.refused))(
    '$name',
    async shape => {
      expect(await runShape(shape, { home, node: 'box' })).toBe('the same')
    },
    LIMIT_MS,
  )
})

describe('a url whose repository is', () => {
  it.concurrent.each(SHAPES.filter(shape => !shape.folderOnly))(
    '$name',
    async shape => {
      expect(await runShape(shape, { home, node: 'local', serve })).toBe(shape.refusedByUrl ? 'refused' : 'the same')
    },
    LIMIT_MS,
  )
})
