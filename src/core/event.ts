/** What the journal is given; it adds the number and the time. A thing that happened to a task or a node. `type` is part of the public surface (`task.step`, `node.status`, …). */
export interface NewEvent {
  type: string
  taskId?: string | null
  attempt?: number | null
  nodeName?: string | null
  step?: string | null
  data: Record<string, unknown>
}
