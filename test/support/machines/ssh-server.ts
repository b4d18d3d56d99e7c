/** A real sshd(8) on loopback, with host key, configuration and authorized keys of its own; whoever runs the tests logs in. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterFile } from '../after-file.ts'

const SSHD = '/usr/sbin/sshd'

export interface SshServer {
  /** `ssh://user@host`, to be followed by an absolute path. */
  url: string
  /** What its user's `ssh` is given: the words of an ssh command that knows this host and logs in with `key`. */
  command(login?: Partial<Login>): string
  /** A new key pair without a passphrase, or with this one; only what `allow` is told of may log in. */
  makeKey(name: string, passphrase?: string): string
  allow(...keys: string[]): void
  /** Another host key, as after a machine was replaced. */
  changeHostKey(): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
  /** How many commands were begun by whoever logged in. */
  sessions(): number
}

interface Login {
  /** The file of the private key; null: those of an agent, of which nothing else is asked. */
  key: string | null
  /** Whether the host is known beforehand. */
  known: boolean
  /** Who will run the command. */
  uid: number | undefined
}

/** Fails where there is no sshd: a private repository by ssh is nothing that may be left untested. */
export async function sshServer(): Promise<SshServer> {
  if (!existsSync(SSHD)) throw new Error('there is no sshd: apt-get install openssh-server')
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-sshd-'))
  execFileSync('chmod', ['755', dir])
  const at = (name: string) => path.join(dir, name)
  const port = await freePort()
  let daemon: ChildProcess | undefined
  afterFile(() => {
    daemon?.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })

  const makeKey = (name: string, passphrase = '') => {
    rmSync(at(name), { force: true })
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', name, '-f', at(name)])
    return at(name)
  }
  makeKey('host')
  writeFileSync(at('allowed'), '')
  writeFileSync(at('log'), '')
  const settings = {
    ...{ Port: port, ListenAddress: '127.0.0.1', HostKey: at('host'), AuthorizedKeysFile: at('allowed') },
    ...{ PidFile: 'none', UsePAM: 'no', StrictModes: 'no', PermitRootLogin: 'yes', LogLevel: 'VERBOSE' },
    ...{ PasswordAuthentication: 'no', KbdInteractiveAuthentication: 'no', MaxStartups: '100', PrintMotd: 'no' },
  }
  writeFileSync(
    at('config'),
    Object.entries(settings)
      .map(words => `${words.join(' ')}\n`)
      .join(''),
  )

  async function start(): Promise<void> {
    // Where it is root, sshd wants the folder into which it locks itself.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    daemon = spawn(SSHD, ['-D', '-f', at('config'), '-E', at('log')], { stdio: 'ignore' })
    for (let left = 600; left > 0 && daemon.exitCode === null; left--) {
      if (spawnSync('ssh-keyscan', ['-p', String(port), '127.0.0.1'], { encoding: 'utf8' }).stdout !== '') return
      await pause(50)
    }
    throw new Error(`sshd does not answer: ${readFileSync(at('log'), 'utf8')}`)
  }
  async function stop(): Promise<void> {
    const ending = daemon
    daemon = undefined
    if (!ending) return
    await new Promise(resolve => ending.once('exit', resolve).kill('SIGTERM'))
  }
  await start()

  let commands = 0
  return {
    url: `ssh://${userInfo().username}@code.invalid`,
    command({ key = null, known = true, uid } = {}) {
      const folder = at(`client-${++commands}`)
      mkdirSync(folder, { mode: 0o700 })
      const file = (name: string, text: string) => {
        writeFileSync(path.join(folder, name), text, { mode: 0o600 })
        return path.join(folder, name)
      }
      const host = readFileSync(at('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
      const hosts = file('known_hosts', known ? `code.invalid ${host}\n` : '')
      const login = key === null ? [] : [`IdentityFile ${file('key', readFileSync(key, 'utf8'))}`, 'IdentitiesOnly yes']
      const way = [`HostName 127.0.0.1`, `Port ${port}`, 'HostKeyAlias code.invalid', `UserKnownHostsFile ${hosts}`]
      const rest = ['GlobalKnownHostsFile /dev/null', ...(key === null ? ['IdentityFile none'] : [])]
      const config = file('config', ['Host code.invalid', ...way, ...login, ...rest].join('\n  ').concat('\n'))
      if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${uid}`, folder])
      return `ssh -F ${config}`
    },
    makeKey,
    allow: (...keys) => writeFileSync(at('allowed'), keys.map(key => readFileSync(`${key}.pub`, 'utf8')).join('')),
    async changeHostKey() {
      await stop()
      makeKey('host')
      await start()
    },
    stop,
    start,
    sessions: () => readFileSync(at('log'), 'utf8').split('Starting session: command').length - 1,
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
