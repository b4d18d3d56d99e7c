/** Prompts that come while a session runs: offered until the agent takes them, each given once. */
import type { Json } from '../../../transcript/event.ts'
import type { Adapter, Protocol } from '../adapters/adapter.ts'
import { listDeliveries, uuidOf } from '../facts.ts'
import type { SessionRequest } from '../folder.ts'

export interface Prompts {
  /** What to write for the oldest that waits; null when there is none or the agent takes none now. */
  next(isIdle: boolean): Json[] | null
  /** The agent has it. False when it is none of these, or was confirmed before. */
  confirm(prompt: string): boolean
  /** The agent would not take it now: it is offered again. */
  reject(prompt: string): void
  /** Some were written and are not confirmed yet. */
  areUnderWay(): boolean
  /** The ids of the deliveries that reached the agent. */
  accepted(): string[]
}

export function openPrompts(
  folder: string,
  request: SessionRequest,
  protocol: Protocol,
  { confirmsPrompts }: Pick<Adapter, 'confirmsPrompts'>,
): Prompts {
  /** Prompt id → delivery id, of what was written and not yet confirmed. */
  const underWay = new Map<string, string>()
  const accepted: string[] = []
  const confirm = (prompt: string) => {
    const deliveryId = underWay.get(prompt)
    if (deliveryId === undefined) return false
    underWay.delete(prompt)
    accepted.push(deliveryId)
    return true
  }
  return {
    next: isIdle => {
      for (const { deliveryId, text } of listDeliveries(folder)) {
        const id = uuidOf(request, deliveryId)
        if (underWay.has(id) || accepted.includes(deliveryId)) continue
        const messages = protocol.prompt({ id, text }, isIdle && underWay.size === 0)
        if (messages === null) return null
        underWay.set(id, deliveryId)
        // The protocol has no other sign that it arrived.
        if (!confirmsPrompts) confirm(id)
        return messages
      }
      return null
    },
    confirm,
    reject: prompt => void underWay.delete(prompt),
    areUnderWay: () => underWay.size > 0,
    accepted: () => [...accepted],
  }
}
