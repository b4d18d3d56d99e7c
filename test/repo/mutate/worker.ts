/** Holds Vitest open over the tree and runs test files, for all mutants at once or for one. Started by main.ts. */
import path from 'node:path'
import { createVitest, type TestSequencer, type TestSpecification, type Vitest } from 'vitest/node'
import { TREE } from './tree.ts'

export interface Job {
  /** Undefined in the quick pass, where runner.ts puts in the mutants. */
  mutant: string | undefined
  files: readonly string[]
}

export interface Answer {
  /** The first test that failed; null when all passed. */
  failed: string | null
}

/** Vitest would run the longest file first; the job names the most telling ones first. */
class AsAsked implements TestSequencer {
  shard = async (files: TestSpecification[]) => files
  sort = async (files: TestSpecification[]) => files
}

async function open(): Promise<Vitest> {
  process.chdir(TREE)
  process.env.TDF_TEST_APART = 'mutate'
  const isQuick = process.env.TDF_MUTATE_JOURNAL !== undefined
  return createVitest('test', {
    config: path.join(TREE, 'test/vitest.config.ts'),
    root: TREE,
    watch: false,
    bail: isQuick ? 0 : 1,
    maxWorkers: 1,
    sequence: { sequencer: AsAsked },
    reporters: [{}],
    setupFiles: ['test/support/each-file.ts', 'test/repo/mutate/each-file.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    ...(isQuick ? { runner: path.join(TREE, 'test/repo/mutate/runner.ts') } : {}),
  })
}

async function run(vitest: Vitest, { mutant, files }: Job): Promise<Answer> {
  process.env.__STRYKER_ACTIVE_MUTANT__ = mutant ?? ''
  const project = vitest.getRootProject()
  const specifications = files.map(file => project.createSpecification(path.join(TREE, file)))
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  const failing = testModules.find(module => !module.ok())
  const test = failing && [...failing.children.allTests('failed')][0]
  const failed = failing ? `${failing.relativeModuleId} > ${test?.fullName ?? 'the file itself'}` : null
  return {
    failed:
      failed ?? (unhandledErrors.length > 0 ? `an unhandled error: ${String(unhandledErrors[0]).slice(0, 200)}` : null),
  }
}

const vitest = await open()
let last = Promise.resolve()
process.on('message', (job: Job) => {
  last = last.then(async () => {
    process.send?.(await run(vitest, job))
  })
})
process.send?.('ready')
