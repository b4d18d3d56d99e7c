/** The dashboard on a fake terminal: the real store, the real frames, the real Ink, a clock that is moved by hand. */
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { render } from 'ink'
import { createElement } from 'react'
import type { EventJson, NodeJson } from '../../../src/protocol/control.ts'
import type { ScreenTaskJson } from '../../../src/protocol/screen.ts'
import type { ScheduleJson } from '../../../src/protocol/upkeep.ts'
import { Dashboard } from '../../../src/tui/dashboard.tsx'
import { press } from '../../../src/tui/input/press.ts'
import { firstModel } from '../../../src/tui/state/model.ts'
import { createStore, type Store } from '../../../src/tui/store.ts'
import { paletteOf } from '../../../src/tui/terminal/palette.ts'
import { openTerminal } from '../../../src/tui/terminal/terminal.ts'
import { createScreen, type Screen } from './screen.ts'

/** Noon on some day. */
export const NOON = Date.UTC(2026, 0, 5, 12)

export function ago(ms: number): string {
  return new Date(NOON - ms).toISOString()
}

export function fakeStdout(screen: Screen, size: { columns: number; rows: number }): NodeJS.WriteStream {
  const stdout = Object.assign(new EventEmitter(), size, {
    isTTY: true,
    writable: true,
    write(bytes: string, done?: unknown) {
      screen.write(bytes)
      if (typeof done === 'function') done()
      return true
    },
  })
  // What the dashboard uses of a terminal.
  return stdout as unknown as NodeJS.WriteStream
}

export function fakeStdin(): NodeJS.ReadStream {
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => stdin,
    ref: () => stdin,
    unref: () => stdin,
  })
  // What the dashboard uses of a keyboard.
  return stdin as unknown as NodeJS.ReadStream
}

export interface Shown {
  store: Store
  screen: Screen
  /** Keys by the names of `bindings.ts`. */
  keys(...names: string[]): void
  /** Bytes of the keyboard, read as one input. */
  type(bytes: string): void
  /** Moves the clock, and everything that waits for it. */
  pass(ms: number): void
  lines(): Promise<string[]>
  /** As a person does, by the window's edge. */
  resize(size: { columns: number; rows: number }): Promise<string[]>
  close(): void
}

export function show(size: { columns: number; rows: number }, isReadOnly = false): Shown {
  const screen = createScreen(size.columns, size.rows)
  const stdout = fakeStdout(screen, size)
  const stdin = fakeStdin()
  const clock = handClock()
  const store = createStore(firstModel(NOON, size, isReadOnly), clock)
  const palette = paletteOf('dark', true, undefined)
  const terminal = openTerminal({ stdin, stdout, hasMouse: true })
  terminal.enter()
  const onKey = (key: string) => {
    for (const deed of press(store.get(), key)) if ('act' in deed) store.dispatch(deed.act)
    store.flush()
  }
  const app = render(createElement(Dashboard, { store, changed: terminal.changed, palette, onKey }), {
    stdin,
    stdout: terminal.canvas,
    debug: true,
    patchConsole: false,
    exitOnCtrlC: false,
  })
  return {
    store,
    screen,
    pass: clock.pass,
    keys: (...names) => names.forEach(onKey),
    type: bytes => void stdin.push(bytes),
    async lines() {
      store.flush()
      // React draws at the end of the turn.
      await new Promise(resolve => setImmediate(resolve))
      return screen.lines()
    },
    resize(next) {
      Object.assign(stdout, next)
      screen.resize(next.columns, next.rows)
      terminal.enter()
      store.dispatch({ kind: 'size', size: next })
      return this.lines()
    },
    close() {
      app.unmount()
      terminal.leave()
    },
  }
}

function handClock() {
  let now = NOON
  let timers: { at: number; run(): void }[] = []
  return {
    now: () => now,
    mono: () => now,
    turn: (run: () => void) => run(),
    timer(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter(other => other !== timer)
      }
    },
    pass(ms: number) {
      const end = now + ms
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (!next) break
        timers = timers.filter(timer => timer !== next)
        now = next.at
        next.run()
      }
      now = end
    },
  }
}

export function aRow(change: Partial<ScreenTaskJson> = {}): ScreenTaskJson {
  return {
    schema: 'tdf.task.v1',
    id: 'k7f3q2x9ab',
    attempt: 1,
    title: 'fix the flaky login test',
    agent: 'claude',
    repo: { url: '/home/you/site', ref: 'main', baseCommit: '2f1c9a0b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a' },
    outputBranch: 'tdf/k7f3q2x9ab-fix-the-flaky-login-test',
    labels: {},
    priority: 0,
    status: 'queued',
    step: 'node_selection',
    stepEnteredAt: ago(60_000),
    stepAttempt: 1,
    wakeAt: null,
    after: [],
    from: [],
    group: null,
    score: null,
    pick: null,
    waitingFor: null,
    parkedUntil: null,
    node: null,
    workspace: null,
    session: null,
    agentsUsed: [],
    fallback: null,
    verdict: null,
    result: null,
    attempts: [],
    continued: null,
    usage: null,
    saved: [],
    leftOut: [],
    artifacts: [],
    fit: null,
    landing: null,
    totalUsage: null,
    maxCostUsd: null,
    maySpawn: null,
    parent: null,
    machineCost: null,
    error: null,
    cleanup: null,
    push: null,
    pr: null,
    schedule: null,
    scheduled: null,
    source: null,
    createdAt: ago(120_000),
    startedAt: null,
    completedAt: null,
    updatedAt: ago(60_000),
    ...change,
  }
}

export function aNode(change: Partial<NodeJson> = {}): NodeJson {
  return {
    name: 'local',
    provider: 'local',
    status: 'ready',
    size: null,
    location: null,
    address: null,
    workspaces: 1,
    maxWorkspaces: 3,
    warmUntil: null,
    createdAt: ago(3_600_000),
    pricePerHour: null,
    waitingFor: null,
    load: null,
    ...change,
  }
}

export function anEvent(change: Partial<EventJson> = {}): EventJson {
  return {
    seq: 1,
    at: ago(0),
    type: 'task.step',
    taskId: null,
    nodeName: null,
    step: null,
    attempt: 1,
    data: {},
    ...change,
  }
}

export function aSchedule(change: Partial<ScheduleJson> = {}): ScheduleJson {
  return {
    name: 'nightly',
    cron: '30 2 * * 1-5',
    tz: 'Europe/Berlin',
    next: ago(-50_000_000),
    last: { id: 'm4c2j8z6pq', status: 'completed', verdict: 'verified', at: ago(34_000_000) },
    state: 'active',
    why: null,
    streak: 5,
    catchUp: 'once',
    overlap: 'skip',
    jitterMs: 0,
    keepGoing: false,
    untilGreen: false,
    repo: 'https://git.example.org/shop.git',
    prompt: 'Update the dependencies whose new versions break nothing, one commit each.',
    runs: [],
    ...change,
  }
}
