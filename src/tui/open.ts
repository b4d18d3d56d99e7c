/** `tdf watch`: puts the parts of the dashboard together, and takes them apart on every way out. Loaded on demand. */
import { setMaxListeners } from 'node:events'
import process from 'node:process'
import { type Instance, render } from 'ink'
import { createElement } from 'react'
import type { Client } from '../clients/control.ts'
import type { KeyMap } from '../core/dashboard-keys.ts'
import { realWorld } from '../platform/world.ts'
import type { EventJson } from '../protocol/control.ts'
import { Dashboard } from './dashboard.tsx'
import { followJournal, keepFresh, keepSpent, readHistory, readSnapshot } from './data/feed.ts'
import { followFocus } from './data/follow.ts'
import { keepGroups } from './data/groups.ts'
import { type Parts, remoteOf } from './data/remote.ts'
import { keepSaid } from './data/said.ts'
import { keepSchedules } from './data/schedules.ts'
import { fullText, streamLog } from './data/text.ts'
import { complaint, perform, type Verbs } from './input/perform.ts'
import { press } from './input/press.ts'
import { firstModel } from './state/model.ts'
import type { Pane } from './state/prompt.ts'
import { createStore } from './store.ts'
import { type Attention, callFor, titleOf } from './terminal/attention.ts'
import { type Background, type Brightness, openBackground } from './terminal/background.ts'
import { paletteOf, type Theme } from './terminal/palette.ts'
import { listen } from './terminal/process-events.ts'
import { openTerminal, type Streams, type Terminal } from './terminal/terminal.ts'

const TICK_MS = 1_000
const LISTENERS_MAX = 64

export interface DashboardOptions extends Streams {
  client: Client
  isReadOnly: boolean
  keys: KeyMap
  theme: Theme
  hasColour: boolean
  /** The variable COLORFGBG, for terminals that do not answer. */
  colorFgBg: string | undefined
  hasMouse: boolean
  attention: Attention
  /** Shown first in the last line. */
  complaint: string | null
  /** Shows a text until its reader leaves it. */
  pager(pieces: AsyncIterable<string>): Promise<void>
  verbs: Verbs
}

/** Runs until its user leaves. Answers the exit code; throws what went wrong, with the terminal as it was. */
export async function openDashboard(options: DashboardOptions): Promise<number> {
  const { client, stdin, stdout, hasMouse } = options
  const { clock, random } = realWorld()
  const leaving = new AbortController()
  // Each part that waits listens for it. Node would write its warning of a leak across the screen.
  setMaxListeners(LISTENERS_MAX, leaving.signal)
  const terminal = openTerminal({ stdin, stdout, hasMouse })
  const store = createStore(firstModel(clock.now(), terminal.size(), options.isReadOnly, options.keys), clock)
  const heard = (events: readonly EventJson[]) => void stdout.write(callFor(events, options.attention))
  const parts: Parts = { store, remote: remoteOf(client), clock, signal: leaving.signal, heard }
  const seq = await readSnapshot(parts)

  let leave: (exitCode: number) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const left = new Promise<number>((resolve, reject) => {
    leave = resolve
    fail = reject
  })
  const background = openBackground({ stdin, stdout, clock })
  const screen = createScreen(parts, terminal, { ...options, background, onKey, fail })
  const actions = {
    random,
    quit: () => leave(0),
    // Stops like any job of a shell. SIGTSTP, since the kernel drops it where no shell is there to continue it.
    suspend: () => void screen.lend(async () => void process.kill(process.pid, 'SIGTSTP')),
    stream: (id: string) => void screen.lend(() => streamLog({ ...parts, stdin, stdout }, id)),
    page: (id: string, pane: Pane) => void screen.lend(() => showInPager(parts, options, id, pane)),
    lend: (use: () => Promise<void>) => screen.lend(() => alone(parts, options, use)),
    verbs: options.verbs,
    write: (text: string) => void stdout.write(text),
  }

  function onKey(key: string): void {
    for (const command of press(store.get(), key)) {
      if ('act' in command) store.dispatch(command.act)
      else perform(parts, actions, command.effect)
    }
    store.flush()
  }

  const undo = listen({ stdout, clock, redraw: screen.redraw, leave, fail })
  const entitle = () => terminal.title(titleOf(store.get()))
  try {
    entitle()
    store.subscribe(entitle)
    screen.show()
    tick(parts)
    if (options.complaint !== null) store.dispatch({ kind: 'notice', isBad: true, text: options.complaint })
    followFocus(parts)
    for (const start of [keepFresh, keepSpent, keepSaid, keepSchedules, keepGroups]) start(parts).catch(fail)
    for (const start of [followJournal, readHistory]) start(parts, seq).catch(fail)
    const exitCode = await left
    await background.settled()
    return exitCode
  } finally {
    leaving.abort()
    undo()
    screen.hide()
    terminal.leave()
    stdin.pause()
  }
}

