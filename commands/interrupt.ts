/** Ctrl-C while waiting: it ends the waiting, never the task. */
import process from 'node:process'

export interface Interrupt {
  signal: AbortSignal
  done(): void
}

export function catchInterrupt(): Interrupt {
  const controller = new AbortController()
  const onSignal = () => controller.abort(new Error('interrupted'))
  process.once('SIGINT', onSignal)
  return {
    signal: controller.signal,
    done() {
      process.off('SIGINT', onSignal)
      controller.abort()
    },
  }
}
