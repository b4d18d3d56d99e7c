import path from 'node:path'
import { defineConfig } from 'vitest/config'

const root = path.dirname(import.meta.dirname)

/** The rules that decide what becomes of tasks and nodes, and the steps: each line and each branch has a test. */
const WHOLE = { lines: 100, branches: 100 }

/** What needs minutes or a special machine has a command of its own; `npm test` runs everything else. */
const APART = [
  'test/system/cluster/**',
  'test/system/crash/**',
  'test/system/long/**',
  'test/system/faults/daemon.test.ts',
  'test/unit/daemon/sweeps/machines.test.ts',
  'test/hostile/**',
  'test/conformance/**',
  'test/sim/power-cut.test.ts',
  'test/system/hosts/**',
  'test/system/agents/**',
  'test/perf/bench/**',
  'test/system/load/**',
  'test/system/terminal/**',
  'test/sim/calibration.test.ts',
]

export default defineConfig({
  root,
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    exclude: process.env.TDF_TEST_APART ? [] : APART,
    globalSetup: ['test/support/build.ts'],
    // People read times in their own zone; golden files have one.
    env: { TZ: 'UTC' },
    setupFiles: ['test/support/each-file.ts'],
    // Nothing here measures time: a busy machine is no failure.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // No test changes what the process holds in common; one process for many files saves a third of the whole time.
    isolate: false,
    // Most of the time a test waits for processes: one more than there are processors of the smallest machine.
    maxWorkers: 3,
    coverage: {
      provider: 'v8',
      include: ['src/**', 'daemon/**', 'commands/**'],
      reportsDirectory: '.cache/coverage',
      reporter: [['text', { skipFull: true }], 'text-summary'],
      thresholds: {
        'daemon/engine/rules/**': WHOLE,
        'daemon/nodes/rules/**': WHOLE,
        'daemon/placement/place.ts': WHOLE,
        'daemon/steps/**': WHOLE,
      },
    },
  },
})