interface Screen {
  show(): void
  hide(): void
  /** After another size, or when nothing on the terminal can be trusted. */
  redraw(): void
  /** Gives the terminal to something else until `use` is done. */
  lend(use: () => Promise<void>): Promise<void>
}

interface ScreenOptions extends Pick<DashboardOptions, 'theme' | 'hasColour' | 'colorFgBg'> {
  background: Background
  onKey(key: string): void
  fail(error: unknown): void
}

/** What Ink draws, on the alternate screen of the terminal. */
function createScreen({ store, signal }: Parts, terminal: Terminal, options: ScreenOptions): Screen {
  const { background, onKey, fail, theme, hasColour } = options
  let app: Instance | null = null
  let palette = paletteOf(theme, hasColour, options.colorFgBg)
  let hasAsked = theme !== 'auto' || !hasColour
  const dashboard = () => createElement(Dashboard, { store, changed: terminal.changed, palette, onKey })

  function show(): void {
    terminal.enter()
    app = render(dashboard(), {
      stdin: background.keyboard,
      stdout: terminal.canvas,
      // Every frame is written at once; the painter knows where it belongs.
      debug: true,
      patchConsole: false,
      exitOnCtrlC: false,
    })
    app.waitUntilExit().catch(fail)
    if (!hasAsked) background.ask(repaint)
    hasAsked = true
  }

  function repaint(brightness: Brightness): void {
    const next = paletteOf(brightness, hasColour, undefined)
    if (next === palette) return
    palette = next
    terminal.enter()
    app?.rerender(dashboard())
  }

  function hide(): void {
    app?.unmount()
    app = null
  }

  function complain(error: unknown): void {
    if (!signal.aborted) store.dispatch(complaint(error))
  }

  return {
    show,
    hide,
    redraw() {
      if (!app) return
      terminal.enter()
      store.dispatch({ kind: 'size', size: { ...terminal.size() } })
      store.flush()
    },
    async lend(use) {
      hide()
      terminal.leave()
      await use().catch(complain)
      if (signal.aborted) return
      store.dispatch({ kind: 'size', size: terminal.size() })
      show()
    },
  }
}

/** The keys belong to another program. A stream that Ink has just left can only be stopped in the next turn. */
async function alone({ clock }: Parts, { stdin }: DashboardOptions, use: () => Promise<void>): Promise<void> {
  await new Promise<void>(resolve => clock.turn(resolve))
  stdin.pause()
  await use()
}

function showInPager(parts: Parts, options: DashboardOptions, id: string, pane: Pane): Promise<void> {
  return alone(parts, options, () => options.pager(fullText(parts, id, pane)))
}

function tick(parts: Parts): void {
  const { store, clock, signal } = parts
  if (signal.aborted) return
  store.dispatch({ kind: 'tick', now: clock.now() })
  clock.timer(TICK_MS, () => tick(parts))
}
