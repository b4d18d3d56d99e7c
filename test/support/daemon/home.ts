/** A home of tdf on this machine with real processes: the built program, real git, a temporary folder. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Client, controlClient } from '../../../src/clients/control.ts'
import { isAlive, type ProcessIdentity } from '../../../src/platform/process.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { afterFile } from '../after-file.ts'

/** The checkout: this file is also bundled, to another depth, into the programs of test/perf. */
export const root = checkoutAbove(import.meta.dirname)

function checkoutAbove(folder: string): string {
  return existsSync(path.join(folder, 'bin', 'tdf')) ? folder : checkoutAbove(path.dirname(folder))
}

export interface Home {
  dir: string
  env: Record<string, string>
  /** Who runs what this home starts; undefined: who runs the test. */
  uid: number | undefined
  client: Client
  /** Starts a daemon; resolves when it answers, or when it ended before it did. */
  start(env?: Record<string, string>): Promise<ChildProcess>
  kill(daemon: ChildProcess): Promise<void>
  task(id: string): Promise<TaskJson>
  /** The local agent as the daemon remembers it. */
  agent(): ProcessIdentity | null
  /** Ends what this home started and removes it. */
  remove(): Promise<void>
}

export interface HomeOptions {
  uid?: number
  /** Words before those that start the daemon, such as a shell that opens a file for it. */
  through?: readonly string[]
}

export function makeHome(config = '', { uid, through = [] }: HomeOptions = {}): Home {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-'))
  writeFileSync(path.join(dir, 'config.toml'), config, { mode: 0o600 })
  if (uid !== undefined) for (const place of [dir, path.join(dir, 'config.toml')]) chownSync(place, uid, uid)
  const env = { PATH: process.env.PATH ?? '', HOME: dir, TDF_HOME: dir, TDF_CALLBACKS__LISTEN: '127.0.0.1:0' }
  const client = controlClient({ socket: path.join(dir, 'run', 'tdf.sock') })
  const daemons = new Set<ChildProcess>()

  async function start(more: Record<string, string> = {}): Promise<ChildProcess> {
    const words = [...through, process.execPath, path.join(root, 'dist/tdf.js'), 'daemon', 'run']
    const daemon = spawn(words[0] ?? '', words.slice(1), {
      env: { ...env, ...more },
      ...asUser(uid),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    daemons.add(daemon)
    daemon.stdout?.resume()
    daemon.stderr?.resume()
    await until('the daemon answers', async () => hasEnded(daemon) || (await answers()))
    return daemon
  }

  const answers = () =>
    client.call({ path: '/status' }).then(
      () => true,
      () => false,
    )

  function agent(): ProcessIdentity | null {
    const file = path.join(dir, 'state', 'agent-process.json')
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
  }

  return {
    ...{ dir, env, uid, client, start, agent },
    kill: daemon => end(daemon, 'SIGKILL'),
    task: id => client.call({ path: `/tasks/${id}` }),
    async remove() {
      for (const daemon of daemons) await end(daemon, 'SIGTERM')
      const left = agent()
      if (left && isAlive(left)) process.kill(left.pid, 'SIGKILL')
      killSessions(dir)
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}

/** A run outlives everything else, which is the point of it; the runs of this home, and all that they started, end with it. */
export function killSessions(dir: string): void {
  const isOurs = (pid: string) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${dir}/`) ||
    `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`.includes(`\0HOME=${dir}\0`)
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      if (isOurs(pid)) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}

export const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  await until('the process ends', () => hasEnded(child))
}

/** Looks until it holds; a test that waits in vain says for what. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const limit = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > limit) throw new Error(`not within ${withinMs} ms: ${what}`)
    await pause(20)
  }
}

const asUser = (uid: number | undefined) => (uid === undefined ? {} : { uid, gid: uid })

/** A repository with one commit. */
export function makeRepository(uid?: number): { dir: string; remove(): void } {
  const dir = mkdtempSync(path.join(tmpdir(), 'tdf-repo-'))
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], { cwd: dir })
  git('init', '--quiet', '--initial-branch=main')
  writeFileSync(path.join(dir, 'README.md'), '# a project\n')
  git('add', '--all')
  git('commit', '--quiet', '--message', 'first')
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${uid}`, dir])
  const remove = () => rmSync(dir, { recursive: true, force: true })
  afterFile(remove)
  return { dir, remove }
}

/** The same, to work in: answers git in its folder, trimmed, and a way to commit files on what is checked out. */
export function workingRepository() {
  const { dir } = makeRepository()
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], {
      cwd: dir,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  const commit = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text)
    git('add', '-A')
    git('commit', '-qm', `change ${Object.keys(files)}`)
    return git('rev-parse', 'HEAD')
  }
  return { dir, git, commit }
}

export interface Ran {
  code: number | null
  out: string
  err: string
}

export interface RunOptions {
  cwd?: string
  input?: string
  env?: Record<string, string>
}

/** Runs `tdf` with this home; never throws. */
export function tdf(home: Pick<Home, 'env'> & Partial<Pick<Home, 'uid'>>, ...args: string[]): Promise<Ran> {
  return tdfWith(home, {}, ...args)
}

export function tdfWith(
  home: Pick<Home, 'env'> & Partial<Pick<Home, 'uid'>>,
  { cwd, input, env }: RunOptions,
  ...args: string[]
): Promise<Ran> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [path.join(root, 'dist/tdf.js'), ...args], {
      env: { ...home.env, ...env },
      ...asUser(home.uid),
      ...(cwd === undefined ? {} : { cwd }),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout?.on('data', chunk => (out += chunk))
    child.stderr?.on('data', chunk => (err += chunk))
    child.stdin?.end(input)
    child.on('close', code => resolve({ code, out, err }))
  })
}
