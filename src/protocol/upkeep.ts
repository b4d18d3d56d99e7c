/** What the control API says about the daemon itself: its settings, backups, secrets, health, trackers. No parser, as `control.ts`. */

/** Values as the configuration shows them; null where the key is not set. */
interface ChangedKeyJson {
  key: string
  from: string | null
  to: string | null
}

/** What a reload took over; a reload that is refused changes nothing. */
export interface ReloadJson {
  file: string
  changed: ChangedKeyJson[]
  /** What the running daemon goes on with as it was. */
  needsRestart: ChangedKeyJson[]
  warnings: string[]
}

/** A copy of the database in the backup folder. */
export interface BackupJson {
  name: string
  file: string
  bytes: number
  at: string
}

/** One of the daemons that share an installation. */
export interface ClusterMemberJson {
  name: string
  /** `gone` gave no sign of life for ten seconds. */
  role: 'serving' | 'standby' | 'gone'
  epoch: number
  version: string
  /** Where the others hand on what they are asked. */
  url: string
  seenAt: string
}

/** What of the daemon's configuration the command line acts on when it takes a repository. */
export interface PolicyJson {
  repositorySetup: 'own' | 'always' | 'never'
  submodules: 'leave' | 'checkout'
  /** Agents of which budgets do not know what they cost; none where no budget is set. A daemon before 0.6 does not say. */
  unpriced?: string[]
}

export const COST_KINDS = ['day', 'label', 'agent', 'model', 'node', 'schedule'] as const
export type CostKind = (typeof COST_KINDS)[number]

/** What was spent on one of what `GET /v1/costs?since=MS&by=KIND` asks for. A task may count in several rows, money in one. */
export interface CostJson {
  /** Null for what has none of it, and for the sum of everything. */
  key: string | null
  tasks: number
  inputTokens: number
  outputTokens: number
  /** What the agents cost; null while it is not known of any. */
  costUsd: number | null
  /** What machines cost, by [budgets] usd_per_eur. */
  machineUsd: number
  /** Tasks whose agents say what they used, and not what it cost: they are not in `costUsd`. */
  unpriced: number
}

/** `unpriced` are the names of agents of which what they cost is not known. */
export interface CostsJson {
  rows: CostJson[]
  unpriced: string[]
}

/** A value that is kept under a name; it is never shown. */
export interface SecretJson {
  name: string
  setAt: string
  /** Agents and hosts that are given it. */
  usedBy: string[]
}

/** An account that agents use, as far as tdf can tell accounts apart: by type, program and names of secrets. */
export interface CredentialJson {
  credential: string
  /** Of the configuration, and of tasks that still go on. */
  agents: string[]
  type: string
  /** Names; without one it is the program's own login. */
  secrets: string[]
  state: 'free' | 'limited'
  limitedUntil: string | null
  /** That go on now: with a session or on the way to one, resting at a limit, and in the queue. */
  tasks: { running: number; parked: number; queued: number }
}

/** One thing that `tdf doctor` looked at. `hint` is a command that mends it, or shows more. */
export interface FindingJson {
  check: string
  state: 'ok' | 'warn' | 'fail'
  message: string
  hint: string | null
}

/** What became of an instant of a schedule. */
export interface ScheduleRunJson {
  planned: string
  /** The task that was made for it; null where there is none. */
  task: string | null
  status: string | null
  verdict: string | null
  /** Why there is none. */
  note: string | null
  /** How much later it came than planned; 0 where that is not worth a word. */
  lateMs: number
}

export interface ScheduleJson {
  name: string
  cron: string
  tz: string
  /** Its next instant; null while it is paused. */
  next: string | null
  /** The task that it made last. */
  last: { id: string; status: string; verdict: string | null; at: string } | null
  state: 'active' | 'paused'
  /** Why it is paused. */
  why: string | null
  /** Ends in a row: above 0 good ones, below 0 bad ones. */
  streak: number
  catchUp: 'once' | 'skip'
  overlap: 'skip' | 'queue'
  jitterMs: number
  keepGoing: boolean
  untilGreen: boolean
  repo: string
  prompt: string
  /** The newest first. */
  runs: ScheduleRunJson[]
}

/** A tracker whose issues become tasks, of `[[sources]]`. *failing*: it could not be looked at, and is asked ever more seldom. */
export interface SourceJson {
  name: string
  kind: string
  project: string
  label: string
  template: string
  state: 'polling' | 'paused' | 'failing'
  /** When a look last went well. */
  lookedAt: string | null
  nextAt: string | null
  error: string | null
  /** So many of its tasks are not over, of at most so many. */
  live: number
  atMost: number
  /** Issues by state. */
  counts: Record<string, number>
}

export interface IssueJson {
  id: string
  title: string
  url: string | null
  /** *ignored*: `why` says who set the label; *gone*: it was closed or has lost its label. */
  state: 'waiting' | 'taken' | 'ignored' | 'gone'
  why: string | null
  labelledBy: string | null
  taskId: string | null
  attempt: number | null
  since: string
}

export interface SourceDetailsJson extends SourceJson {
  issues: IssueJson[]
}
