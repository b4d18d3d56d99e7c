/** Only what is new travels from a folder to the daemon, and what a task began from is never lost: real git, real processes. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { type SocketProxy, socketProxy } from '../../../support/machines/socket-proxy.ts'

const BIG_BYTES = 3_000_000
/** Ten small commits, their packing and the calls around them. */
const SMALL_BYTES = 40_000

let home: Home
let daemon: Awaited<ReturnType<Home['start']>>
let proxy: SocketProxy
let repo: ReturnType<typeof makeRepository>

beforeAll(async () => {
  home = makeHome()
  daemon = await home.start()
  proxy = await socketProxy(home)
}, 90_000)
afterAll(async () => {
  proxy.close()
  await home.remove()
})
beforeEach(() => {
  repo = makeRepository()
  commit('large', randomBytes(BIG_BYTES))
  proxy.requests.splice(0)
  proxy.sentBytes = 0
  proxy.onData = () => true
})

const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], {
    cwd: repo.dir,
    encoding: 'utf8',
  })

function commit(name: string, content: string | Buffer): string {
  writeFileSync(path.join(repo.dir, name), content)
  git('add', '--all')
  git('commit', '--quiet', '--message', `add ${name}`)
  return git('rev-parse', 'HEAD').trim()
}

/** Ten commits with a small file each; the last one's id. */
const tenMore = (word: string) =>
  Array.from({ length: 10 }, (_, at) => commit(`${word}-${at}`, `${word} ${at}\n`)).at(-1) ?? ''

/** What went to the daemon while `act` ran. */
async function sentIn(act: () => Promise<unknown>): Promise<number> {
  proxy.sentBytes = 0
  await act()
  return proxy.sentBytes
}

const uploadsIn = (requests: readonly string[]) => requests.filter(request => request.startsWith('PUT '))

/** An agent that says whether its workspace is all there, as it was committed. */
const proof = (head: string, ...files: string[]) =>
  `test "$(git rev-parse HEAD)" = ${head} && git fsck --full --strict && test -z "$(git status --porcelain)" && ls ${files.join(' ')}`

/** The id of a task that is submitted through the proxy. */
async function submit(script: string, ...options: string[]): Promise<string> {
  const words = ['submit', '-q', '--repo', repo.dir, ...options, '--', 'sh', '-c', script]
  const { code, out, err } = await tdfWith(home, { env: proxy.env }, ...words)
  expect([code, err]).toEqual([0, expect.any(String)])
  return out.trim()
}

async function verdictOf(id: string): Promise<string> {
  await until('its work is home', async () => (await home.task(id)).cleanup === 'done', 120_000)
  const { status, error } = await home.task(id)
  return error === null ? status : `${status}: ${error.message}`
}

const filesOf = (folder: string) => {
  const at = path.join(home.dir, 'state', folder)
  return existsSync(at) ? readdirSync(at) : []
}
const removeFilesOf = (folder: string) => rmSync(path.join(home.dir, 'state', folder), { recursive: true, force: true })

