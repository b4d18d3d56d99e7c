/** Does what a key asked for, and shows how it went in the last line. */
import { asTdfError } from '../../core/errors.ts'
import type { Random } from '../../platform/world.ts'
import type { Parts } from '../data/remote.ts'
import type { Effect, Pane } from '../state/model.ts'

export interface Actions {
  quit(): void
  suspend(): void
  /** Leaves the screen for a plain log until `s` is pressed. */
  stream(id: string): void
  /** Leaves the screen for a pager. */
  page(id: string, pane: Pane): void
  /** Sends bytes to the terminal that are no part of the picture. */
  write(text: string): void
  random: Random
}

type Change = Extract<Effect, { kind: 'cancel' | 'retry' | 'send' | 'drain' }>

export function perform(parts: Parts, actions: Actions, effect: Effect): void {
  switch (effect.kind) {
    case 'quit':
      return actions.quit()
    case 'suspend':
      return actions.suspend()
    case 'stream':
      return actions.stream(effect.id)
    case 'page':
      return actions.page(effect.id, effect.pane)
    case 'copy':
      // OSC 52, which most terminals and tmux pass on to the clipboard.
      actions.write(`\x1b]52;c;${Buffer.from(effect.text).toString('base64')}\x07`)
      return parts.store.dispatch({ kind: 'notice', text: `copied ${effect.text}` })
    default:
      void change(parts, actions, effect)
  }
}

async function change({ store, remote, signal }: Parts, { random }: Actions, effect: Change): Promise<void> {
  const failed: string[] = []
  const requests = requestsOf(effect, random)
  for (const { path, json } of requests) {
    const request = { method: 'POST', path, signal, ...(json === undefined ? {} : { json }) } as const
    await remote.call(request).catch((thrown: unknown) => failed.push(asTdfError(thrown).message))
  }
  if (signal.aborted) return
  const [reason] = failed
  const ok = requests.length - failed.length
  if (reason === undefined) store.dispatch({ kind: 'notice', text: DONE[effect.kind](effect) })
  else
    store.dispatch({
      kind: 'notice',
      isBad: true,
      text: requests.length > 1 ? `${ok} of ${requests.length}: ${reason}` : reason,
    })
  if (effect.kind === 'cancel' || effect.kind === 'retry') store.dispatch({ kind: 'unmark' })
}

const many = ({ ids = [] }: { ids?: readonly string[] }) => (ids.length === 1 ? ids[0] : `${ids.length} tasks`)
const DONE: { [Kind in Change['kind']]: (effect: Change) => string } = {
  cancel: effect => `cancel: ${'ids' in effect ? many(effect) : ''} being cancelled`,
  retry: effect => `retry: next attempt of ${'ids' in effect ? many(effect) : ''} opened`,
  send: effect => `sent to ${'id' in effect ? effect.id : ''}`,
  drain: effect => ('isUndo' in effect && effect.isUndo ? 'it takes tasks again' : 'it takes no new tasks'),
}

function requestsOf(effect: Change, random: Random): { path: string; json?: unknown }[] {
  switch (effect.kind) {
    case 'cancel':
    case 'retry':
      return effect.ids.map(id => ({ path: `/tasks/${id}/${effect.kind}` }))
    case 'send': {
      const json = { text: effect.text, close: false, deliveryId: random.bytes(12).toString('hex') }
      return [{ path: `/tasks/${effect.id}/send`, json }]
    }
    case 'drain':
      return [{ path: `/nodes/${encodeURIComponent(effect.node)}/drain${effect.isUndo ? '?undo=true' : ''}` }]
  }
}
