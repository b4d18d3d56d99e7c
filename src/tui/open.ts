/** `tdf watch`: puts the parts together, and takes them apart on every way out. Loaded only when it is wanted. */
import process from 'node:process'
import { type Instance, render } from 'ink'
import { createElement } from 'react'
import type { Client } from '../clients/control.ts'
import { asTdfError } from '../core/errors.ts'
import type { KeyMap } from '../core/keys.ts'
import { realWorld } from '../platform/world.ts'
import { Dashboard } from './dashboard.tsx'
import { followJournal, keepFresh, readHistory, readSnapshot } from './data/feed.ts'
import { followFocus } from './data/follow.ts'
import { type Parts, remoteOf } from './data/remote.ts'
import { fullText, streamLog } from './data/text.ts'
import { perform } from './input/perform.ts'
import { press } from './input/press.ts'
import { firstModel, type Pane } from './state/model.ts'
import { createStore } from './store.ts'
import { listen } from './terminal/process-events.ts'
import { openTerminal, type Streams } from './terminal/terminal.ts'

const TICK_MS = 1_000

export interface DashboardOptions extends Streams {
  client: Client
  isReadOnly: boolean
  keys: KeyMap
  /** Said in the last line, first of all. */
  complaint: string | null
  /** Shows a text until somebody has read it. */
  pager(pieces: AsyncIterable<string>): Promise<void>
}

/** Until somebody leaves. Answers the exit code; throws what went wrong, with the terminal as it was. */
export async function openDashboard(options: DashboardOptions): Promise<number> {
  const { client, stdin, stdout } = options
  const { clock, random } = realWorld()
  const leaving = new AbortController()
  const terminal = openTerminal({ stdin, stdout })
  const store = createStore(firstModel(clock.now(), terminal.size(), options.isReadOnly, options.keys), clock)
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

  function complain(error: unknown): void {
    if (!leaving.signal.aborted) store.dispatch({ kind: 'notice', isBad: true, text: asTdfError(error).message })
  }

  async function page(id: string, pane: Pane): Promise<void> {
    // What is typed now is for the pager. A stream that Ink has just left can only be stopped in the next turn.
    await new Promise<void>(resolve => clock.turn(resolve))
    stdin.pause()
    await options.pager(fullText(parts, id, pane))
  }

  /** Gives the terminal to something else for a while. */
  async function aside(act: () => Promise<void>): Promise<void> {
    hide()
    terminal.leave()
    await act().catch(complain)
    if (leaving.signal.aborted) return
    store.dispatch({ kind: 'size', size: terminal.size() })
    show()
  }

  /** Stops like any job of a shell. SIGTSTP, since the kernel drops it where no shell is there to wake us. */
  const suspend = () => aside(async () => void process.kill(process.pid, 'SIGTSTP'))
  const actions = {
    random,
    quit: () => leave(0),
    suspend: () => void suspend(),
    stream: (id: string) => void aside(() => streamLog({ ...parts, stdin, stdout }, id)),
    page: (id: string, pane: Pane) => void aside(() => page(id, pane)),
    write: (text: string) => void stdout.write(text),
  }

  function onKey(key: string): void {
    for (const command of press(store.get(), key)) {
      if ('act' in command) store.dispatch(command.act)
      else perform(parts, actions, command.effect)
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
    if (options.complaint !== null) store.dispatch({ kind: 'notice', isBad: true, text: options.complaint })
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
