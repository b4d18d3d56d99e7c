/** What happens to the dashboard's process: signals, another size, an uncaught failure. */
import process from 'node:process'
import type { Cancel, Clock } from '../../platform/world.ts'

/** Sizes come in bursts while a window is dragged. */
const RESIZE_MS = 50
const ENDING = { SIGTERM: 143, SIGHUP: 129 } as const

export interface ProcessEvents {
  stdout: NodeJS.WriteStream
  clock: Clock
  /** Another size, or awake after a stop: nothing on the screen can be trusted. */
  redraw(): void
  leave(exitCode: number): void
  fail(error: unknown): void
}

/** Answers how to stop listening. */
export function listen({ stdout, clock, redraw, leave, fail }: ProcessEvents): Cancel {
  let cancel: Cancel = () => {}
  const resized = () => {
    cancel()
    cancel = clock.timer(RESIZE_MS, redraw)
  }
  const undo = Object.entries(ENDING).map(([signal, code]) => on(signal, () => leave(code)))
  undo.push(on('SIGCONT', redraw), on('uncaughtException', fail), on('unhandledRejection', fail))
  stdout.on('resize', resized)
  return () => {
    cancel()
    stdout.off('resize', resized)
    for (const stop of undo) stop()
  }
}

function on(name: string, act: (value: unknown) => void): Cancel {
  process.on(name, act)
  return () => void process.off(name, act)
}
