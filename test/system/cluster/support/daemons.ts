/** Real daemons that share an installation: a home each, as on hosts of their own, and what starts again a daemon that ended. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { Request } from '../../../../src/clients/control.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, hasEnded, until } from '../../../support/daemon/home.ts'
import { memberHome, removeHomes, statusOf } from './homes.ts'

const ANSWER_MS_MAX = 60_000

/** What a submit of this command on an uploaded repository sends; `first` is a task of the same repository. */
export async function taskOf({ ask }: Pick<Daemons, 'ask'>, first: Pick<TaskJson, 'repo'>): Promise<object> {
  const { repo } = first
  const uploaded = await ask<object>({ path: `/bundles?commit=${repo.baseCommit}&ref=refs/heads/main` })
  return {
    ...{ prompt: '', title: 'a task', agent: null, model: null, author: null, setup: null, check: null },
    ...{ node: null, provider: null, size: null, location: null, timeoutMs: null, outputBranch: null },
    ...{ maxCostUsd: null, permissions: null, repo: { kind: 'bundle', ...repo, ...uploaded, ref: 'refs/heads/main' } },
  }
}

export interface Daemon {
  name: string
  home: Home
  process: ChildProcess
  /** Resolves once it answers. */
  start(env?: Record<string, string>): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
}

export interface Daemons {
  all: Daemon[]
  /** Waits until one serves. */
  serving(): Promise<Daemon>
  /** Asks one after the other until one answers with a success; a key of the request makes it one, however often it was sent. */
  ask<T>(request: Request): Promise<T>
  /** From now on each that ends is started again, as its unit does. What it answers ends that, and says how each ended, as `one 76`. */
  supervise(): () => Promise<string[]>
  remove(): Promise<void>
}

export interface DaemonsOptions {
  names?: readonly string[]
  /** By name where they have ways of their own to the database. */
  url: string | Readonly<Record<string, string>>
  /** More of config.toml and of the environment, the same for each. */
  config?: string
  env?: Record<string, string>
}

/** Starts them, the first serves. */
export async function startDaemons({ names = ['one', 'two'], url, config, env }: DaemonsOptions): Promise<Daemons> {
  const all: Daemon[] = []
  async function add(name: string): Promise<void> {
    const home = memberHome(typeof url === 'string' ? url : (url[name] ?? ''), name, all[0]?.home, config)
    const daemon: Daemon = {
      name,
      home,
      process: await home.start(env),
      async start(more = {}) {
        daemon.process = await home.start({ ...env, ...more })
      },
      kill: () => home.kill(daemon.process),
    }
    all.push(daemon)
    if (all.length === 1) await serving()
  }
  for (const name of names) await add(name)

  async function serving(): Promise<Daemon> {
    let found: Daemon | undefined
    await until('a daemon serves', async () => {
      for (const daemon of all) if (!hasEnded(daemon.process) && (await serves(daemon.home))) found = daemon
      return found !== undefined
    })
    return found as Daemon
  }

  async function ask<T>(request: Request): Promise<T> {
    const limit = performance.now() + ANSWER_MS_MAX
    for (let turn = 0; ; turn++) {
      try {
        return await (all[turn % all.length] as Daemon).home.client.call<T>(request)
      } catch (error) {
        if (performance.now() > limit) throw error
        await pause(20)
      }
    }
  }

  function supervise(): () => Promise<string[]> {
    const ends: string[] = []
    let isOver = false
    const watching = (async () => {
      while (!isOver) {
        for (const daemon of all.filter(({ process }) => hasEnded(process))) {
          ends.push(`${daemon.name} ${daemon.process.exitCode ?? daemon.process.signalCode}`)
          await daemon.start()
        }
        await pause(20)
      }
    })()
    return async () => {
      isOver = true
      await watching
      return ends
    }
  }

  return {
    all,
    serving,
    ask,
    supervise,
    remove: removeHomes,
  }
}

/** One that does not answer does not serve. */
const serves = (home: Home) =>
  statusOf(home).then(
    ({ role }) => role === 'serving',
    () => false,
  )
