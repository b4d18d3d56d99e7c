/** Everything that changes the model: what the daemon reports, and what the user does. */
import type { EventJson, NodeJson } from '../../protocol/control.ts'
import type { GroupJson, ScreenRowJson, SnapshotJson } from '../../protocol/screen.ts'
import type { ScheduleJson } from '../../protocol/upkeep.ts'
import type { Detail, Model, Row, Spent, View } from './model.ts'
import type { NewTask, Pane, Prompt } from './prompt.ts'

export type FeedAction =
  | { kind: 'snapshot'; snapshot: SnapshotJson }
  /** What happened before the snapshot. */
  | { kind: 'history'; events: readonly EventJson[] }
  | { kind: 'events'; events: readonly EventJson[] }
  | { kind: 'rows'; asked: ReadonlyMap<string, Row | undefined>; rows: readonly ScreenRowJson[] }
  | { kind: 'nodes'; nodes: readonly NodeJson[] }
  | ({ kind: 'spent' } & Spent)
  | { kind: 'groups'; groups: readonly GroupJson[] }
  | { kind: 'schedules'; schedules: readonly ScheduleJson[] }
  | { kind: 'said'; lines: ReadonlyMap<string, string> }
  | { kind: 'link'; isOpen: boolean }
  | { kind: 'tick'; now: number }
  | { kind: 'focus'; id: string | null }
  | { kind: 'detail'; id: string; facts: Partial<Omit<Detail, 'id' | 'log' | 'check'>> }
  /** `isAnew`: of another session than before. */
  | { kind: 'log'; id: string; of: 'log' | 'check'; text: string; isAnew: boolean }

export type ViewAction =
  | { kind: 'size'; size: Model['size'] }
  | { kind: 'move'; by: number }
  /** To another task, also while one is open. */
  | { kind: 'step'; by: -1 | 1 }
  | { kind: 'page'; by: -1 | 1; half?: boolean }
  | { kind: 'end'; which: 'first' | 'last' }
  | { kind: 'view'; view: View }
  /** A task, a node or a schedule, by its id or name; null for the list. */
  | { kind: 'open'; id: string | null }
  | { kind: 'cursor'; id: string }
  | { kind: 'help'; top: number | null }
  | { kind: 'mark' }
  | { kind: 'unmark' }
  | { kind: 'group' }
  /** A group, by its name: its tasks are shown, or no more. */
  | { kind: 'fold'; name: string }
  | { kind: 'sort' }
  | { kind: 'reverse' }
  | { kind: 'filter'; text: string }
  | { kind: 'prompt'; prompt: Prompt | null }
  | { kind: 'draft'; task: NewTask }
  | { kind: 'pane'; pane: Pane }
  | { kind: 'follow' }
  | { kind: 'wrap' }
  | { kind: 'times' }
  | { kind: 'search'; text: string }
  | { kind: 'hit'; by: -1 | 1 }
  | { kind: 'notice'; text: string; isBad?: boolean }

export type Action = FeedAction | ViewAction
