/** What goes on at once when a folder is submitted: real git, real processes. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
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

/** A `git` whose `status` waits for the file `sent`, for a minute at most: then it makes the file `late`. */
function waitingGit(): { PATH: string; sent: string; late: string } {
  const bin = path.join(home.dir, 'bin')
  const [sent, late] = [path.join(home.dir, 'sent'), path.join(home.dir, 'late')]
  mkdirSync(bin)
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  const wait = `for n in $(seq 600); do test -e '${sent}' && break; sleep 0.1; done; test -e '${sent}' || : > '${late}'`
  const script = `#!/bin/sh\ncase " $* " in *" status "*) ${wait};; esac\nexec '${real}' "$@"\n`
  writeFileSync(path.join(bin, 'git'), script)
  chmodSync(path.join(bin, 'git'), 0o755)
  return { PATH: `${bin}:${process.env.PATH}`, sent, late }
}

it('a folder is sent while git still looks for uncommitted files, which are named all the same', async () => {
  const { PATH, sent, late } = waitingGit()
  const { dir } = makeRepository()
  writeFileSync(path.join(dir, 'new.txt'), 'new\n')
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
