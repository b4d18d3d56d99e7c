/** `[runner]`: how long a task may take at each step, and how often it is tried. In the order of a task's journey. */
import { z } from 'zod'
import { choice, count, deadline, duration, text } from './kinds.ts'

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
      'How long a task waits for its work to be saved; then its node is held and tries on.',
    ),
    check_timeout: deadline('30m', 'A --check command that takes longer has failed.'),
  })
  .prefault({})
  .meta({ description: 'How long a task may take at each step, and how often it is tried.' })
