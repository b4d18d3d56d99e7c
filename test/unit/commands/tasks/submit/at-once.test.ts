/** What goes on at once when a folder is submitted: real git, real processes. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdfWith } from '../../../../support/daemon/home.ts'
import { type SocketProxy, socketProxy } from '../../../../support/machines/socket-proxy.ts'

let home: Home
let proxy: SocketProxy

beforeAll(async () => {
  home = makeHome()
  await home.start()
  proxy = await socketProxy(home)
}, 90_000)
afterAll(async () => {
  proxy.close()
  await home.remove()
})

/** A `git` of our own in front of the real one, which `script` begins. */
function gitWith(script: string): string {
  const bin = mkdtempSync(path.join(home.dir, 'bin-'))
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  writeFileSync(path.join(bin, 'git'), `#!/bin/sh\n${script}\nexec '${real}' "$@"\n`)
  chmodSync(path.join(bin, 'git'), 0o755)
  return `${bin}:${process.env.PATH}`
}

/** A `git` whose `status` waits for the file `sent`, for a minute at most: then it makes the file `late`. */
function waitingGit(): { PATH: string; sent: string; late: string } {
  const [sent, late] = [path.join(home.dir, 'sent'), path.join(home.dir, 'late')]
  const wait = `for n in $(seq 600); do test -e '${sent}' && break; sleep 0.1; done; test -e '${sent}' || : > '${late}'`
  return { PATH: gitWith(`case " $* " in *" status "*) ${wait};; esac`), sent, late }
}

it('a folder is sent while git still looks for uncommitted files, which are named all the same', async () => {
  const { PATH, sent, late } = waitingGit()
  const { dir } = makeRepository()
  writeFileSync(path.join(dir, 'new.txt'), 'new\n')
  // What tdf init writes counts from where it lies.
  writeFileSync(path.join(dir, '.tdf.toml'), '# Nothing yet.\n')
  proxy.onData = chunk => {
    if (chunk.toString('latin1').startsWith('PUT /v1/uploads')) writeFileSync(sent, '')
    return true
  }
  const { code, out, err } = await tdfWith(
    home,
    { cwd: dir, env: { ...proxy.env, PATH } },
    'submit',
    '-q',
    '--',
    'true',
  )
  expect({ code, err, isLate: existsSync(late) }).toEqual({
    code: 0,
    err: 'note: 1 uncommitted file stays behind; --dirty takes it along\n',
    isLate: false,
  })
  expect(out).toMatch(/^\w+\n$/)
}, 120_000)

const LARGE_BYTES = 300_000

it.each([
  ['no pack', false],
  ['one pack', true],
])(
  'of a folder whose objects are in %s, a second version of a large file takes little more room',
  async (_, isPacked) => {
    const log = path.join(home.dir, `log-${isPacked}`)
    const PATH = gitWith(`echo "$*" >> '${log}'`)
    const { dir } = makeRepository()
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], { cwd: dir })
    const large = randomBytes(LARGE_BYTES)
    for (const content of [large, Buffer.concat([large, Buffer.from('more')])]) {
      writeFileSync(path.join(dir, 'large'), content)
      git('add', '--all')
      git('commit', '--quiet', '--message', 'large')
    }
    if (isPacked) git('repack', '--quiet', '-a', '-d')
    proxy.onData = () => true
    proxy.sentBytes = 0
    const { code, err } = await tdfWith(home, { cwd: dir, env: { ...proxy.env, PATH } }, 'submit', '-q', '--', 'true')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(proxy.sentBytes).toBeLessThan(LARGE_BYTES * 1.3)
    // Where all are in one pack, git has nothing to look for.
    expect(/ pack-objects .*--window=0/.test(readFileSync(log, 'utf8'))).toBe(isPacked)
  },
  120_000,
)
