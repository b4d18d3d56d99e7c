/** `[runner]`: how long a task may take at each step, and how often it is tried. In the order of a task's journey. */

import { z } from 'zod'
import { clashesOf, KEY_FORM, KEY_NAMES, KEY_TABLE, type KeyMap } from '../../core/keys.ts'
import {
  choice,
  choices,
  count,
  deadline,
  described,
  duration,
  flag,
  form,
  list,
  percent,
  size,
  text,
} from './kinds.ts'

const PROVIDERS = ['', 'local', 'static', 'hetzner'] as const

export const runnerTable = z
  .strictObject({
    agent: text('', 'Agent of a task submitted without --agent. Empty: the first of claude and codex found on PATH.'),
    provider: choice(PROVIDERS, '', 'Where tasks without --provider run. Empty: on any node that fits.'),
    step_max_retries: count(3, [0, 1_000], 'How often a step is tried again after a passing fault.'),
    retry_base_delay: duration('5s', 'Pause before the first of these tries; it doubles from try to try.', {
      atLeast: '0s',
    }),
    retry_max_delay: duration('60s', 'The pause between tries never grows beyond this.', { atLeast: '0s' }),
    max_attempts: count(
      1,
      [1, 100],
      'From 2 on, a task whose machine was lost starts anew by itself, up to so many in all.',
    ),
    queue_timeout: deadline('168h', 'A task that found no node after this long fails.'),
    provision_poll_interval: duration('10s', 'How often the provider is asked whether an ordered machine is up.'),
    provision_timeout: deadline('15m', 'A machine that is not up this long after its order is given back.'),
    agent_poll_interval: duration('5s', 'How often the tdf-agent on a new machine is asked whether it answers.'),
    agent_ready_timeout: deadline(
      '15m',
      'A machine whose tdf-agent does not answer this long after it came up is given back.',
    ),
    dispatch_timeout: deadline('10m', 'A node must accept a workspace, and later a session, within this time.'),
    repository_setup: choice(
      ['own', 'always', 'never'],
      'own',
      'Whose .tdf.toml may say what runs before an agent: folders of yours and, on ordered machines, any; all; none.',
    ),
    workspace_ready_timeout: deadline('30m', 'Clone and --setup of a workspace must be done within this time.'),
    workspace_ready_poll_interval: duration('30s', 'How often a workspace is asked, in case its message was lost.'),
    reconcile_interval: duration('30s', 'How often running agents are looked at, in case a message was lost.'),
    idle_timeout: deadline('20m', 'An agent that wrote nothing and used no processor time for this long is ended.'),
    max_execution: deadline('4h', 'An agent that has run for this long is ended, unless it makes progress.'),
    absolute_execution: deadline('24h', 'An agent that has run for this long is ended, progress or not.'),
    followup_timeout: deadline('24h', 'How long an --interactive session waits for your next message.'),
    usage_limit_retry: duration(
      '30m',
      'When an agent does not say when its usage limit is lifted, it tries again then.',
    ),
    usage_limit_max: duration('192h', 'A task is not parked for longer than this; it ends instead.'),
    salvage_timeout: deadline(
      '10m',
      'When the work is not saved by then, its node is held for it, and a task without a verdict waits.',
    ),
    check_timeout: deadline('30m', 'A --check command that takes longer has failed.'),
  })
  .prefault({})
  .meta({ description: 'How long a task may take at each step, and how often it is tried.' })

// --- `[nodes]` and `[sweeps]`: the life of a machine, and the sweeps that find machines without an owner ---

export const nodesTable = z
  .strictObject({
    warm_timeout: duration('30m', 'An idle machine that was ordered is kept this long for the next task.', {
      atLeast: '0s',
    }),
    max_lifetime: deadline('24h', 'At this age an ordered machine gets no new task, and goes when it is empty.'),
    max_workspaces: count(3, [1, 1_000], 'Tasks that may share one node at a time.', {
      apply: 'restart',
    }),
    cpu_threshold_percent: percent(50, 'A node that is busier than this gets no further task.'),
    memory_threshold_percent: percent(50, 'A node that uses more of its memory than this gets no further task.'),
    max_nodes: count(10, [0, 10_000], 'Machines that may be ordered at a time, held ones included. 0: order none.'),
    heartbeat_interval: duration('15s', 'How often a node says that it is alive.'),
    heartbeat_stale: deadline('60s', 'A node that was silent for this long gets no new task until it speaks again.'),
    lost_after: deadline('15m', 'A node that was silent for this long is lost, and the attempts on it end.'),
    held_max: deadline('72h', 'A machine with work that could not be saved is kept this long, at its price.'),
  })
  .prefault({})
  .meta({ description: 'The life of a machine that runs tasks.' })

export const sweepsTable = z
  .strictObject({
    interval: duration('5m', 'How often everything is looked over for stuck tasks and machines without an owner.'),
    orphan_min_age: deadline('1h', 'A machine of ours without an owner is destroyed at this age.'),
  })
  .prefault({})
  .meta({ description: 'The safety net: what was missed is found here.' })

// --- `[disk]`, `[backups]` and `[retention]`: how the daemon keeps its own state safe and small ---

