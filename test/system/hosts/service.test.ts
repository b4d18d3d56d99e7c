/** The service of a machine over its whole life: installed from the package, killed, hung, upgraded, cut off, removed. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClient } from '../../../src/clients/control.ts'
import type { DaemonStatusJson, TaskJson } from '../../../src/protocol/control.ts'
import { daemonHardening } from '../../../src/systemd/unit.ts'
import { until } from '../../support/daemon/home.ts'
import type { Machine } from './support/machine.ts'
import { type Packages, packTwice } from './support/package.ts'
import { ATTEMPTS, NEEDED, NOT_TO_BE_SEEN, SEEN_BY_AN_ATTEMPT, SEEN_FROM_OUTSIDE } from './support/sandbox.ts'
import { openSite, type Site } from './support/site.ts'

const USER_DATA = `#cloud-config
users:
  - name: dev
    shell: /bin/bash
runcmd:
  - su dev -c 'cd && git init -q project && cd project && git config user.name dev && git config user.email dev@localhost'
  - su dev -c 'cd ~/project && git commit -q --allow-empty -m first'
  - touch /root/ready
`

let site: Site
let machine: Machine
let packages: Packages

beforeAll(async () => {
  packages = packTwice()
  site = openSite()
  machine = site.machine({ name: 'server', userData: USER_DATA, publicKeys: [] })
  packages.current.installInto(machine.root)
  await until('its first boot is over', () => existsSync(path.join(machine.root, 'root/ready')), 180_000)
}, 900_000)

afterAll(async () => {
  await site?.remove()
  packages?.remove()
}, 60_000)

const asRoot = (command: string) => machine.run(`PATH=/usr/local/bin:$PATH; cd /; ${command}`)
/** As somebody who may use the service, in a repository of theirs. */
const asDev = (command: string) => asRoot(`su dev -c ${quoted(`cd ~/project; ${command}`)}`)
const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`
/** Its socket, opened from outside: looking again and again costs nothing in there. */
const call = async <T>(path: string) => controlClient({ socket: machine.live('/run/tdf/tdf.sock') }).call<T>({ path })
const task = (id: string) => call<TaskJson>(`/tasks/${id}`)
const mainPid = () => Number(asRoot('systemctl show tdfd -p MainPID --value'))
const restarts = () => Number(asRoot('systemctl show tdfd -p NRestarts --value'))

const untilItAnswers = () =>
  until(
    'the daemon answers',
    () =>
      call('/status')
        .then(() => true)
        .catch(() => false),
    120_000,
  )
const untilOver = (id: string) => until(`${id} is over`, async () => (await task(id)).step === null, 120_000)

/** A run on this machine that goes on until `goOn`; its one line of output says that it was started once. */
async function startRun(): Promise<string> {
  const id = asDev(`tdf submit -q -- sh -c 'echo begun >> BEGUN; until [ -e /tmp/go-on ]; do sleep 0.1; done'`).trim()
  await until('the command runs', async () => (await task(id)).step === 'running', 120_000)
  return id
}
async function finish(id: string): Promise<void> {
  expect(await task(id)).toMatchObject({ step: 'running', attempt: 1 })
  asRoot('touch /tmp/go-on')
  await untilOver(id)
  asRoot('rm /tmp/go-on')
  expect(await task(id)).toMatchObject({ status: 'completed', attempt: 1, result: { filesChanged: 1, insertions: 1 } })
}
const submitShort = (count: number) =>
  Array.from({ length: count }, () => asDev(`tdf submit -q -- sh -c 'echo done > DONE'`).trim())
async function allDone(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await untilOver(id)
    expect(await task(id)).toMatchObject({ status: 'completed', attempt: 1, result: { filesChanged: 1 } })
  }
}

describe('the service of a machine', () => {
  it('is installed by one command, and says in `systemctl status` what it holds', async () => {
    asRoot('tdf daemon install --system')
    expect(asRoot('systemctl is-active tdfd tdf-agent tdf-reap.timer')).toBe('active\nactive\nactive\n')
    expect(asRoot('systemctl is-enabled tdfd tdf-agent tdf-reap.timer')).toBe('enabled\nenabled\nenabled\n')
    expect(asRoot('systemctl status tdfd')).toContain('Status: "0 running, 0 waiting, 1 node"')
    expect(asRoot('tdf doctor')).not.toContain('FAILED')
    asRoot('tdf daemon install --system')
  }, 120_000)

  it('serves whoever is of its group, and nobody else', async () => {
    expect(() => asDev('tdf ls')).toThrow('you may not open /run/tdf/tdf.sock')
    asRoot('usermod -aG tdf dev')
    const id = await startRun()
    await until('the run is counted', () => asRoot('systemctl status tdfd').includes('"1 running, 0 waiting, 1 node"'))
    await finish(id)
    asDev(`tdf submit --wait -- sh -c 'id -un > WHO'`)
    expect(asDev('tdf diff @last')).toContain('+tdf-agent')
  }, 180_000)

  it('is protected by every directive that it asks for, as far as can be seen', () => {
    asRoot('touch /tmp/of-the-machine')
    const seen = (pid: number, enter: string) =>
      Object.keys(SEEN_FROM_OUTSIDE).filter(directive => {
        const look = `export pid=${pid} machine_mounts=$(readlink /proc/1/ns/mnt); ${enter} sh -c ${quoted(SEEN_FROM_OUTSIDE[directive] ?? '')}`
        return asRoot(`(${look}) > /dev/null 2>&1 && echo yes || echo no`) === 'yes\n'
      })
    const attempts = (directives: readonly string[], all = SEEN_BY_AN_ATTEMPT) => {
      writeFileSync(path.join(machine.root, 'opt/attempts.py'), ATTEMPTS)
      const given = directives.map(directive => `-p ${quoted(directive)}`).join(' ')
      const asked = `-p User=tdf -p PrivateTmp=yes -E ATTEMPTS=${quoted(JSON.stringify(all))}`
      const said = asRoot(`systemd-run --quiet --wait --pipe ${asked} ${given} python3 /opt/attempts.py`)
      return JSON.parse(said) as string[]
    }
    const pid = mainPid()
    const inForce = [...seen(pid, `nsenter -t ${pid} -m`), ...attempts(daemonHardening.system)]
    const elsewhere = [...seen(1, ''), ...attempts([])]
    const asked = daemonHardening.system
    const missing = asked.filter(directive => !(inForce.includes(directive) || directive in NOT_TO_BE_SEEN))
    for (const [directive, why] of Object.entries(NOT_TO_BE_SEEN))
      process.stdout.write(`not seen: ${directive}: ${why}\n`)
    expect(missing).toEqual([])
    // What holds without the directives too would prove nothing.
    expect(elsewhere).toEqual([])
    expect(attempts(daemonHardening.system, NEEDED)).toEqual([])
    const exposure = asRoot('systemd-analyze security tdfd.service --no-pager | tail -1')
    expect(Number(/exposure level for tdfd\.service: ([\d.]+)/.exec(exposure)?.[1])).toBeLessThanOrEqual(2)
  }, 120_000)

  it('comes back after SIGKILL with every task, and a run goes on', async () => {
    const running = await startRun()
    const short = submitShort(3)
    const before = restarts()
    asRoot('systemctl kill -s KILL tdfd')
    await until('it was started again', () => restarts() === before + 1, 120_000)
    await untilItAnswers()
    await allDone(short)
    await finish(running)
  }, 300_000)

  it('is ended by the watchdog when its main loop hangs, and comes back with every task', async () => {
    const dropIn = '/etc/systemd/system/tdfd.service.d'
    asRoot(`mkdir ${dropIn}; printf '[Service]\\nWatchdogSec=15\\n' > ${dropIn}/sooner.conf; systemctl daemon-reload`)
    asRoot('systemctl restart tdfd')
    const running = await startRun()
    const short = submitShort(2)
    const before = restarts()
    asRoot(`kill -STOP ${mainPid()}`)
    await until('it was started again', () => restarts() === before + 1, 180_000)
    await untilItAnswers()
    expect(asRoot('journalctl -u tdfd --no-pager')).toContain('Watchdog timeout')
    await allDone(short)
    await finish(running)
    asRoot(`rm -r ${dropIn}; systemctl daemon-reload`)
  }, 300_000)

  it('is upgraded under a run that goes on, first the daemon, then the agent', async () => {
    const version = async () => (await call<DaemonStatusJson>('/status')).version
    expect(await version()).toBe(packages.current.version)
    const running = await startRun()
    packages.next.installInto(machine.root)
    expect(asDev('tdf doctor || true')).toContain(
      `it is ${packages.current.version} and this is ${packages.next.version}`,
    )
    asRoot('systemctl restart tdfd')
    await untilItAnswers()
    expect(await version()).toBe(packages.next.version)
    await allDone(submitShort(1))
    asRoot('systemctl restart tdf-agent')
    await allDone(submitShort(1))
    await finish(running)
  }, 300_000)

  it('starts by itself after a power cut in the middle of tasks; their work is home and those that waited go on', async () => {
    const running = await startRun()
    asRoot('tdf daemon drain --timeout 1ms || true')
    const waiting = submitShort(2)
    asRoot('tdf daemon drain --undo; sync')
    await machine.powerOff()
    machine.boot()
    await untilItAnswers()
    await allDone(waiting)
    await untilOver(running)
    expect(await task(running)).toMatchObject({ status: 'failed', result: { filesChanged: 1 } })
    expect(asDev(`tdf diff ${running}`)).toContain('+begun')
  }, 300_000)

  it('leaves nothing but its state when it is uninstalled', async () => {
    const tasks = await call<TaskJson[]>('/tasks?all=true')
    asRoot('tdf daemon uninstall --system')
    execFileSync('npm', ['uninstall', '--global', '--prefix', path.join(machine.root, 'usr/local'), 'tdf'], {
      stdio: 'ignore',
    })
    expect(asRoot(`find / -xdev -name '*tdf*' -not -path '/var/lib/tdf*' -not -path '/proc/*' | sort`)).toBe(
      '/etc/tdf\n/var/lib/systemd/timers/stamp-tdf-reap.timer\n',
    )
    expect(asRoot('find /run -name "*tdf*"; systemctl list-unit-files --no-legend "tdf*" || true')).toBe('')
    expect(asRoot('pgrep -u tdf,tdf-agent || true')).toBe('')
    packages.current.installInto(machine.root)
    asRoot('tdf daemon install --system')
    expect(await call<TaskJson[]>('/tasks?all=true')).toEqual(tasks)
  }, 180_000)
})
