/** What a key may do to the world, as a value: `perform.ts` does it. */
import type { Pane } from './model.ts'

export type Effect =
  | { kind: 'quit' }
  | { kind: 'suspend' }
  | { kind: 'cancel' | 'retry'; ids: readonly string[] }
  | { kind: 'send'; id: string; text: string }
  | { kind: 'drain'; node: string; isUndo: boolean }
  | { kind: 'copy'; text: string }
  | { kind: 'stream'; id: string }
  | { kind: 'page'; id: string; pane: Pane }
