/**
 * A real Debian machine in a container: systemd, sshd and cloud-init over a file system of its own, in a network
 * namespace of its own. It can be frozen, cut off, lose its power and be booted again.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { type Ran, until } from '../../../support/daemon/home.ts'
import { type Cable, layCable } from './network.ts'

export interface Machine {
  name: string
  address: string
  /** Its file system, as seen from outside. */
  root: string
  /** What was written to it, beyond what it was made from. */
  written: string
  boot(): void
  /** As when the plug is pulled: nothing ends in order. */
  powerOff(): Promise<void>
  /** Every process of it stands still; its network stack still acknowledges. */
  freeze(): void
  thaw(): void
  cutOff(): void
  restore(): void
  /** Runs a shell command in it as root, from outside, and answers what it printed. */
  run(command: string): string
  /** The same while this process goes on; throws only while the machine is off. Without an exit code when that ended it. */
  begin(command: string): Promise<Ran>
  /** A path of its running system, /run and /tmp too, as it can be opened from outside. */
  live(path: string): string
  remove(): Promise<void>
}

export interface MachineOptions {
  /** The read-only file systems that set-up.sh printed, the topmost first, with colons between them. */
  base: string
  /** A folder for everything of the suite; not on an overlay. */
  folder: string
  name: string
  /** The last part of its address. */
  number: number
  userData: string
  publicKeys: readonly string[]
  /** What it flushes to its disk is not flushed to that of this machine: losing its power loses nothing of that. */
  isVolatile?: boolean
}

export function makeMachine(options: MachineOptions): Machine {
  const { base, folder, name, number, userData, publicKeys, isVolatile = false } = options
  const place = path.join(folder, name)
  const root = path.join(place, 'root')
  for (const part of ['upper', 'work', 'root']) mkdirSync(path.join(place, part), { recursive: true })
  const layers = `lowerdir=${base},upperdir=${place}/upper,workdir=${place}/work${isVolatile ? ',volatile' : ''}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, root])
  const seed = path.join(root, 'var/lib/cloud/seed/nocloud')
  mkdirSync(seed, { recursive: true })
  const keys = publicKeys.map(key => `  - ${key}\n`).join('')
  writeFileSync(path.join(seed, 'meta-data'), `instance-id: ${name}\nlocal-hostname: ${name}\npublic-keys:\n${keys}`)
  writeFileSync(path.join(seed, 'user-data'), userData)
  const source = 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\n'
  writeFileSync(path.join(root, 'etc/cloud/cloud.cfg.d/90-test.cfg'), source)
  // Nobody answers to names there: it is told so at once, and waits for nobody.
  rmSync(path.join(root, 'etc/resolv.conf'), { force: true })
  writeFileSync(path.join(root, 'etc/resolv.conf'), 'nameserver 127.0.0.1\n')
  // Its network is laid from outside; the machine would wait for DHCP.
  for (const unit of ['systemd-networkd.service', 'systemd-networkd.socket']) {
    const mask = path.join(root, 'etc/systemd/system', unit)
    rmSync(mask, { force: true })
    symlinkSync('/dev/null', mask)
  }
  const cable: Cable = layCable(number)
  let running: ChildProcess | undefined

  function boot(): void {
    const log = openSync(path.join(place, 'boot.log'), 'a')
    const network = `--network-namespace-path=/run/netns/${cable.namespace}`
    const rights = '--capability=CAP_NET_ADMIN'
    const args = ['-q', '-D', root, '--register=no', '--keep-unit', '--resolv-conf=off', network, rights, '-b']
    // Detached: a signal to the test's group must not reach it.
    running = spawn('systemd-nspawn', args, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
  }

  async function powerOff(): Promise<void> {
    const child = running
    if (!child?.pid) return
    running = undefined
    // Its first process takes all others with it.
    for (const pid of childrenOf(child.pid)) signal(pid, 'SIGKILL')
    signal(child.pid, 'SIGKILL')
    await until(`${name} is off`, () => child.exitCode !== null || child.signalCode !== null)
  }

  const first = () => {
    const pid = running?.pid ? childrenOf(running.pid)[0] : undefined
    if (pid === undefined) throw new Error(`${name} does not run`)
    return pid
  }
  const signalAll = (what: NodeJS.Signals) => {
    const space = readlinkSync(`/proc/${first()}/ns/pid`)
    for (const pid of allProcesses()) if (pidSpaceOf(pid) === space) signal(pid, what)
  }

  const inside = (command: string) => [
    ...['-t', String(first()), '-m', '-u', '-i', '-n', '-p', '--'],
    ...['sh', '-c', command],
  ]
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

  boot()
  return {
    ...{ name, address: cable.address, root, written: path.join(place, 'upper'), boot, powerOff },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    cutOff: cable.cut,
    restore: cable.mend,
    run: command => execFileSync('nsenter', inside(command), { env, stdio: ['ignore', 'pipe', 'pipe'] }).toString(),
    begin: async command => ranBy('nsenter', inside(command), env),
    live: file => `/proc/${first()}/root${file}`,
    async remove() {
      await powerOff()
      cable.remove()
      execFileSync('umount', ['-l', root])
      rmSync(place, { recursive: true, force: true })
    },
  }
}

function ranBy(file: string, words: readonly string[], env: Record<string, string>): Promise<Ran> {
  return new Promise(resolve => {
    const child = spawn(file, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (err += chunk))
    child.once('close', code => resolve({ code, out, err }))
  })
}

const allProcesses = () =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function pidSpaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null
  }
}

function signal(pid: number, what: NodeJS.Signals): void {
  try {
    process.kill(pid, what)
  } catch {
    // It is gone.
  }
}
