/** A daemon that looks after itself: room on its disk, a changed configuration, work on its machine, a moved state. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Home, hasEnded, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { whereRoot } from '../../../support/where.ts'

let home: Home
let repository: ReturnType<typeof makeRepository>
beforeEach(() => {
  home = makeHome()
  repository = makeRepository()
})
afterEach(async () => {
  await home.remove()
  repository.remove()
})

const configure = (text: string) => writeFileSync(path.join(home.dir, 'config.toml'), text)
const submit = (...command: string[]) => tdf(home, 'submit', '--repo', repository.dir, '-q', '--', ...command)
const errorOf = (text: string) => JSON.parse(text).error

describe('a disk with little room', () => {
  it('takes no task in and begins none, says why, and goes on when there is room', async () => {
    await home.start()
    const go = path.join(home.dir, 'go')
    const running = (await submit('sh', '-c', `until [ -e ${go} ]; do sleep 0.1; done; echo x > x`)).out.trim()
    await until('it runs', async () => (await home.task(running)).step === 'running')
    configure('[disk]\nlow = "8000TiB"\n')
    expect((await tdf(home, 'daemon', 'reload')).out).toContain('disk.low: "1GiB" → "8000TiB"')

    const refused = await tdf(home, 'submit', '--repo', repository.dir, '--json', '--', 'true')
    expect([refused.code, errorOf(refused.err).code]).toEqual([75, 'DISK_LOW'])
    writeFileSync(go, '')
    await until('its work waits for room', async () => {
      return (await home.task(running)).waitingFor?.includes('disk of the daemon is nearly full') ?? false
    })
    configure('')
    await tdf(home, 'daemon', 'reload')
    await until('its work is home', async () => (await home.task(running)).step === null, 60_000)
    expect(await home.task(running)).toMatchObject({ status: 'completed', result: { filesChanged: 1 } })
    expect((await submit('true')).code).toBe(0)
  }, 120_000)
})

// Only root may make a disk that is full.
whereRoot('a disk that is full', () => {
  it('a disk that is full gets the reserve, so that what was accepted is kept', async () => {
    configure('[disk]\nlow = "0B"\nreserve = "4MiB"\n')
    const state = path.join(home.dir, 'state')
    const reserve = path.join(state, 'reserve')
    mkdirSync(state)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'tmpfs', state])
    try {
      const daemon = await home.start()
      await tdf(home, 'daemon', 'drain')
      const accepted = [(await submit('true')).out.trim()]
      await until('there is a reserve', () => existsSync(reserve))
      try {
        writeFileSync(path.join(state, 'somebody-elses'), Buffer.alloc(64 * 1024 * 1024))
      } catch {
        // It is full now.
      }
      const words = ['submit', '-', '--repo', repository.dir, '-q', '--', 'true']
      for (let round = 0; existsSync(reserve) && round < 100; round++) {
        const { code, out, err } = await tdfWith(home, { input: 'x'.repeat(200_000) }, ...words)
        expect([code, err]).toEqual([0, ''])
        accepted.push(out.trim())
      }
      expect(existsSync(reserve)).toBe(false)
      await home.kill(daemon)
      await home.start()
      const kept = (await tdf(home, 'ls', '--all', '-q')).out.trim().split('\n')
      expect(kept.sort()).toEqual(accepted.sort())
    } finally {
      execFileSync('umount', ['-l', state])
    }
  }, 180_000)
})

describe('tdf daemon reload', () => {
  it('takes over what changed and answers with it', async () => {
    await home.start()
    configure('[runner]\nidle_timeout = "7m"\n[daemon]\nlog_level = "debug"\n')
    const { code, out } = await tdf(home, 'daemon', 'reload', '--json')
    expect([code, JSON.parse(out).changed]).toEqual([
      0,
      [
        { key: 'daemon.log_level', from: '"info"', to: '"debug"' },
        { key: 'runner.idle_timeout', from: '"20m"', to: '"7m"' },
      ],
    ])
    expect((await tdf(home, 'daemon', 'reload')).out).toContain('nothing has changed')
  })

  it('refuses a file that is wrong, and changes nothing', async () => {
    await home.start()
    configure('[runner]\nidle_timeout = "7m"\nno_such_key = 1\n')
    const refused = await tdf(home, 'daemon', 'reload', '--json')
    expect([refused.code, errorOf(refused.err).code]).toEqual([78, 'CONFIG_INVALID'])
    configure('')
    expect((await tdf(home, 'daemon', 'reload')).out).toContain('nothing has changed')
  })

  it('applies what it can, and names what takes a restart until there was one', async () => {
    const first = await home.start()
    configure('[runner]\nidle_timeout = "7m"\n[nodes]\nmax_workspaces = 5\n[daemon]\nmetrics_listen = "127.0.0.1:0"\n')
    const { code, out, err } = await tdf(home, 'daemon', 'reload')
    expect([code, out]).toEqual([0, 'runner.idle_timeout: "20m" → "7m"\n'])
    expect(err).toBe(
      'not yet in force, since it takes a restart:\n' +
        '  daemon.metrics_listen: "" → "127.0.0.1:0"\n  nodes.max_workspaces: 3 → 5\n  tdf daemon restart\n',
    )
    const again = JSON.parse((await tdf(home, 'daemon', 'reload', '--json')).out)
    expect([again.changed, again.needsRestart.length]).toEqual([[], 2])
    const slots = async () => JSON.parse((await tdf(home, 'node', 'ls', '--json')).out)[0]?.maxWorkspaces
    expect(await slots()).toBe(3)
    await home.kill(first)
    await home.start()
    expect(JSON.parse((await tdf(home, 'daemon', 'reload', '--json')).out).needsRestart).toEqual([])
    await until('the node has the slots', async () => (await slots()) === 5)
  })

  it('is what SIGHUP asks for, and a file that is wrong does not end the daemon', async () => {
    const daemon = await home.start()
    let log = ''
    daemon.stdout?.on('data', chunk => (log += chunk))
    configure('nonsense')
    daemon.kill('SIGHUP')
    await until('it says no', () => log.includes('was not taken over'))
    configure('[nodes]\nlost_after = "20m"\n')
    daemon.kill('SIGHUP')
    await until('it says yes', () => log.includes('"changed":["nodes.lost_after"]'))
    expect(hasEnded(daemon)).toBe(false)
  })
})

describe('tdf daemon drain', () => {
  it('waits for what runs and begins nothing more, also after a restart, until it is undone', async () => {
    let daemon = await home.start()
    const go = path.join(home.dir, 'go')
    const running = (await submit('sh', '-c', `until [ -e ${go} ]; do sleep 0.1; done`)).out.trim()
    await until('it runs', async () => (await home.task(running)).step === 'running')
    expect((await tdf(home, 'daemon', 'drain', '--timeout', '100ms')).code).toBe(124)
    const waiting = (await submit('true')).out.trim()
    const draining = tdf(home, 'daemon', 'drain')
    writeFileSync(go, '')
    expect((await draining).code).toBe(0)
    expect((await home.task(running)).status).toBe('completed')

    await home.kill(daemon)
    daemon = await home.start()
    expect((await tdf(home, 'why', waiting)).out).toContain('being drained')
    expect((await tdf(home, 'daemon', 'status')).out).toContain('drain --undo')
    expect((await home.task(waiting)).status).toBe('queued')
    expect((await tdf(home, 'daemon', 'drain', '--undo')).code).toBe(0)
    await until('the one that waited is done', async () => (await home.task(waiting)).status === 'completed', 60_000)
  }, 120_000)
})

describe('a state folder of another machine', () => {
  it('is refused until it is adopted', async () => {
    await home.kill(await home.start())
    const file = path.join(home.dir, 'state', 'install.json')
    const { id, key } = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(file, JSON.stringify({ id, key, machineId: 'another' }))
    const refused = await tdf(home, 'daemon', 'run')
    expect([refused.code, refused.err]).toEqual([78, expect.stringContaining('tdf daemon adopt')])
    expect((await tdf(home, 'daemon', 'adopt')).code).toBe(2)
    expect((await tdf(home, 'daemon', 'adopt', '--yes')).code).toBe(0)
    await home.start()
    expect(JSON.parse((await tdf(home, 'daemon', 'status', '--json')).out).installId).toBe(id)
    expect((await tdf(home, 'daemon', 'adopt', '--yes')).code).toBe(75)
  })
})
