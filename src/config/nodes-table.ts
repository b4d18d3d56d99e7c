/** `[nodes]` and `[sweeps]`: the life of a machine, and who looks for those that nobody owns. */
import { z } from 'zod'
import { count, deadline, duration, percent } from './kinds.ts'

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