export const diskTable = z
  .strictObject({
    low: size('1GiB', 'With less room than this on its disk the daemon begins no task and takes no result in.', {
      atLeast: '0B',
    }),
    reserve: size('64MiB', 'Room that is kept for the state and given up when the disk is full. "0B": none.', {
      atLeast: '0B',
    }),
  })
  .prefault({})
  .meta({ description: "Room on the daemon's own disk." })

export const backupsTable = z
  .strictObject({
    interval: duration('24h', 'How often the database is backed up, into the folder backups beside it.', {
      atLeast: '1m',
    }),
    keep: count(7, [0, 1_000], 'So many of these backups are kept. 0: none is made.'),
  })
  .prefault({})
  .meta({ description: 'Backups of the database.' })

export const retentionTable = z
  .strictObject({
    journal: duration('30d', 'What happened is kept this long, for `tdf events`; tasks stay until rm or prune.', {
      atLeast: '1h',
    }),
    journal_rows: count(1_000_000, [1_000, 100_000_000], 'And at most so many rows of it.'),
    errors: duration('30d', 'Failures are kept this long, for `tdf errors`.', { atLeast: '1h' }),
    errors_rows: count(100_000, [1_000, 10_000_000], 'And at most so many of them.'),
    logs: duration('90d', "The logs of a task's session are kept this long after its end.", { atLeast: '1h' }),
  })
  .prefault({})
  .meta({ description: 'How long history is kept.' })

// --- `[notify]`: the channels, their events and their limits ---

const NOTICE_EVENTS = ['done', 'failed', 'cancelled', 'parked', 'needs-you', 'push-failed'] as const
export type NoticeEvent = (typeof NOTICE_EVENTS)[number]

/** With a query, which often holds a token; without a user or a fragment. */
const URL_FORM = /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/

export const notifyTable = z
  .strictObject({
    command: list([], 'A program and its arguments; it gets the message as JSON on stdin. Empty: none.'),
    webhook: form(URL_FORM, '', 'An address that gets the message as JSON by POST. Empty: none.', {
      expects: 'a URL such as "https://example.org/hook"',
      secret: true,
    }),
    ntfy: form(URL_FORM, '', 'A topic of ntfy that gets the message as text. Empty: none.', {
      expects: 'a URL such as "https://ntfy.sh/my-topic"',
      secret: true,
    }),
    events: choices(NOTICE_EVENTS, ['done', 'failed', 'parked', 'needs-you', 'push-failed'], 'What you are told of.'),
    include_text: flag(
      false,
      'Send title, prompt, labels, summary and error text too. They may pass servers that are not yours.',
    ),
  })
  .prefault({})
  .meta({ description: 'How you are told when a task needs you or has ended.' })

// --- `[push]`: what becomes of the branch of a completed task ---

const HOST = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:\d{1,5})?$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export const pushTable = z
  .strictObject({
    default: choice(
      ['never', 'branch', 'pr'],
      'never',
      'What follows a completed task without --push, --pr or --no-push.',
    ),
    tokens: described(
      z.record(z.string().regex(HOST), z.string().regex(VARIABLE)).prefault({}),
      'For https: the host, and the name of the secret that holds its token. No values. Others: as your git is set up.',
      {
        expects: 'a table of hosts and names of secrets, such as { "github.com" = "GITHUB_TOKEN" }',
        example: '{ "github.com" = "GITHUB_TOKEN" }',
      },
    ),
    pr_command: list([], 'Opens the pull request, with facts as TDF_… and the text on stdin. Empty: gh.', {
      example: '["open-merge-request"]',
    }),
    retry_for: duration('24h', 'A push that fails is tried again for so long.', { atLeast: '0s' }),
  })
  .prefault({})
  .meta({ description: 'Pushing the branch of a completed task.' })

// --- `[tui]`: the dashboard, as `tdf watch` opens it ---

const apply = 'watch'
const KEYS_MAX = 8

function keys(initial: readonly string[], description: string) {
  const schema = z
    .array(z.string().regex(KEY_FORM))
    .max(KEYS_MAX)
    .prefault([...initial])
  const expects = `a list of at most ${KEYS_MAX} keys such as ["j", "down", "ctrl-d", "space", "enter", "esc"]`
  return described(schema, description, { apply, expects })
}

const sentence = (text: string) => `${text[0]?.toUpperCase()}${text.slice(1)}.`
const rows = KEY_NAMES.map(name => [name, keys(KEY_TABLE[name].keys, sentence(KEY_TABLE[name].help))] as const)

const keysTable = z
  // A key for every row of the table, which `fromEntries` forgets.
  .strictObject(Object.fromEntries(rows) as Record<keyof KeyMap, ReturnType<typeof keys>>)
  .superRefine((map, complaints) => {
    for (const { name, key, other } of clashesOf(map)) {
      const says = `${JSON.stringify(key)} is ${other} there already`
      complaints.addIssue({ code: 'custom', path: [name], params: { says } })
    }
  })
  .prefault({})
  .meta({ description: 'The keys of the dashboard. Ctrl-C always leaves it; an empty list takes a key away.' })

export const tuiTable = z
  .strictObject({
    read_only: flag(false, 'Open it without the keys that change something, as --read-only does.', { apply }),
    keys: keysTable,
  })
  .prefault({})
  .meta({ description: 'The dashboard of `tdf watch`, which reads this file when it opens.' })
