/** What the dashboard is told: everything once, later the rows on the screen. No parser, as in `control.ts`. */
import type { Status } from '../core/task.ts'
import type { AttemptJson } from './attempts.ts'
import type { NodeJson, TaskJson } from './control.ts'

export type ScreenTaskJson = Omit<TaskJson, 'prompt' | 'attempts'> & { attempts: Omit<AttemptJson, 'prompt'>[] }

/** `GET /v1/snapshot`: what is live, what ended last, and nodes as they are at event `seq`. */
export interface SnapshotJson {
  seq: number
  tasks: ScreenTaskJson[]
  /** Tasks that are not among them, by status: all of them ended. */
  others: Partial<Record<Status, number>>
  nodes: NodeJson[]
}

/** `GET /v1/screen?task=ID…`: tasks as they are now; `why` is null once a task is over. */
export interface ScreenRowJson {
  task: ScreenTaskJson
  why: string | null
}

/** `GET /v1/spent?since=MS`: what agents and machines cost since then, in USD. */
export interface SpentJson {
  since: string
  costUsd: number
  machineUsd: number
  /** The one that is nearest to its limit; null where none is set. */
  budget: BudgetJson | null
  /** So many tasks rest until a budget has something left. */
  resting: number
}

/** A budget of agents and machines in USD, or of machines alone in EUR. */
export interface BudgetJson {
  window: 'day' | 'week' | 'month'
  /** `key=value`; null: of all tasks. */
  label: string | null
  isOfMachines: boolean
  spent: number
  /** With what its users have added to it. */
  limit: number
  /** *near*: from `[budgets] warn_at` on. */
  state: 'ok' | 'near' | 'used'
}

/** `GET /v1/groups?name=NAME…`: the groups with these names, as far as no task shows them. */
export interface GroupJson {
  name: string
  kind: 'each' | 'race' | 'set'
  /** So many of its tasks go on at once; null: all of them. */
  atMost: number | null
  /** The id of the member that won a race. */
  winner: string | null
  /** How many of its tasks are over, by status. */
  ended: Partial<Record<Status, number>>
  /** What the agents of all its tasks cost, in USD; null where none of them says. */
  costUsd: number | null
}
