/** The settings of the daemon, a table of the configuration file each: how tasks run, how machines live, what is kept. */
import { z } from 'zod'
import { PROVIDERS } from '../../core/node.ts'
import { choice, count, deadline, duration, form, HTTP_URL, parseListen, percent, size, text } from './kinds.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|::1)$/

export const daemonTable = z
  .strictObject({
    metrics_listen: form(
      { test: text => LOOPBACK.test(parseListen(text)?.host ?? '') },
      '',
      'Also serve /metrics and /health here, on loopback. Empty: on the socket alone.',
      { apply: 'restart', expects: 'a loopback address such as "127.0.0.1:9433"' },
    ),
    log_level: choice(LOG_LEVELS, 'info', 'What the daemon writes to its log: this level and all that are worse.'),
  })
  .prefault({})
  .meta({ description: 'The daemon itself.' })

export const callbacksTable = z
  .strictObject({
    listen: form(
      { test: text => parseListen(text) !== undefined },
      '127.0.0.1:7433',
      'Where nodes report to. Port 0: a free port, chosen once and kept. No host: loopback only.',
      { apply: 'restart', expects: 'an address such as "127.0.0.1:7433" or ":0"' },
    ),
    url: form(HTTP_URL, '', 'What nodes are told instead of that address, when a proxy or a tunnel is in between.', {
      apply: 'restart',
      expects: 'a URL such as "https://tdf.example.org"',
    }),
  })
  .prefault({})
  .meta({ description: 'The only port that is open to nodes.' })

export const runnerTable = z
  .strictObject({
    agent: text('', 'Agent of a task submitted without --agent. Empty: the first of claude and codex found on PATH.'),
    provider: choice(
      ['', ...PROVIDERS] as const,
      '',
      'Where tasks without --provider run. Empty: on any node that fits.',
    ),
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
      'Whose .tdf.toml may say what runs before an agent (and after it, for a folder): folders of yours and, on ordered machines, any; all; none.',
    ),
    workspace_ready_timeout: deadline(
      '30m',
      'The fetch of a URL, and then clone and --setup of a workspace, must be done within this time.',
    ),
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
    artifacts: duration('90d', "A task's artifacts are kept this long after its end.", { atLeast: '1h' }),
    logs: duration('90d', "The logs of a task's session are kept this long after its end.", { atLeast: '1h' }),
  })
  .prefault({})
  .meta({ description: 'How long history is kept.' })

export const resultsTable = z
  .strictObject({
    salvage_max_bytes: size(
      '256MiB',
      'For all uncommitted files of a run together: the smallest are saved, and every other is named.',
      {
        apply: 'restart',
      },
    ),
    trailer: form(
      /^([A-Za-z][A-Za-z0-9-]*: \P{Cc}{1,300})?$/u,
      'Assisted-by: {agent} (task {task} of tdf)',
      'Stands at the end of commit messages; their author is yours. {agent} and {task} are filled in. Empty: none.',
      { expects: 'a trailer of git such as "Assisted-by: {agent}", or an empty string' },
    ),
    checkpoint_interval: duration(
      '5m',
      'What an agent has done so far is saved this often, so that a lost machine loses little. "0s": only at its end.',
      { atLeast: '0s' },
    ),
    artifact_max_bytes: size(
      '256MiB',
      'For all artifacts of a run together: the smallest are kept, every other is named.',
    ),
    log_max_bytes: size('64MiB', "The log of an agent's session is kept up to this size.", { apply: 'restart' }),
  })
  .prefault({})
  .meta({ description: 'What comes home from a node.' })
