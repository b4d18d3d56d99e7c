/** Does what a key asked for, and shows how it went in the last line. */
import { asTdfError } from '../../core/errors.ts'
import type { Random } from '../../platform/world.ts'
import type { Parts } from '../data/remote.ts'
import { readSchedules } from '../data/schedules.ts'
import type { Effect, NewTask, Pane, Taking } from '../state/prompt.ts'

/** What the commands of these names do. Each answers a line for people, or throws. */
export interface Verbs {
  pull(id: string): Promise<string>
  apply(id: string): Promise<string>
  push(id: string): Promise<string>
  goOn(id: string, text: string): Promise<string>
  /** These have the terminal to themselves. */
  shell(id: string): Promise<void>
  submit(task: NewTask): Promise<string>
  /** The text after its reader left the editor. */
  edit(text: string): Promise<string>
}

export interface Actions {
  quit(): void
  suspend(): void
  /** Leaves the screen for a plain log until `s` is pressed. */
  stream(id: string): void
  /** Leaves the screen for a pager. */
  page(id: string, pane: Pane): void
  /** Leaves the screen until `use` is done; what goes wrong there is shown. */
  lend(use: () => Promise<void>): Promise<void>
  /** Sends bytes to the terminal that are no part of the picture. */
  write(text: string): void
  verbs: Verbs
  random: Random
}

type Change = Extract<Effect, { kind: 'cancel' | 'retry' | 'forget' | 'send' | 'drain' }>
type Take = Extract<Effect, { kind: Taking | 'continue' }>

export function perform(parts: Parts, actions: Actions, effect: Effect): void {
  const { dispatch } = parts.store
  const { verbs } = actions
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
      return dispatch({ kind: 'notice', text: `copied ${effect.text}` })
    case 'shell':
      return void actions.lend(() => verbs.shell(effect.id))
    case 'submit':
      return void actions.lend(async () => {
        const text = await verbs.submit(effect.task)
        dispatch({ kind: 'draft', task: { ...effect.task, prompt: '' } })
        dispatch({ kind: 'notice', text })
      })
    case 'compose':
      return void compose(parts, actions, effect.task)
    case 'schedule':
      return void changeSchedule(parts, effect)
    case 'pull':
    case 'apply':
    case 'push':
    case 'continue':
      return void take(parts, actions, effect)
    default:
      void change(parts, actions, effect)
  }
}

/** What was wrong, and the command that mends it. */
export function complaint(thrown: unknown): { kind: 'notice'; isBad: true; text: string } {
  const { message, hint } = asTdfError(thrown)
  return { kind: 'notice', isBad: true, text: hint ? `${message}; ${hint}` : message }
}

async function compose({ store, signal }: Parts, { lend, verbs }: Actions, task: NewTask): Promise<void> {
  let { prompt } = task
  await lend(async () => {
    prompt = await verbs.edit(task.prompt)
  })
  if (!signal.aborted)
    store.dispatch({ kind: 'prompt', prompt: { kind: 'form', task: { ...task, prompt }, at: 'prompt' } })
}

async function take({ store, signal }: Parts, { verbs }: Actions, effect: Take): Promise<void> {
  const { kind, id } = effect
  store.dispatch({ kind: 'notice', text: `${kind} ${id} …` })
  const asked = effect.kind === 'continue' ? verbs.goOn(id, effect.text) : verbs[effect.kind](id)
  const answer = await asked.then(
    text => ({ kind: 'notice' as const, text }),
    (thrown: unknown) => complaint(thrown),
  )
  if (!signal.aborted) store.dispatch(answer)
}

async function changeSchedule(parts: Parts, { name, verb }: Extract<Effect, { kind: 'schedule' }>): Promise<void> {
  const { store, remote, signal } = parts
  const path = `/schedules/${encodeURIComponent(name)}/${verb}`
  const answer = await remote.call<{ id?: string }>({ method: 'POST', path, signal }).then(
    ({ id }) => ({ kind: 'notice' as const, text: SCHEDULED[verb](name, id ?? '') }),
    (thrown: unknown) => complaint(thrown),
  )
  if (signal.aborted) return
  store.dispatch(answer)
  await readSchedules(parts)
}

const SCHEDULED = {
  run: (name: string, id: string) => `submitted ${id} for ${name}`,
  pause: (name: string) => `${name} is paused`,
  resume: (name: string) => `${name} goes on`,
}

async function change({ store, remote, signal }: Parts, { random }: Actions, effect: Change): Promise<void> {
  const failed: string[] = []
  const requests = requestsOf(effect, random)
  for (const { path, json, method = 'POST' } of requests) {
    const request = { method, path, signal, ...(json === undefined ? {} : { json }) } as const
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
  if ('ids' in effect) store.dispatch({ kind: 'unmark' })
}

const many = ({ ids = [] }: { ids?: readonly string[] }) => (ids.length === 1 ? ids[0] : `${ids.length} tasks`)
const DONE: { [Kind in Change['kind']]: (effect: Change) => string } = {
  cancel: effect => `cancel: ${'ids' in effect ? many(effect) : ''} being cancelled`,
  retry: effect => `retry: next attempt of ${'ids' in effect ? many(effect) : ''} opened`,
  forget: effect => `forgot ${'ids' in effect ? many(effect) : ''}`,
  send: effect => `sent to ${'id' in effect ? effect.id : ''}`,
  drain: effect => ('isUndo' in effect && effect.isUndo ? 'it takes tasks again' : 'it takes no new tasks'),
}

function requestsOf(effect: Change, random: Random): { method?: 'DELETE'; path: string; json?: unknown }[] {
  switch (effect.kind) {
    case 'cancel':
    case 'retry':
      return effect.ids.map(id => ({ path: `/tasks/${id}/${effect.kind}` }))
    case 'forget':
      return effect.ids.map(id => ({ method: 'DELETE', path: `/tasks/${id}` }))
    case 'send': {
      const json = { text: effect.text, close: false, deliveryId: random.bytes(12).toString('hex') }
      return [{ path: `/tasks/${effect.id}/send`, json }]
    }
    case 'drain':
      return [{ path: `/nodes/${encodeURIComponent(effect.node)}/drain${effect.isUndo ? '?undo=true' : ''}` }]
  }
}
