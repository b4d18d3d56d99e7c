/** A service of the machine that is on its way: its group's members wait for it for some seconds, then are told where to look. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { isServiceHere } from '../../../../commands/cli/machine-service.ts'
import { controlClient } from '../../../../src/clients/control.ts'
import { API_LEVEL, VERSION } from '../../../../src/platform/version.ts'
import { afterFile } from '../../../support/after-file.ts'
import { root, until } from '../../../support/daemon/home.ts'
import { whereRoot } from '../../../support/where.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tdf-starting-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))

it('a command waits until it listens', async () => {
  const socket = path.join(folder, 'late.sock')
  const server = http.createServer((_, response) => {
    response.setHeader('x-tdf-api', API_LEVEL).setHeader('x-tdf-version', VERSION).end('{"pid":1}')
  })
  afterFile(() => void server.close())
  let waits = 0
  const onWait = () => {
    waits += 1
    server.listen(socket)
  }
  const client = controlClient({ socket, service: 'tdfd', onWait })
  expect([await client.call({ path: '/status' }), waits]).toEqual([{ pid: 1 }, 1])
})

it('and one that does not come is named with the command that shows why', async () => {
  const socket = path.join(folder, 'never.sock')
  const asked = controlClient({ socket, service: 'tdfd' }).call({ path: '/status' })
  const message = expect.stringContaining('is a service, tdfd')
  await expect(asked).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE', message, hint: 'systemctl status tdfd' })
})

it('without a service it is said at once', async () => {
  const asked = controlClient({ socket: path.join(folder, 'none.sock') }).call({ path: '/status' })
  await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('no daemon is running') })
})

it('it is a service for members of its group where its unit is installed', () => {
  const root = path.join(folder, 'root')
  mkdirSync(path.join(root, 'etc/systemd/system'), { recursive: true })
  writeFileSync(path.join(root, 'etc/group'), 'root:x:0:\nmytdf:x:8:\ntdf:x:987:ada\n')
  const here = (...groups: number[]) => isServiceHere({ root, groups })
  expect(here(987)).toBe(false)
  writeFileSync(path.join(root, 'etc/systemd/system/tdfd.service'), '')
  expect([here(100, 987), here(100), here(8)]).toEqual([true, false, false])
  rmSync(path.join(root, 'etc/group'))
  expect(here(987)).toBe(false)
})

// In a file system of its own, in which the unit is installed and its group has a member: only root can make one.
whereRoot('a service that is on its way, as its users meet it', () => {
  const GROUP = 4_987
  const NOBODY = 65_534
  const MACHINE = `set -e; mkdir -p /etc/systemd/system; mount -t tmpfs tmpfs /etc/systemd/system
touch /etc/systemd/system/tdfd.service; mount --bind "$DIR/group" /etc/group
mount -t tmpfs tmpfs /run; mkdir /run/tdf; mount --bind "$DIR/run" /run/tdf
exec setpriv --reuid ${NOBODY} --regid ${NOBODY} "$1" env -i "HOME=$DIR" "PATH=$PATH" "$NODE" "$TDF" --debug ls --json`
  const MEMBER = `--groups=${GROUP}`

  /** `run` is the folder in which its socket will be. */
  function machine(): { run: string; env: NodeJS.ProcessEnv } {
    const dir = mkdtempSync(path.join(tmpdir(), 'tdf-machine-'))
    afterFile(() => rmSync(dir, { recursive: true, force: true }))
    const run = path.join(dir, 'run')
    mkdirSync(run)
    for (const place of [dir, run]) chmodSync(place, 0o755)
    const others = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .filter(line => !line.startsWith('tdf:'))
    writeFileSync(path.join(dir, 'group'), [...others, `tdf:x:${GROUP}:`, ''].join('\n'), { mode: 0o644 })
    return {
      run,
      env: { PATH: process.env.PATH, DIR: dir, NODE: process.execPath, TDF: path.join(root, 'dist/tdf.js') },
    }
  }

  it('a member of its group has the answer once it listens', async () => {
    const { run, env } = machine()
    const child = spawn('unshare', ['--mount', 'sh', '-c', MACHINE, 'sh', MEMBER], { env })
    let [out, err] = ['', '']
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (err += chunk))
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    await until('it has asked in vain', () => err.includes('debug: GET /tasks') || child.exitCode !== null)
    const server = http.createServer((_, response) => {
      response.setHeader('x-tdf-api', API_LEVEL).setHeader('x-tdf-version', VERSION).end('[]')
    })
    afterFile(() => void server.close())
    // It comes to its place when it may be opened.
    const made = path.join(run, 'made')
    server.listen(made, () => {
      chmodSync(made, 0o666)
      renameSync(made, path.join(run, 'tdf.sock'))
    })
    expect([await ended, out, err]).toEqual([0, '[]\n', expect.stringContaining('ENOENT')])
  })

  it.each([
    ['a member of its group', MEMBER, 'systemctl status tdfd'],
    ['anybody else', '--clear-groups', 'tdf daemon start'],
  ])('%s gets the command that helps', (_, groups, hint) => {
    const { env } = machine()
    const { status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', MACHINE, 'sh', groups], {
      env,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([69, expect.stringContaining(`"hint":"${hint}"`)])
  })

  it('one that root has run by hand is not theirs: anybody else has a daemon of their own', () => {
    const { env } = machine()
    const byHand = MACHINE.replace(
      'exec setpriv',
      'chmod 0700 /run/tdf; rm /etc/systemd/system/tdfd.service; exec setpriv',
    )
    const { status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', byHand, 'sh', '--clear-groups'], {
      env,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([69, expect.stringContaining('"hint":"tdf daemon start"')])
    expect(stderr).not.toContain(' /run/tdf')
  })
})
