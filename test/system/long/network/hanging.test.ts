/** A server that does not answer, or slowly, while a node clones from it or the daemon pushes to it: what is said, and what ends when. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ErrorRowJson, NodeJson, TaskJson } from '../../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, hasEnded, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { processesWith } from '../../../support/machines/search.ts'

const NODE_CLONES = '[repositories]\nfetch = "node"\n[nodes]\nmax_workspaces = 1\n'
const LIMIT_MS = 300_000

let place: string
let repo: ReturnType<typeof makeRepository>
let server: GitServer
let home: Home

beforeEach(async () => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-hanging-'))
  repo = makeRepository()
  execFileSync('git', ['clone', '--quiet', '--bare', repo.dir, path.join(place, 'repo.git')])
  execFileSync('git', ['-C', path.join(place, 'repo.git'), 'config', 'http.receivepack', 'true'])
  server = await gitServer(place, null)
})
afterEach(async () => {
  await home.remove()
  await server.close()
  repo.remove()
  rmSync(place, { recursive: true, force: true })
})

const url = () => `${server.url}/repo.git`
const submit = async (from: string, ...more: string[]) =>
  (await tdf(home, 'submit', '--repo', from, '-q', ...more, '--', 'sh', '-c', 'echo hi > hi.txt')).out.trim()
const gits = () => processesWith(url())
async function over(id: string): Promise<TaskJson> {
  await until(`${id} is over`, async () => (await home.task(id)).step === null, 200_000)
  return home.task(id)
}

it(
  'a clone that hangs on a node is told as that, and a cancel ends it with every process and frees its slot',
  async () => {
    home = makeHome(NODE_CLONES)
    await home.start()
    server.faults.hangs = true
    const hanging = await submit(url())
    await until('git asks', () => gits().length > 0, 200_000)
    await until('it waits for the node', async () => (await home.task(hanging)).step === 'workspace_ready')
    // The server is what it waits for, and not the node.
    await until('it is told', async () => (await tdf(home, 'why', hanging)).out.includes(`(cloning ${url()})`))
    const next = await submit(repo.dir)
    expect(await home.task(next)).toMatchObject({ status: 'queued' })
    expect((await tdf(home, 'cancel', hanging)).code).toBe(0)
    expect(await over(hanging)).toMatchObject({ status: 'cancelled', verdict: 'cancelled' })
    await until('no git is left', () => gits().length === 0)
    expect(await over(next)).toMatchObject({ status: 'completed' })
    const [local]: NodeJson[] = JSON.parse((await tdf(home, 'node', 'ls', '--json')).out)
    expect(local).toMatchObject({ name: 'local', status: 'ready', workspaces: 0 })
  },
  LIMIT_MS,
)

it(
  'neither a clone nor a push that hangs holds up the end of the daemon, and both go on with the next',
  async () => {
    home = makeHome(`${NODE_CLONES}[runner]\nretry_base_delay = "50ms"\n`)
    const daemon = await home.start()
    const pushing = await submit(url(), '--push')
    await until('it runs', async () => (await home.task(pushing)).step !== 'node_selection')
    await until('it is over', async () => (await home.task(pushing)).result !== null, 200_000)
    server.faults.hangs = true
    const pushed = async () => (await home.task(pushing)).push?.state
    // Where it was pushed before the server was made to hang, a push by hand is what hangs.
    if ((await pushed()) === 'pushed') await tdf(home, 'push', pushing, '--branch', 'again')
    const cloning = await submit(url())
    await until('both are under way', () => gits().length > 1, 200_000)
    expect((await tdf(home, 'daemon', 'stop')).code).toBe(0)
    await until('the daemon ended', () => hasEnded(daemon))
    await until('no git of the push is left', () => processesWith('--force-with-lease').length === 0)
    server.faults.hangs = false
    await home.start()
    await until('it is pushed', async () => (await pushed()) === 'pushed', 200_000)
    expect((await tdf(home, 'cancel', cloning)).code).toBe(0)
    await over(cloning)
    await until('no git is left', () => gits().length === 0)
  },
  LIMIT_MS,
)

it(
  'a server that is away for longer than a node tries ends the attempt as what passes, and the next one completes',
  async () => {
    home = makeHome(`${NODE_CLONES}[runner]\nmax_attempts = 2\n`)
    await home.start()
    // A clone asks once, and the node clones up to five times.
    server.faults.unavailable = 5
    const id = await submit(url())
    await until('the second attempt is over', async () => (await home.task(id)).attempt === 2, 200_000)
    expect(await over(id)).toMatchObject({ status: 'completed', attempt: 2 })
    const { attempts } = await home.task(id)
    expect(attempts[0]).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
    const errors: ErrorRowJson[] = JSON.parse((await tdf(home, 'errors', '--json')).out)
    expect(errors.map(({ code }) => code)).toContain('SOURCE_UNAVAILABLE')
  },
  LIMIT_MS,
)

it(
  'a server that is slow, with less than a kilobyte a second for more than a minute, is cut off by neither daemon nor node',
  async () => {
    const [own, other] = [makeHome('[repositories]\nfetch = "daemon"\n'), makeHome(NODE_CLONES)]
    home = own
    server.faults.pieces = 90
    const come = async (at: Home) => {
      await at.start()
      const { out } = await tdf(at, 'submit', '--repo', url(), '-q', '--', 'sh', '-c', 'echo hi > hi.txt')
      const id = out.trim()
      const ask = () => at.task(id)
      await until('the server is what it waits for', async () => (await tdf(at, 'why', id)).out.includes(url()))
      await until('it is over', async () => (await ask()).step === null, 200_000)
      expect(await ask()).toMatchObject({ status: 'completed', attempt: 1 })
    }
    // Most of it is waiting: both at once.
    await Promise.all([come(own), come(other)]).finally(() => other.remove())
    expect(server.fetches()).toBe(2)
  },
  LIMIT_MS,
)
