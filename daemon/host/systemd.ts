/**
 * Notifications for systemd, through `systemd-notify`: ready, stopping, a line of counts, and a keep-alive that is sent
 * only while the main loop, the scheduler and the database are well (sd_notify(3)).
 */
import type { Log } from '../../src/platform/log.ts'
import { run } from '../../src/platform/run.ts'
import type { Cancel, Clock } from '../../src/platform/world.ts'
import { countNodes } from '../../src/store/tables/nodes.ts'
import { countLive } from '../../src/store/tables/tasks.ts'
import type { Health } from '../reporting/health.ts'
import type { Engine } from '../services.ts'

/** What systemd is told of. */
export interface Supervised {
  health: Pick<Health, 'look'>
  /** One line for `systemctl status`. */
  status(): string
}

export interface SupervisionParts {
  clock: Clock
  log: Log
  env: NodeJS.ProcessEnv
  /** Asked each time: a daemon that stood by becomes another one when it serves. */
  supervised(): Supervised
}

export interface Supervision {
  /** Whether systemd supervises this process. */
  isThere: boolean
  ready(): Promise<void>
  stopping(): Promise<void>
  stop(): void
}

const LOOK_MS = 5_000
const NOTIFY_TIMEOUT_MS = 10_000

export function superviseBySystemd(parts: SupervisionParts): Supervision {
  const { clock, log, env, supervised } = parts
  const socket = env.NOTIFY_SOCKET
  if (!socket) return { isThere: false, ready: async () => {}, stopping: async () => {}, stop: () => {} }
  const watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1_000
  const pingMs = watchdogMs > 0 ? watchdogMs / 3 : Number.POSITIVE_INFINITY
  let cancel: Cancel = () => {}
  let stopped = false
  let sent = ''
  let pingedAt = clock.mono()

  async function notify(...words: string[]): Promise<void> {
    const { exitCode, stderr } = await run('systemd-notify', words, {
      cwd: '/',
      env: { PATH: env.PATH ?? '/usr/bin:/bin', NOTIFY_SOCKET: socket ?? '' },
      timeoutMs: NOTIFY_TIMEOUT_MS,
    })
    if (exitCode !== 0) log.warn({ exitCode, stderr: stderr.slice(0, 200) }, 'systemd could not be told')
  }

  async function look(): Promise<void> {
    const words = [...(await ping()), ...line()]
    if (words.length > 0) await notify(...words)
  }

  /** The keep-alive, when one is due and the daemon is healthy. */
  async function ping(): Promise<string[]> {
    if (clock.mono() - pingedAt < pingMs) return []
    const failed = (await supervised().health.look()).filter(({ ok, vital }) => vital && !ok)
    for (const { name, detail } of failed) log.error({ check: name, detail }, 'not well: no sign of life is given')
    if (failed.length > 0) return []
    pingedAt = clock.mono()
    return ['WATCHDOG=1']
  }

  function line(): string[] {
    const text = supervised().status()
    if (text === sent) return []
    sent = text
    return [`--status=${text}`]
  }

  function next(): void {
    if (stopped) return
    cancel = clock.timer(Math.min(LOOK_MS, pingMs), () => {
      look()
        .catch(error => log.warn({ err: String(error) }, 'systemd could not be told'))
        .finally(next)
    })
  }

  return {
    isThere: true,
    async ready() {
      await notify('--ready', ...line())
      next()
    },
    stopping: () => notify('STOPPING=1', '--status=stopping'),
    stop() {
      stopped = true
      cancel()
    },
  }
}

/** The counts of a daemon in one line, for `systemctl status`. */
export function statusLine({ store, admission }: Pick<Engine, 'store' | 'admission'>): string {
  const tasks = countLive(store.sql)
  const nodes = Object.values(countNodes(store.sql)).reduce((sum, count) => sum + count, 0)
  const running = tasks.in_progress ?? 0
  const waiting = Object.values(tasks).reduce((sum, count) => sum + count, 0) - running
  const obstacle = admission.obstacle()
  const held = obstacle === null ? '' : ` (${obstacle})`
  return `${running} running, ${waiting} waiting, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}${held}`
}
