/** What the journal holds: every type of event, and what an event consists of. Its text is in src/text/events.ts. */

/** Part of the public surface: a type is added, never renamed. */
export const EVENT_TYPES = [
  'task.status',
  'task.step',
  'task.retry',
  'task.agent',
  'task.released',
  'task.blocked',
  'task.held',
  'task.saved',
  'task.taken',
  'task.push',
  'task.landing',
  'task.race',
  'task.pr',
  'task.answered',
  'task.issue',
  'task.removed',
  'task.work_discarded',
  'node.status',
  'node.removed',
  'node.recovered',
  'budget.warned',
  'budget.used',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

/** A thing that happened to a task or a node, as the journal is given it; the journal adds the number and the time. */
export interface NewEvent {
  type: EventType
  taskId?: string | null
  attempt?: number | null
  nodeName?: string | null
  step?: string | null
  data: Record<string, unknown>
}
