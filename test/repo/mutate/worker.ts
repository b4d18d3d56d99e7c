/** Holds Vitest open over the tree and runs a few test files for one mutant after the other. Started by main.ts. */
import path from 'node:path'
import { createVitest, type Vitest } from 'vitest/node'
import { COVERAGE, TREE } from './tree.ts'

export interface Job {
  /** Undefined for the run without a mutant, which notes what each file reaches. */
  mutant: string | undefined
  files: readonly string[]
}

export interface Answer {
  /** The first test that failed; null when all passed. */
  failed: string | null
  ms: number
}

/** How often the place of a mutant may be passed: a mutant that never ends is killed by it. */
const HITS_MAX = 200_000

async function open(): Promise<Vitest> {
  process.chdir(TREE)
  process.env.TDF_TEST_APART = 'mutate'
  return createVitest('test', {
    config: path.join(TREE, 'test/vitest.config.ts'),
    root: TREE,
    watch: false,
    bail: 1,
    maxWorkers: 1,
    reporters: [{}],
    setupFiles: ['test/support/each-file.ts', 'test/repo/mutate/each-file.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  })
}

async function run(vitest: Vitest, { mutant, files }: Job): Promise<Answer> {
  process.env.TDF_MUTATE_COVERAGE = mutant === undefined ? COVERAGE : ''
  process.env.TDF_MUTATE_HITS_MAX = mutant === undefined ? '' : String(HITS_MAX)
  process.env.__STRYKER_ACTIVE_MUTANT__ = mutant ?? ''
  const began = performance.now()
  const specifications = (await vitest.globTestSpecifications([...files])).filter(({ moduleId }) =>
    files.includes(path.relative(TREE, moduleId)),
  )
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
  const failing = testModules.find(module => !module.ok())
  const test = failing && [...failing.children.allTests('failed')][0]
  const failed = failing ? `${failing.relativeModuleId} > ${test?.fullName ?? 'the file itself'}` : null
  return {
    failed:
      failed ?? (unhandledErrors.length > 0 ? `an unhandled error: ${String(unhandledErrors[0]).slice(0, 200)}` : null),
    ms: performance.now() - began,
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
