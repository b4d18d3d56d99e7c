/** The daemon as a process, and what is tried on it from outside. Numbers and names are those of docs/faults.md. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isAlive } from '../../../src/platform/process.ts'
import { type Home, hasEnded, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'

const homes: Home[] = []
const newHome = (config = '') => {
  const home = makeHome(config)
  homes.push(home)
  return home
}
let repo: ReturnType<typeof makeRepository>
beforeAll(() => {
  repo = makeRepository()
})
afterEach(async () => {
  for (const home of homes.splice(0)) await home.remove()
})
afterAll(() => repo.remove())

const submit = async (home: Home, command: string) => {
  const { out, err } = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--', 'sh', '-c', command)
  if (out === '') throw new Error(err)
  return out.trim()
}
const whole = (home: Home, id: string) => until('it is over', async () => (await home.task(id)).step === null, 60_000)

it('10+11 sigterm-drain, sigterm-then-kill: the daemon ends at once, the run goes on, and the next one takes it', async () => {
  const home = newHome()
  for (const second of [undefined, 'SIGTERM', 'SIGKILL'] as const) {
    const daemon = await home.start()
    const mark = path.join(home.dir, `ran-${second}`)
    const id = await submit(home, `echo once >> ${mark}; sleep 1; echo hi > ${second ?? 'none'}.txt`)
    await until('it runs', () => existsSync(mark))
    daemon.kill('SIGTERM')
    if (second) daemon.kill(second)
    await until('the daemon ended', () => hasEnded(daemon))
    if (second !== 'SIGKILL') expect(daemon.exitCode).toBe(0)
    const next = await home.start()
    await whole(home, id)
    expect(await home.task(id)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(readFileSync(mark, 'utf8')).toBe('once\n')
    await home.kill(next)
  }
})

it('12 daemon-twice: the second names the first and leaves it alone; a killed one holds nothing', async () => {
  const home = newHome()
  const first = await home.start()
  const second = await tdf(home, 'daemon', 'run', '--json')
  expect(second.code).toBe(75)
  expect(JSON.parse(second.err.trim().split('\n').at(-1) ?? '').error.message).toContain(String(first.pid))
  expect((await tdf(home, 'daemon', 'status')).code).toBe(0)
  await home.kill(first)
  await home.start()
  expect((await tdf(home, 'daemon', 'status')).code).toBe(0)
})

it('13 orphaned-children: a killed daemon leaves its node and nothing else, and the next one takes that', async () => {
  const home = newHome()
  const daemon = await home.start()
  const id = await submit(home, 'true')
  await whole(home, id)
  const agent = home.agent()
  await home.kill(daemon)
  const mine = spawnSync('pgrep', ['-f', home.dir], { encoding: 'utf8' }).stdout.trim().split('\n')
  expect(mine).toEqual([String(agent?.pid)])
  await home.start()
  await submit(home, 'true')
  expect(home.agent()?.pid).toBe(agent?.pid)
  expect(agent && isAlive(agent)).toBe(true)
})

describe('a running daemon', () => {
  let home: Home
  beforeAll(async () => {
    home = makeHome()
    await home.start()
  })
  afterAll(() => home.remove())

  const body = (repoPart: object, more: object = {}) => ({
    ...{ prompt: '', title: null, agent: null, command: ['true'], model: null, author: null, setup: null, check: null },
    ...{ node: null, provider: null, size: null, location: null, timeoutMs: null, outputBranch: null },
    ...{ maxCostUsd: null, permissions: null },
    repo: { kind: 'git', url: 'https://example.org/r.git', ref: null, ...repoPart },
    ...more,
  })
  const send = async (what: object) => {
    const answer = await home.client
      .call<{ code?: string }>({ method: 'POST', path: '/tasks', json: what })
      .catch((error: { code?: string }) => error)
    return String(answer.code)
  }

  it('74+80 git-arg-injection, SSRF: no url, ref or branch that means something else gets in', async () => {
    const urls = [
      ...[
        '--upload-pack=touch /tmp/x',
        'ext::sh -c touch% /tmp/x',
        'file:///etc',
        '-oProxyCommand=x',
        'ssh://-oProxyCommand=x/r',
      ],
      ...[
        'https://169.254.169.254/r.git',
        'http://metadata.google.internal/r',
        'http://0xa9fea9fe/r',
        'git@2852039166:r.git',
        'http://[::ffff:a9fe:a9fe]/r',
        'https://example.org/r.git\n--x',
        '',
      ],
    ]
    for (const url of urls) expect(await send(body({ url })), url).toMatch(/NO_REPOSITORY|BAD_REQUEST/)
    const refs = [
      '--upload-pack=x',
      '-x',
      'a b',
      'a..b',
      'refs/heads/a:refs/heads/b',
      'a\nb',
      'a\r',
      'a\0',
      '',
      '@{-1}',
      'a~1',
    ]
    for (const ref of refs) expect(await send(body({ ref })), ref).toMatch(/REF_UNSAFE|BAD_REQUEST/)
    const branches = ['--force', '-x', '../../x', 'a..b', 'main', 'HEAD', 'a.lock', 'refs/heads/../x', 'a\nb']
    for (const outputBranch of branches) {
      expect(await send(body({}, { outputBranch })), outputBranch).toMatch(/REF_UNSAFE|BAD_REQUEST/)
    }
    expect((await tdf(home, 'ls', '--all', '--json')).out).toBe('[]\n')
  })

  it('82 log-injection: line ends and escapes in what people send make no lines of their own', async () => {
    const title = 'one\r\ntwo\n{"level":60,"msg":"forged"}\u001b[2J'
    const { out } = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--title', title, '--', 'true')
    await whole(home, out.trim())
    const shown = await tdf(home, 'ls', '--all')
    expect(shown.out).not.toContain('\u001b')
    expect(shown.out.split('\n').filter(line => line.startsWith('{') || line.startsWith('two'))).toEqual([])
  })

  it('81 CSRF, DNS-rebinding: no browser and no foreign name gets an answer, on either listener', async () => {
    const { callbacksUrl } = await home.client.call<{ callbacksUrl: string }>({ path: '/status' })
    const ask = (target: object, headers: Record<string, string>) =>
      new Promise<[number, unknown]>((resolve, reject) => {
        const call = request({ ...target, method: 'GET', headers }, response => {
          response.resume()
          resolve([response.statusCode ?? 0, response.headers['access-control-allow-origin']])
        })
        call.on('error', reject).end()
      })
    const { hostname, port } = new URL(callbacksUrl)
    const doors = [
      { socketPath: home.client.socket, path: '/v1/status' },
      { hostname, port, path: '/healthz' },
    ]
    for (const door of doors) {
      expect((await ask(door, { host: 'localhost' }))[0]).toBe(200)
      expect(await ask(door, { host: 'localhost', origin: 'https://evil.example' })).toEqual([403, undefined])
      expect(await ask(door, { host: 'localhost', origin: 'null' })).toEqual([403, undefined])
      expect((await ask(door, { host: 'rebound.example' }))[0]).toBe(403)
    }
  })

  it('83 bombs in names: what takes a bad pattern for ever takes no time', async () => {
    // Each is a classic of expressions that go back and forth: long runs of what nearly fits.
    const bombs = [
      'a'.repeat(100_000),
      `${'a/'.repeat(50_000)}!`,
      `${'-.'.repeat(50_000)}\n`,
      `${' '.repeat(100_000)}x`,
    ]
    const shapes = (bomb: string) => [
      body({ url: `https://example.org/${bomb}` }),
      body({ url: `git@${bomb}:r` }),
      body({ url: bomb }),
      body({ ref: bomb }),
      body({}, { outputBranch: bomb }),
      body({}, { node: bomb }),
      body({}, { agent: bomb }),
      body({}, { labels: { [bomb]: bomb } }),
      body({}, { title: bomb }),
      body({}, { author: { name: bomb, email: bomb } }),
    ]
    for (const bomb of bombs) {
      const answers = await Promise.all(shapes(bomb).map(send))
      expect(answers.filter(code => /BUG|UNREACHABLE/.test(code))).toEqual([])
      const paths = ['/tasks?label=', '/tasks?status=', '/tasks/', '/nodes/'].map(
        start => `${start}${encodeURIComponent(bomb.slice(0, 10_000))}`,
      )
      await Promise.all(paths.map(where => home.client.call({ path: where }).catch(() => {})))
    }
    expect((await home.client.call<{ pid: number }>({ path: '/status' })).pid).toBeGreaterThan(0)
    for (const { id } of await home.client.call<{ id: string }[]>({ path: '/tasks?all=true' })) {
      await home.client.call({ method: 'POST', path: `/tasks/${id}/cancel` }).catch(() => {})
    }
  })

  it('84 local-other-user: nothing in the home can be read or written by anybody else', () => {
    const isOpen = (name: string) => (statSync(name).mode & 0o077) !== 0
    // What is under a folder that is closed cannot be reached, and is closed all the same where it is a secret.
    const within = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
        const name = path.join(folder, entry.name)
        return entry.isDirectory() ? [name, ...within(name)] : entry.isSymbolicLink() ? [] : [name]
      })
    const isOurs = (name: string) => !name.includes('/workspaces/')
    for (const folder of ['state', 'run']) {
      const all = within(path.join(home.dir, folder)).filter(isOurs)
      expect(all.length).toBeGreaterThan(folder === 'state' ? 5 : 0)
      expect([path.join(home.dir, folder), ...all].filter(isOpen)).toEqual([])
    }
  })
})
