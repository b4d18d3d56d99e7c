/** Where there is no daemon: it is offered to be started, named how, started in the background, stopped without one. */
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify, isAlive } from '../../../../src/platform/process.ts'
import type { DaemonStatusJson } from '../../../../src/protocol/control.ts'
import { cliWith } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
beforeEach(() => {
  home = makeHome()
  repo = makeRepository()
})
afterEach(async () => {
  await tdf(home, 'daemon', 'stop')
  await home.remove()
  repo.remove()
}, 60_000)

const status = () => home.client.call<DaemonStatusJson>({ path: '/status' })
const isUp = () =>
  status().then(
    () => true,
    () => false,
  )
const submit = (answer: string, ...options: string[]) =>
  cliWith(home, { columns: 100, isPerson: true, input: answer, cwd: repo.dir }, 'submit', ...options, '--', 'true')

describe('a command that needs a daemon', () => {
  it.each([
    ['Enter', '\n'],
    ['y', 'y\n'],
  ])(
    'starts it when the answer is %s, and goes on',
    async (_, answer) => {
      const { code, err } = await submit(answer, '-q')
      expect([code, err]).toEqual([0, expect.stringContaining('no daemon is running; start it now? [Y/n]')])
      expect(err).toMatch(/^the daemon runs \(pid \d+\); its log is \S+daemon\.log$/m)
      expect(err.split('the daemon runs')[0]).not.toContain('waiting for')
      expect(Object.values((await status()).tasks).reduce((sum, count) => sum + count, 0)).toBe(1)
    },
    60_000,
  )

  it.each([
    ['n', 'n\n'],
    ['the end of the input', ''],
  ])('does nothing when the answer is %s', async (_, answer) => {
    const { code, err } = await submit(answer)
    expect([code, err]).toEqual([69, expect.stringContaining('hint: tdf daemon start')])
    expect(await isUp()).toBe(false)
  })

  it('asks nobody where nobody is, and --yes is the answer', async () => {
    const silent = await tdfWith(home, { cwd: repo.dir }, 'submit', '--', 'true')
    expect([silent.code, silent.out]).toEqual([69, ''])
    expect(silent.err).toMatch(/^error: no daemon is running: .*\n {2}hint: tdf daemon start\n/)
    const { code } = await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--yes', '--wait', '--', 'true')
    expect(code).toBe(0)
  }, 60_000)

  it.each([
    ['--no-input', '--no-input'],
    ['a socket of its own', '--host', '/nonexistent/s'],
  ])('does not ask with %s', async (_, ...options) => {
    const { code, err } = await submit('\n', ...options)
    expect([code, err]).toEqual([69, expect.not.stringContaining('[Y/n]')])
  })

  it.each([['continue'], ['retry']])('is offered one by %s', async command => {
    const { code, err } = await cliWith(home, { columns: 100, isPerson: true, input: 'n\n' }, command, 'abcd')
    expect([code, err]).toEqual([69, expect.stringContaining('no daemon is running; start it now? [Y/n]')])
  })

  it('that only looks is told how to start it', async () => {
    const { code, err } = await cliWith(home, { columns: 100, isPerson: true, input: '\n' }, 'ls')
    expect([code, err]).toEqual([69, expect.stringContaining('hint: tdf daemon start')])
    expect(err).not.toContain('[Y/n]')
  })
})

