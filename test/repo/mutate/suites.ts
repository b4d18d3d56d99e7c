/** Which suites judge which room. The first row that fits a file counts. */

export interface Row {
  room: string
  /** Folders or files of tests, the quick ones first, run by `npm run test:mutate` for the mutants that they reach. */
  suites: readonly string[]
  /** Run after all others, for the mutants that are still alive: whole lives of tasks in which a step or a node fails. */
  slow?: readonly string[]
}

const UNIT = 'test/unit'

export const ROWS: readonly Row[] = [
  {
    room: 'daemon/engine/rules',
    suites: [
      `${UNIT}/daemon/engine/rules`,
      `${UNIT}/daemon/steps`,
      `${UNIT}/daemon/engine`,
      'test/sim/simulation.test.ts',
    ],
  },
  {
    room: 'daemon/engine',
    suites: [
      `${UNIT}/daemon/engine/schedule.test.ts`,
      `${UNIT}/daemon/engine/loop.test.ts`,
      `${UNIT}/daemon/engine/signals.test.ts`,
      `${UNIT}/daemon/engine/engine.test.ts`,
      `${UNIT}/daemon/engine/hop.test.ts`,
      `${UNIT}/daemon/engine/doors.test.ts`,
      `${UNIT}/daemon/engine/at-once.test.ts`,
      `${UNIT}/daemon/engine/effects`,
      `${UNIT}/daemon/steps`,
      `${UNIT}/daemon/placement/pass.test.ts`,
      `${UNIT}/daemon/nodes/decide-node.test.ts`,
      `${UNIT}/daemon/nodes/actions.test.ts`,
      `${UNIT}/daemon/sweeps/stuck-tasks.test.ts`,
      'test/sim/simulation.test.ts',
    ],
    slow: [
      `${UNIT}/daemon/sweeps/tidy.test.ts`,
      'test/system/faults/node.test.ts',
      'test/system/faults/daemon.test.ts',
      'test/system/faults/database.test.ts',
      'test/system/faults/provider.test.ts',
      `${UNIT}/daemon/engine/step-faults.test.ts`,
      'test/system/faults/time.test.ts',
      'test/system/faults/crash.test.ts',
    ],
  },
  { room: 'daemon/placement', suites: [`${UNIT}/daemon/placement`, 'test/sim/simulation.test.ts'] },
  {
    room: 'daemon/nodes',
    // Not standing.test.ts and first-dial.test.ts: their daemons are other processes, in which there is no mutant.
    suites: [
      ...['decide-node', 'journey', 'agents', 'take-over', 'providers', 'pull', 'actions', 'reach', 'ssh'].map(
        name => `${UNIT}/daemon/nodes/${name}.test.ts`,
      ),
      `${UNIT}/daemon/nodes/ordering.test.ts`,
      `${UNIT}/daemon/engine/schedule.test.ts`,
      'test/system/faults/provider.test.ts',
      'test/system/faults/node.test.ts',
    ],
  },
  {
    room: 'daemon/sweeps',
    suites: [
      `${UNIT}/daemon/sweeps/prune.test.ts`,
      `${UNIT}/daemon/sweeps/stuck-tasks.test.ts`,
      `${UNIT}/daemon/sweeps/tidy.test.ts`,
      `${UNIT}/daemon/sweeps/run.test.ts`,
      `${UNIT}/daemon/sweeps/rows-and-machines.test.ts`,
      `${UNIT}/daemon/sweeps`,
      `${UNIT}/daemon/reporting`,
    ],
  },
  {
    room: 'daemon/results',
    suites: [
      `${UNIT}/daemon/results`,
      'test/conformance/forge.test.ts',
      'test/system/long/after/lanes.test.ts',
      'test/system/long/after/watcher.test.ts',
      'test/system/long/network/large-content.test.ts',
    ],
    slow: ['test/sim/simulation.test.ts'],
  },
  {
    // Over a real PostgreSQL: without one the run fails, as those suites do.
    room: 'src/store/ledger/postgres',
    suites: ['test/system/cluster/conformance.test.ts', 'test/system/cluster/ledger.test.ts'],
  },
  {
    room: 'src/store',
    suites: [`${UNIT}/src/store`, `${UNIT}/daemon/results/elsewhere.test.ts`, 'test/repo/upgrade.test.ts'],
    slow: [
      `${UNIT}/daemon/engine/doors.test.ts`,
      `${UNIT}/daemon/engine/effects`,
      `${UNIT}/daemon/sweeps/prune.test.ts`,
      'test/system/long/after/lanes.test.ts',
      'test/system/long/after/watcher.test.ts',
    ],
  },
  {
    room: 'src/machines/hetzner',
    suites: [`${UNIT}/src/machines/hetzner`, `${UNIT}/daemon/nodes/ordering.test.ts`, 'test/sim/hetzner.test.ts'],
  },
  {
    room: 'src/agent/sessions',
    suites: [
      ...[`${UNIT}/src/agent/sessions`, `${UNIT}/src/agent/watchdog.test.ts`, `${UNIT}/src/agent/secrets.test.ts`],
      ...[`${UNIT}/src/agent/requests.test.ts`, 'test/conformance/adapters/command-line.test.ts'],
    ],
  },
  {
    room: 'src/agent/salvage',
    suites: [
      `${UNIT}/src/agent/salvage/listing.test.ts`,
      `${UNIT}/src/agent/salvage/beside.test.ts`,
      `${UNIT}/src/agent/salvage/agent-refs.test.ts`,
      `${UNIT}/src/agent/salvage/untrusted.test.ts`,
      `${UNIT}/src/agent/salvage/perform.test.ts`,
      `${UNIT}/src/agent/salvage/head.test.ts`,
      `${UNIT}/src/agent/salvage/tree`,
      `${UNIT}/src/agent/salvage/linked.test.ts`,
      `${UNIT}/src/agent/salvage/kept.test.ts`,
    ],
    // They run sessions of a node agent: a try of them takes seconds.
    slow: [`${UNIT}/src/agent/salvage/salvage.test.ts`, `${UNIT}/src/agent/salvage/leavings.test.ts`],
  },
]

/** The room of a file; undefined when no row is about it. */
export const rowOf = (file: string): Row | undefined => ROWS.find(({ room }) => file.startsWith(`${room}/`))
