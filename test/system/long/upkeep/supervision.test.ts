/** The daemon as systemd sees it, with a stand-in for `systemd-notify` that writes down what it was told. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Home, hasEnded, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

const agentProgram = path.join(import.meta.dirname, '../../../../dist/tdf-agent.js')
let home: Home
let told: () => string[]
let supervised: Record<string, string>

beforeEach(() => {
  home = makeHome()
  const bin = path.join(home.dir, 'bin')
  const file = path.join(home.dir, 'told')
  mkdirSync(bin)
  writeFileSync(path.join(bin, 'systemd-notify'), `#!/bin/sh\necho "$*" >> ${file}\n`, { mode: 0o755 })
  told = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [])
  supervised = { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '1500000', PATH: `${bin}:${process.env.PATH}` }
})
afterEach(() => home.remove())

describe('a daemon under systemd', () => {
  it('says when it is ready, what it holds, that it lives, and when it stops', async () => {
    const daemon = await home.start(supervised)
    await until('it is ready', () => told().includes('--ready --status=0 running, 0 waiting, 1 node'))
    await until('it gives a sign of life', () => told().includes('WATCHDOG=1'))
    daemon.kill('SIGTERM')
    await until('it has ended', () => hasEnded(daemon))
    expect(daemon.exitCode).toBe(0)
    expect(told()).toContain('STOPPING=1 --status=stopping')
  })

  it('tells its counts as they change', async () => {
    await home.start(supervised)
    const repository = makeRepository()
    const go = path.join(home.dir, 'go')
    const command = `until [ -e ${go} ]; do sleep 0.1; done`
    const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', command)
    await until('the run is counted', () => told().some(line => line.includes('--status=1 running, 0 waiting')))
    writeFileSync(go, '')
    await until('its end is counted', () => told().at(-2)?.includes('0 running, 0 waiting') ?? false)
    expect((await home.task(out.trim())).status).toBe('completed')
    repository.remove()
  }, 60_000)

  it('is not stopped behind its back, since it would come back', async () => {
    await home.start(supervised)
    const { code, err } = await tdf(home, 'daemon', 'stop')
    expect([code, err]).toEqual([5, expect.stringContaining('systemctl --user stop tdfd')])
    expect(JSON.parse((await tdf(home, 'daemon', 'status', '--json')).out)).toMatchObject({ supervisor: 'systemd' })
  })
})

describe('an agent that is a service of its own', () => {
  it('runs the tasks of a daemon that finds it by its socket, and goes on when that daemon ends', async () => {
    const socket = path.join(home.dir, 'agent.sock')
    const token = path.join(home.dir, 'state', 'agent-token')
    mkdirSync(path.dirname(token), { mode: 0o700 })
    writeFileSync(token, 'a-token-of-this-test\n', { mode: 0o600 })
    const start = () => home.start({ TDF_AGENT_SOCKET: socket })
    let daemon = await start()
    const repository = makeRepository()
    const go = path.join(home.dir, 'go')
    const command = `until [ -e ${go} ]; do sleep 0.1; done; echo done > done.txt`
    const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', command)
    const agent = startAgent(socket, token)
    try {
      await until('it runs', async () => (await home.task(out.trim())).step === 'running', 60_000)
      expect(statSync(socket).mode & 0o777).toBe(0o660)
      daemon.kill('SIGTERM')
      await until('the daemon has ended', () => hasEnded(daemon))
      expect(hasEnded(agent)).toBe(false)
      daemon = await start()
      writeFileSync(go, '')
      await until('it is done', async () => (await home.task(out.trim())).step === null, 60_000)
      expect(await home.task(out.trim())).toMatchObject({ status: 'completed', result: { filesChanged: 1 } })
      expect(existsSync(path.join(home.dir, 'state', 'agent-process.json'))).toBe(false)
    } finally {
      agent.kill('SIGTERM')
      repository.remove()
    }
  }, 120_000)

  it('keeps to the bounds of the daemon that it belongs to', async () => {
    writeFileSync(
      path.join(home.dir, 'config.toml'),
      '[results]\nlog_max_bytes = "1MiB"\nsalvage_max_bytes = "10KiB"\n',
    )
    const socket = path.join(home.dir, 'agent.sock')
    const token = path.join(home.dir, 'state', 'agent-token')
    mkdirSync(path.dirname(token), { mode: 0o700 })
    writeFileSync(token, 'a-token-of-this-test\n', { mode: 0o600 })
    await home.start({ TDF_AGENT_SOCKET: socket })
    const repository = makeRepository()
    const agent = startAgent(socket, token)
    try {
      const command = 'head -c 6000000 /dev/zero | tr "\\0" "x"; head -c 20000 /dev/zero > large; echo small > small'
      await tdf(home, 'submit', '--repo', repository.dir, '--wait', '--', 'sh', '-c', command)
      expect((await tdf(home, 'diff', '@last')).out).toContain('+small')
      expect((await tdf(home, 'diff', '@last')).out).not.toContain('large')
      const { length } = (await tdf(home, 'logs', '@last')).out
      expect([length > 1_000_000, length < 3_000_000]).toEqual([true, true])
    } finally {
      agent.kill('SIGTERM')
      repository.remove()
    }
  }, 120_000)

  function startAgent(socket: string, token: string): ChildProcess {
    const where = ['--listen', `unix:${socket}`, '--socket-mode', '660', '--state', path.join(home.dir, 'agent')]
    const who = ['--token-file', token, '--name', 'local']
    return spawn(process.execPath, [agentProgram, ...where, ...who], { env: home.env, stdio: 'ignore' })
  }
})
