/** A repository that takes a while to send: the command says what it does meanwhile, and holds none of it in memory. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, root, tdf, until } from '../../../support/daemon/home.ts'
import { type SocketProxy, socketProxy } from '../../../support/machines/socket-proxy.ts'
import { watchedCommand } from '../../../support/machines/watched-command.ts'

const LARGE_BYTES = 100_000_000
/** What the command may need beyond a small repository's submit: a fraction of what it sends. */
const MORE_BYTES_MAX = 40_000_000
/** In pieces of 64 KiB it is on its way for many repetitions of the line that says so. */
const SLOW_BYTES = 12_000_000
const PIECE_MS = 100
const LIMIT_MS = 300_000

let home: Home
let proxy: SocketProxy
const made: { remove(): void }[] = []

beforeAll(async () => {
  home = makeHome()
  await home.start()
  proxy = await socketProxy(home)
}, 90_000)
afterAll(async () => {
  proxy.close()
  await home.remove()
  for (const one of made) one.remove()
})

/** With a file of so many bytes, none of which can be compressed. */
function repositoryOf(bytes: number): string {
  const repo = makeRepository()
  made.push(repo)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], { cwd: repo.dir })
  git('config', 'core.compression', '0')
  writeFileSync(path.join(repo.dir, 'large'), randomBytes(bytes))
  git('add', '--all')
  git('commit', '--quiet', '--message', 'large')
  return repo.dir
}

it(
  'is named within its packing and its upload, the latter with how far it is',
  async () => {
    const dir = repositoryOf(SLOW_BYTES)
    const [bin, go] = [path.join(home.dir, 'bin'), path.join(home.dir, 'go')]
    mkdirSync(bin)
    const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
    const held = `case " $* " in *" pack-objects "*) for n in $(seq 2000); do [ -e '${go}' ] && break; sleep 0.1; done;; esac`
    writeFileSync(path.join(bin, 'git'), `#!/bin/sh\n${held}\nexec '${real}' "$@"\n`, { mode: 0o755 })
    let err = ''
    proxy.onData = async () => {
      if (proxy.requests.some(line => line.startsWith('PUT ')) && !err.includes('uploading')) await wait(PIECE_MS)
      return true
    }
    const words = ['submit', '-o', 'table', '--repo', dir, '--', 'true']
    const child = spawn(process.execPath, [path.join(root, 'dist/tdf.js'), ...words], {
      env: { ...home.env, ...proxy.env, PATH: `${bin}:${home.env.PATH}` },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on('data', chunk => (err += chunk))
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    await until('the packing is named', () => /^packing/m.test(err))
    writeFileSync(go, '')
    expect(await ended).toBe(0)
    expect(err).toMatch(/^uploading [\d.]+ of 1\d MB \(\d+ %\)$/m)
  },
  LIMIT_MS,
)

it(
  'is sent in the memory that a small one takes',
  async () => {
    const memoryOf = async (bytes: number) => {
      const { code, out, memoryBytes } = await watchedCommand(home, repositoryOf(bytes), 'submit', '-q', '--', 'true')
      expect(code).toBe(0)
      await tdf(home, 'cancel', out.trim())
      return memoryBytes
    }
    const small = await memoryOf(1_000)
    expect((await memoryOf(LARGE_BYTES)) - small).toBeLessThan(MORE_BYTES_MAX)
  },
  LIMIT_MS,
)
