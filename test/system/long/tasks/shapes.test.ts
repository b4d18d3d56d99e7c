/** Repositories of every shape on a box of one's own, and by their url: what the node has, and what comes home. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { afterFile } from '../../../support/after-file.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'
import { runShape } from '../../../support/daemon/shapes/run.ts'
import { SHAPES, WITH_SUBMODULES } from '../../../support/daemon/shapes/table.ts'
import { startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

/** The machine of the tests is busy with them. */
const ANY_LOAD = '[nodes]\ncpu_threshold_percent = 100\nmemory_threshold_percent = 100\n'

/** For one shape beside four others, on a machine that is busy with other tests too. */
const LIMIT_MS = 600_000

let home: Home
/** Where submodules are checked out. */
let taking: Home
/** The same, by nodes that clone. */
let cloning: Home
let server: GitServer
const served = mkdtempSync(path.join(tmpdir(), 'tdf-served-'))
afterFile(() => rmSync(served, { recursive: true, force: true }))

beforeAll(async () => {
  const { url, token } = await startAgentProcess({ name: 'box' })
  home = makeHome(`${ANY_LOAD}[[providers.static.nodes]]\nname = "box"\nurl = "${url}"\ntoken = "${token}"\n`)
  server = await gitServer(served, null)
  const other = await startAgentProcess({ name: 'box' })
  const box = `[[providers.static.nodes]]\nname = "box"\nurl = "${other.url}"\ntoken = "${other.token}"\n`
  taking = makeHome(`${ANY_LOAD}[repositories]\nsubmodules = "checkout"\n${box}`)
  cloning = makeHome(`${ANY_LOAD}[repositories]\nfetch = "node"\nsubmodules = "checkout"\n`)
  await Promise.all([home.start(), taking.start(), cloning.start()])
}, 180_000)
afterAll(async () => {
  await Promise.all([home.remove(), taking.remove(), cloning.remove()])
  await server.close()
}, 60_000)

let count = 0
function serve(folder: string, beside: readonly string[]): string {
  const place = String(++count)
  mkdirSync(path.join(served, place))
  const clone = (from: string, to: string) =>
    execFileSync('git', ['clone', '--quiet', '--mirror', '--', from, path.join(served, place, to)], { stdio: 'pipe' })
  clone(folder, 'r.git')
  for (const name of beside) clone(path.join(folder, '..', name), name)
  return `${server.url}/${place}/r.git`
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

describe('where submodules are checked out,', () => {
  it.concurrent.each(WITH_SUBMODULES)(
    'a folder on a box with $name',
    async shape => {
      expect(await runShape(shape, { home: taking, node: 'box' })).toBe('the same')
    },
    LIMIT_MS,
  )

  it.concurrent.each(WITH_SUBMODULES.filter(shape => !shape.folderOnly))(
    'a url with $name',
    async shape => {
      const expected = shape.refusedByUrl ? 'refused' : 'the same'
      expect(await runShape(shape, { home: taking, node: 'box', serve })).toBe(expected)
    },
    LIMIT_MS,
  )

  it.concurrent.each(WITH_SUBMODULES.filter(shape => !shape.folderOnly))(
    'a url that the node clones with $name',
    async shape => {
      const expected = shape.refusedByUrl ? 'refused' : 'the same'
      expect(await runShape(shape, { home: cloning, node: 'local', serve })).toBe(expected)
    },
    LIMIT_MS,
  )
})