describe('a folder that the daemon knows', () => {
  it('travels as its ten new commits alone, and a workspace has all of it', async () => {
    const first = git('rev-parse', 'HEAD').trim()
    let id = ''
    const whole = await sentIn(async () => {
      id = await submit(proof(first, 'large'))
    })
    expect(whole).toBeGreaterThan(BIG_BYTES)
    expect(await verdictOf(id)).toBe('completed')
    const head = tenMore('ten')
    const some = await sentIn(async () => {
      id = await submit(proof(head, 'large', 'ten-9'))
    })
    expect(some).toBeLessThan(SMALL_BYTES)
    expect(await verdictOf(id)).toBe('completed')
  }, 180_000)

  it('travels not at all when it has no new commit, whatever it is called', async () => {
    await submit('true')
    const head = tenMore('ten')
    await submit('true')
    const before = git('rev-parse', 'HEAD~5').trim()
    proxy.requests.splice(0)
    const ids = [
      await submit(proof(head, 'large', 'ten-9')),
      await submit(proof(before, 'large', 'ten-4'), '--ref', 'HEAD~5'),
    ]
    git('checkout', '--quiet', '-b', 'topic')
    ids.push(await submit(proof(head, 'large', 'ten-9')))
    expect(uploadsIn(proxy.requests)).toEqual([])
    for (const id of ids) expect(await verdictOf(id)).toBe('completed')
  }, 180_000)

  it('has the command end when nothing had to travel, for a person too', async () => {
    for (const _ of ['all of it', 'nothing']) {
      const { code, out } = await tdf(home, 'submit', '-o', 'table', '--repo', repo.dir, '--', 'true')
      expect([code, out]).toEqual([0, expect.stringContaining('\n')])
    }
  }, 60_000)

  it('builds on what came home from a task, once that was pulled', async () => {
    const id = await submit('head -c 1000000 /dev/urandom > made && git add made && git commit -qm made')
    expect(await verdictOf(id)).toBe('completed')
    expect((await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', 'pulled')).code).toBe(0)
    git('merge', '--quiet', 'pulled')
    const head = tenMore('ten')
    let next = ''
    const sent = await sentIn(async () => {
      next = await submit(proof(head, 'made', 'ten-9'))
    })
    expect(sent).toBeLessThan(SMALL_BYTES)
    // What it builds on was named by that task.
    expect((await tdf(home, 'rm', id)).code).toBe(0)
    expect(await verdictOf(next)).toBe('completed')
  }, 180_000)

  it('is there for another attempt when the tasks before it and the files of all uploads are gone, and the daemon is new', async () => {
    const first = await submit('true')
    const head = tenMore('ten')
    const id = await submit('exit 3')
    expect(await verdictOf(first)).toBe('completed')
    await verdictOf(id)
    expect((await tdf(home, 'rm', first)).code).toBe(0)
    await home.kill(daemon)
    for (const folder of ['bundles', 'packs', 'uploads', 'downloads']) removeFilesOf(folder)
    daemon = await home.start()
    // The same agent, which now finds what it looks for.
    const again = await submit(proof(head, 'large', 'ten-9'))
    expect(await verdictOf(again)).toBe('completed')
    expect((await tdf(home, 'retry', id)).code).toBe(0)
    await until('it is over', async () => (await home.task(id)).cleanup === 'done', 120_000)
    expect(await home.task(id)).toMatchObject({ attempt: 2, session: { exitCode: 3 } })
  }, 240_000)
})

it('travels whole when what it builds on went away meanwhile', async () => {
  await submit('true')
  const head = tenMore('ten')
  let isGone = false
  proxy.onData = chunk => {
    if (isGone || !chunk.toString('latin1').startsWith('PUT /v1/uploads')) return true
    isGone = true
    for (const name of filesOf('results')) emptyOut(path.join('results', name))
    return true
  }
  const sent = await sentIn(() => submit(proof(head, 'large', 'ten-9')))
  expect([isGone, uploadsIn(proxy.requests).length, sent > BIG_BYTES]).toEqual([true, 3, true])
}, 180_000)

/** A repository without a commit. */
function emptyOut(repository: string): void {
  for (const part of ['objects/pack', 'packed-refs', 'refs/tdf', 'refs/tdf-base', 'refs/tdf-upload']) {
    removeFilesOf(path.join(repository, part))
  }
  for (const name of filesOf(path.join(repository, 'objects'))) {
    if (name.length === 2) removeFilesOf(path.join(repository, 'objects', name))
  }
}

describe('an upload that breaks', () => {
  /** Cuts the first connection that has sent so much. */
  function cutAt(bytes: number, then: () => Promise<unknown> = async () => {}) {
    let isCut = false
    proxy.onData = async (_chunk, sent) => {
      if (isCut || sent < bytes) return true
      isCut = true
      await then()
      return false
    }
  }

  it('goes on where it stood when the connection is back', async () => {
    const head = git('rev-parse', 'HEAD').trim()
    cutAt(BIG_BYTES / 2)
    let id = ''
    const sent = await sentIn(async () => {
      id = await submit(proof(head, 'large'))
    })
    expect(uploadsIn(proxy.requests)).toHaveLength(2)
    expect(uploadsIn(proxy.requests)[1]).toMatch(/offset=[1-9]\d+$/)
    expect(sent).toBeLessThan(BIG_BYTES * 1.4)
    expect(filesOf('uploads')).toEqual([])
    expect(await verdictOf(id)).toBe('completed')
  }, 180_000)

  it('goes on where it stood when the daemon was killed under it', async () => {
    const head = git('rev-parse', 'HEAD').trim()
    cutAt(BIG_BYTES / 2, async () => {
      await home.kill(daemon)
      daemon = await home.start()
    })
    const id = await submit(proof(head, 'large'))
    expect(uploadsIn(proxy.requests).at(-1)).toMatch(/offset=[1-9]\d+$/)
    expect(await verdictOf(id)).toBe('completed')
  }, 180_000)

  it('need not be sent again when the daemon was killed between it and its task', async () => {
    const head = git('rev-parse', 'HEAD').trim()
    let [isKilled, isBack] = [false, false]
    proxy.onData = async chunk => {
      if (isKilled || !chunk.toString('latin1').startsWith('POST /v1/tasks')) return true
      isKilled = true
      await home.kill(daemon)
      daemon = await home.start()
      isBack = true
      return false
    }
    const words = ['submit', '-q', '--repo', repo.dir, '--', 'sh', '-c', proof(head, 'large')]
    const { code } = await tdfWith(home, { env: proxy.env }, ...words)
    expect(code).toBe(69)
    await until('the daemon is back', () => isBack)
    proxy.requests.splice(0)
    const id = await submit(proof(head, 'large'))
    expect(uploadsIn(proxy.requests)).toEqual([])
    expect(await verdictOf(id)).toBe('completed')
  }, 180_000)
})