describe('tdf daemon start', () => {
  it('says so where its folder cannot be made', async () => {
    const { code, err } = await tdfWith(home, { env: { TDF_HOME: '/proc/tdf' } }, 'daemon', 'start')
    expect([code, err]).toEqual([78, expect.stringMatching(/\/proc\/tdf\/state cannot be made[\s\S]*STATE_UNWRITABLE/)])
  })

  it('starts one that outlives it, is content with one that runs, and daemon logs shows what it wrote', async () => {
    const first = await tdf(home, 'daemon', 'start', '--json')
    const { pid } = JSON.parse(first.out) as DaemonStatusJson
    expect([first.code, (await status()).pid]).toEqual([0, pid])
    const again = await tdf(home, 'daemon', 'start')
    expect([again.code, again.err]).toEqual([0, expect.stringContaining(`the daemon runs (pid ${pid})`)])
    expect((await tdf(home, 'daemon', 'logs', '--tail', '1000')).out).toContain('"level":"info"')
    expect(statSync(path.join(home.dir, 'state', 'daemon.log')).mode & 0o077).toBe(0)
  }, 60_000)

  it('says what kept it from starting', async () => {
    writeFileSync(path.join(home.dir, 'config.toml'), '[runner]\nno_such_key = 1\n')
    const { code, err } = await tdf(home, 'daemon', 'start')
    expect([code, err]).toEqual([
      78,
      expect.stringMatching(/no_such_key[\s\S]*hint: tdf config check\n {2}code: CONFIG_INVALID/),
    ])
  })

  it('names the way out where its port has the daemon of somebody else', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const env = { ...home.env, TDF_CALLBACKS__LISTEN: `127.0.0.1:${port}` }
    const { code, err } = await tdfWith(home, { env }, 'daemon', 'start')
    other.close()
    expect([code, err]).toEqual([78, expect.stringContaining('in [callbacks] listen, port 0 takes a free one')])
    const [, name = '', value = ''] = / hint: export (\w+)=(\S+)/.exec(err) ?? []
    expect((await tdfWith(home, { env: { ...home.env, [name]: value } }, 'daemon', 'start')).code).toBe(0)
  }, 60_000)

  it('moves a log that has grown aside', async () => {
    await tdf(home, 'daemon', 'start')
    await tdf(home, 'daemon', 'stop')
    const log = path.join(home.dir, 'state', 'daemon.log')
    truncateSync(log, 9 * 1024 * 1024)
    await tdf(home, 'daemon', 'start')
    expect([statSync(log).size < 1024 * 1024, existsSync(`${log}.1`)]).toEqual([true, true])
  }, 60_000)

  describe('with a log that is nearly full', () => {
    const file = () => path.join(home.dir, 'state', 'daemon.log')
    const older = () => `${file()}.1`
    const line = `${JSON.stringify({ level: 'info', msg: 'from before' })}\n`
    /** The next lines of the daemon are more than it may have. */
    function fill(): void {
      mkdirSync(path.dirname(file()), { recursive: true, mode: 0o700 })
      writeFileSync(file(), line.repeat(Math.floor((8 * 1024 * 1024 - 64) / line.length)), { mode: 0o600 })
    }
    const messagesIn = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map(one => JSON.parse(one).msg as string)

    it('sets its lines aside while it runs, and loses none of them, nor the last words of a crash', async () => {
      fill()
      const { pid } = JSON.parse((await tdf(home, 'daemon', 'start', '--json')).out) as DaemonStatusJson
      await until('the lines are set aside', () => existsSync(older()) && statSync(file()).size < 1024 * 1024)
      expect([statSync(older()).mode & 0o077, existsSync(`${file()}.new`)]).toEqual([0, false])
      for (const number of [1, 2]) {
        const [open, there] = [statSync(`/proc/${pid}/fd/${number}`), statSync(file())]
        expect([open.ino, open.dev]).toEqual([there.ino, there.dev])
      }
      await tdf(home, 'daemon', 'stop')
      const messages = messagesIn(readFileSync(older(), 'utf8') + readFileSync(file(), 'utf8'))
      const own = messages.filter(message => message !== 'from before')
      expect(own.filter(message => message === 'ready' || message === 'stopping')).toEqual(['ready', 'stopping'])
      expect(messages.length - own.length).toBe(Math.floor((8 * 1024 * 1024 - 64) / line.length))
      expect(readFileSync(file()).includes(0)).toBe(false)
    }, 60_000)

    it('goes on in it where they cannot be set aside', async () => {
      fill()
      mkdirSync(older())
      expect((await tdf(home, 'daemon', 'start')).code).toBe(0)
      await tdf(home, 'daemon', 'stop')
      const own = messagesIn(readFileSync(file(), 'utf8')).filter(message => message !== 'from before')
      expect(own).toEqual(expect.arrayContaining(['ready', 'stopping']))
      expect(existsSync(`${file()}.new`)).toBe(false)
    }, 60_000)
  })

  it('restart ends the one that runs', async () => {
    await tdf(home, 'daemon', 'start')
    const old = identify((await status()).pid)
    const { code } = await tdf(home, 'daemon', 'restart')
    expect([code, old !== null && isAlive(old)]).toEqual([0, false])
    await until('the next one answers', isUp)
  }, 60_000)

  it('of two at once both find the one that runs', async () => {
    const both = await Promise.all([tdf(home, 'daemon', 'start', '--json'), tdf(home, 'daemon', 'start', '--json')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(new Set(both.map(({ out }) => JSON.parse(out).pid)).size).toBe(1)
  }, 60_000)
})

describe('tdf daemon stop', () => {
  it('of none is done', async () => {
    expect(await tdf(home, 'daemon', 'stop')).toEqual({ code: 0, out: '', err: 'no daemon is running\n' })
    expect(await tdf(home, 'daemon', 'stop', '--json')).toEqual({ code: 0, out: 'null\n', err: '' })
  })

  it('of one that was killed is done', async () => {
    await home.kill(await home.start())
    expect((await tdf(home, 'daemon', 'stop')).code).toBe(0)
  }, 60_000)
})

describe('no agent', () => {
  const without = { PATH: '/usr/bin:/bin' }
  const WAYS = [
    /npm install -g @anthropic-ai\/claude-code/,
    /\[agents\.NAME\] in config\.toml/,
    /tdf submit --wait -- COMMAND/,
  ]

  it('the three ways to have one are named by submit and by doctor', async () => {
    await home.start(without)
    const { code, err } = await tdfWith(home, { cwd: repo.dir }, 'submit', 'make it blue')
    expect(code).toBe(1)
    const { out } = await tdf(home, 'doctor')
    for (const way of WAYS) expect([err, out]).toEqual([expect.stringMatching(way), expect.stringMatching(way)])
    expect(readFileSync(path.join(home.dir, 'config.toml'), 'utf8')).toBe('')
  }, 60_000)
})
