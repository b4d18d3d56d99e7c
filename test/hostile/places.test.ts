/** Places that another user made, owns or may change: neither the command line nor the daemon believes them. */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Home, makeHome, tdf, tdfWith, until } from '../support/daemon/home.ts'
import { whereRoot } from '../support/where.ts'

const [USER, OTHER] = [54_321, 54_322]

let home: Home
let stop = () => {}
beforeEach(() => {
  home = makeHome('', { uid: USER })
})
afterEach(async () => {
  stop()
  stop = () => {}
  await home.remove()
})

const at = (...parts: string[]) => path.join(home.dir, ...parts)
const give = (place: string, uid: number) => execFileSync('chown', ['-hR', `${uid}:${uid}`, place])

/** What each place is made into, as another user would have it; it names what is wrong. */
const FOREIGN: Record<string, [what: () => void, says: RegExp]> = {
  'TDF_HOME of another user': [() => give(home.dir, OTHER), /is of another user \(uid 54322\)/],
  'TDF_HOME that everybody may write': [() => chmodSync(home.dir, 0o777), /every user may change it/],
  'TDF_HOME that a group of others may write': [
    () => {
      chownSync(home.dir, USER, 100)
      chmodSync(home.dir, 0o770)
    },
    /its group \(gid 100\) may change it/,
  ],
  'TDF_HOME behind a link of another user': [
    () => {
      renameSync(home.dir, `${home.dir}-real`)
      symlinkSync(`${home.dir}-real`, home.dir)
      lchownSync(home.dir, OTHER, OTHER)
    },
    /is of another user/,
  ],
  'a configuration of another user': [() => give(at('config.toml'), OTHER), /config\.toml is not used/],
  'a configuration that everybody may write': [
    () => chmodSync(at('config.toml'), 0o666),
    /config\.toml is not used.*every user/,
  ],
  'a state folder of another user': [
    () => {
      mkdirSync(at('state'))
      give(at('state'), OTHER)
    },
    /state is not used/,
  ],
  'a run folder of another user': [
    () => {
      mkdirSync(at('run'))
      give(at('run'), OTHER)
    },
    /run is not used/,
  ],
  'a run folder that is a link into one of another user': [
    () => {
      mkdirSync(at('elsewhere'))
      give(at('elsewhere'), OTHER)
      symlinkSync(at('elsewhere'), at('run'))
      lchownSync(at('run'), USER, USER)
    },
    /elsewhere leads there/,
  ],
}

function placesOfOthers(): void {
  afterEach(() => {
    if (existsSync(`${home.dir}-real`)) rmSync(home.dir)
    if (existsSync(`${home.dir}-real`)) renameSync(`${home.dir}-real`, home.dir)
    give(home.dir, USER)
  })

  it.each(Object.entries(FOREIGN))('%s is refused by the command line and the daemon', async (_name, [make, says]) => {
    make()
    const before = readdirSync(home.dir)
    for (const words of [['ls'], ['why', 'abcd'], ['daemon', 'run'], ['config', 'show']]) {
      const refused = await tdfWith(home, { cwd: '/' }, ...words)
      expect([words, refused.code, refused.err]).toEqual([words, 78, expect.stringMatching(says)])
      expect(refused.err).toMatch(/^error: .*\n {2}hint: (?:ls -ld|chmod [go]-w) '.*'\n {2}code: PLACE_UNTRUSTED\n$/)
    }
    expect(readdirSync(home.dir)).toEqual(before)
  })

  it('a socket of another user is told nothing', async () => {
    mkdirSync(at('run'), { mode: 0o700 })
    give(at('run'), USER)
    const heard: string[] = []
    const server = createServer(socket => void socket.on('data', chunk => heard.push(String(chunk))))
    await new Promise<void>(resolve => server.listen(at('run', 'tdf.sock'), resolve))
    stop = () => server.close()
    chownSync(at('run', 'tdf.sock'), OTHER, OTHER)
    chmodSync(at('run', 'tdf.sock'), 0o777)
    for (const words of [['ls'], ['--host', at('run', 'tdf.sock'), 'ls']]) {
      const refused = await tdf(home, ...words)
      expect([refused.code, refused.err]).toEqual([78, expect.stringContaining('PLACE_UNTRUSTED')])
    }
    expect(heard).toEqual([])
  })

  it('a token file of another user is not used', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tdf-other-'))
    const token = path.join(folder, 'token')
    writeFileSync(token, 'of-another-user\n', { mode: 0o640 })
    chownSync(token, OTHER, USER)
    chmodSync(folder, 0o755)
    const config = `[[providers.static.nodes]]\nname = "box1"\nurl = "http://127.0.0.1:9"\ntoken_file = "${token}"\n`
    writeFileSync(at('config.toml'), config)
    await home.start()
    await until('it is said', async () => /is of another user/.test((await tdf(home, 'node', 'show', 'box1')).out))
    rmSync(folder, { recursive: true })
  })

  it("root goes on to use a user's home that lies in a folder of root, and refuses one that anybody could have put there", async () => {
    const folder = mkdtempSync(path.join('/var/lib', 'tdf-test-'))
    try {
      chmodSync(folder, 0o755)
      mkdirSync(path.join(folder, 'ada'))
      give(path.join(folder, 'ada'), USER)
      const env = { ...home.env, TDF_HOME: path.join(folder, 'ada') }
      expect((await tdf({ env }, 'config', 'show')).code).toBe(0)
      expect((await tdf({ env: { ...home.env } }, 'config', 'show')).code).toBe(78)
      expect((await tdf({ env: { ...home.env, SUDO_UID: String(USER) } }, 'config', 'show')).code).toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('the socket of the machine, which another user owns and a group may open, goes on to work', async () => {
    const folder = mkdtempSync('/run/tdf-test-')
    try {
      await home.start()
      // As systemd makes it for a service: a folder of the service's user in one of root.
      renameSync(at('run', 'tdf.sock'), path.join(folder, 'tdf.sock'))
      for (const place of [folder, path.join(folder, 'tdf.sock')]) chownSync(place, OTHER, USER)
      chmodSync(folder, 0o750)
      chmodSync(path.join(folder, 'tdf.sock'), 0o660)
      const seen = await tdf(home, '--host', path.join(folder, 'tdf.sock'), 'daemon', 'status')
      expect([seen.code, seen.err]).toEqual([0, ''])
      renameSync(path.join(folder, 'tdf.sock'), at('run', 'tdf.sock'))
      chownSync(at('run', 'tdf.sock'), USER, USER)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("a home with a umask of 002 and the user's own group is its user's", async () => {
    chmodSync(home.dir, 0o775)
    chmodSync(at('config.toml'), 0o664)
    expect((await tdf(home, 'config', 'show')).code).toBe(0)
  })

  it('a node agent does not take a state folder of another user', async () => {
    mkdirSync(at('agent'))
    writeFileSync(at('token'), 'a-token\n')
    give(home.dir, USER)
    give(at('agent'), OTHER)
    const program = path.join(import.meta.dirname, '..', '..', 'dist', 'tdf-agent.js')
    const words = [program, '--listen', '127.0.0.1:0', '--state', at('agent'), '--token-file', at('token')]
    const child = spawn(process.execPath, words, { uid: USER, gid: USER, env: home.env })
    let said = ''
    child.stderr.on('data', chunk => (said += chunk))
    const code = await new Promise(resolve => child.on('close', resolve))
    expect([code, said]).toEqual([78, expect.stringContaining('is of another user')])
  })
}

whereRoot('places of other users', () => describe('places of other users', placesOfOthers))
