/** `tdf watch`: puts the parts together, and takes them apart on every way out. Loaded only when it is wanted. */
import process from 'node:process'
import { type Instance, render } from 'ink'
import { createElement } from 'react'
import type { Client } from '../client.ts'
import { realWorld } from '../world.ts'
import { Dashboard } from './dashboard.tsx'
import { followJournal, keepFresh, readHistory, readSnapshot } from './feed.ts'
import { followFocus } from './follow.ts'
import { firstModel } from './model.ts'
import { listen } from './outside.ts'
import type { Parts } from './parts.ts'
import { perform } from './perform.ts'
import { press } from './press.ts'
import { remoteOf } from './remote.ts'
import { createStore } from './store.ts'
import { streamLog } from './stream-log.ts'
import { openTerminal, type Streams } from './terminal.ts'

const TICK_MS = 1_000

export interface DashboardOptions extends Streams {
  client: Client
  isReadOnly: boolean
}

/** Until somebody leaves. Answers the exit code; throws what went wrong, with the terminal as it was. */
export async function openDashboard({ client, isReadOnly, stdin, stdout }: DashboardOptions): Promise<number> {
  const { clock, random } = realWorld()
  const leaving = new AbortController()
  const terminal = openTerminal({ stdin, stdout })
  const store = createStore(firstModel(clock.now(), terminal.size(), isReadOnly), clock)
  const parts: Parts = { store, remote: remoteOf(client), clock, signal: leaving.signal }
  const seq = await readSnapshot(parts)

  let app: Instance | null = null
  let leave: (exitCode: number) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const left = new Promise<number>((resolve, reject) => {
    leave = resolve
    fail = reject
  })

  function show(): void {
    terminal.enter()
    app = render(createElement(Dashboard, { store, changed: terminal.changed, onKey }), {
      stdin,
      stdout: terminal.canvas,
      // Whatever is drawn is handed over at once; the painter knows where it belongs.
      debug: true,
      patchConsole: false,
      exitOnCtrlC: false,
    })
    app.waitUntilExit().catch(fail)
  }

  function hide(): void {
    app?.unmount()
    app = null
  }

  function redraw(): void {
    if (!app) return
    terminal.enter()
    store.dispatch({ kind: 'size', size: { ...terminal.size() } })
    store.flush()
  }

  /** Gives the terminal to something else for a while. */
  async function aside(act: () => Promise<void>): Promise<void> {
    hide()
    terminal.leave()
    await act().catch(() => {})
    if (leaving.signal.aborted) return
    store.dispatch({ kind: 'size', size: terminal.size() })
    show()
  }

  /** Stops like any job of a shell. SIGTSTP, since the kernel drops it where no shell is there to wake us. */
  const suspend = () => aside(async () => void process.kill(process.pid, 'SIGTSTP'))
  const outside = {
    random,
    quit: () => leave(0),
    suspend: () => void suspend(),
    stream: (id: string) => void aside(() => streamLog({ ...parts, stdin, stdout }, id)),
    write: (text: string) => void stdout.write(text),
  }

  function onKey(key: string): void {
    for (const deed of press(store.get(), key)) {
      if ('act' in deed) store.dispatch(deed.act)
      else perform(parts, outside, deed.effect)
    }
    store.flush()
  }

  function tick(): void {
    if (leaving.signal.aborted) return
    store.dispatch({ kind: 'tick', now: clock.now() })
    clock.timer(TICK_MS, tick)
  }

  const undo = listen({ stdout, clock, redraw, leave, fail })
  try {
    show()
    tick()
    followFocus(parts)
    for (const running of [followJournal(parts, seq), keepFresh(parts), readHistory(parts, seq)]) running.catch(fail)
    return await left
  } finally {
    leaving.abort()
    undo()
    hide()
    terminal.leave()
    stdin.pause()
  }
}
