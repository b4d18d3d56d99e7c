/**
 * The quick pass of a mutation run: one process runs each test as it is, and then once more for every mutant that it
 * reached and that no test has noticed yet. What it finds goes line by line into a journal, which main.ts reads.
 */
import { setMaxListeners } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type RunnerTestCase, type RunnerTestSuite, TestRunner } from 'vitest'
import { hitsMax, stryker } from './stryker.ts'

export type Note =
  /** `msMax`: a try that takes longer hangs. */
  | { kind: 'try'; mutant: string; test: string; testId: string; msMax: number }
  | { kind: 'killed'; mutant: string; test: string }
  /** A test that failed after mutants had been tried also fails without one: what these are worth needs a new process. */
  | { kind: 'unsure'; mutants: readonly string[] }
  | { kind: 'broken'; test: string }
  /** A file is through. `loading` are mutants that are passed outside of its tests, while it is loaded or prepared. */
  | { kind: 'file'; file: string; reached: readonly string[]; loading: readonly string[]; ms: number }

const journal = process.env.TDF_MUTATE_JOURNAL ?? ''
const alive = new Set<string>(JSON.parse(readFileSync(process.env.TDF_MUTATE_CHOSEN ?? '', 'utf8')))
/** What an earlier process tried before a mutant of it hung: its tests go on behind that. */
const tried = new Set<string>(triedBefore())
/** What a try may take however short the test is, in ms. */
const TRY_MS_MIN = 30_000
let tries = 0

const note = (what: Note): void => appendFileSync(journal, `${JSON.stringify(what)}\n`)

export default class QuickRunner extends TestRunner {
  /** How often the plain try passed the place of each mutant. */
  #passed: Record<string, number> = {}
  #queue: string[] = []
  #mutant: string | undefined
  #noticed: string | undefined
  #isOver = false
  #reached = new Set<string>()
  #began = 0
  #triedAt = 0
  #plainMs = 0

  override async onBeforeRunSuite(suite: RunnerTestSuite): Promise<void> {
    await super.onBeforeRunSuite(suite)
    if (!('filepath' in suite)) return
    this.#reached = new Set()
    this.#began = performance.now()
  }

  override async onAfterRunSuite(suite: RunnerTestSuite): Promise<void> {
    await super.onAfterRunSuite(suite)
    if (!('filepath' in suite)) return
    const loading = Object.keys(stryker.mutantCoverage?.static ?? {})
    if (stryker.mutantCoverage) stryker.mutantCoverage.static = {}
    const file = path.relative(process.cwd(), String(suite.filepath))
    note({ kind: 'file', file, reached: [...this.#reached], loading, ms: performance.now() - this.#began })
  }

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test)
    test.repeats = Number.MAX_SAFE_INTEGER
    setMaxListeners(0, test.context.signal)
    this.#queue = []
    this.#mutant = undefined
    this.#noticed = undefined
    this.#isOver = false
  }

  override onBeforeTryTask(test: RunnerTestCase): void {
    super.onBeforeTryTask(test)
    // A test that is skipped now is repeated no more.
    if (this.#isOver) test.context.skip()
    stryker.currentTestId = this.#mutant === undefined ? test.id : 'of a mutant'
    stryker.hitCount = 0
    stryker.hitLimit = this.#mutant === undefined ? Number.POSITIVE_INFINITY : hitsMax(this.#passed[this.#mutant])
    stryker.activeMutant = this.#mutant
    this.#triedAt = performance.now()
    if (this.#mutant === undefined) return
    tries++
    note({
      kind: 'try',
      mutant: this.#mutant,
      test: nameOf(test),
      testId: test.id,
      msMax: TRY_MS_MIN + 10 * this.#plainMs,
    })
  }

  onAfterRetryTask(test: RunnerTestCase): void {
    stryker.activeMutant = undefined
    stryker.currentTestId = undefined
    if (this.#isOver || !test.result) return
    const hasFailed = test.result.state === 'fail'
    test.result.state = 'pass'
    delete test.result.errors
    if (this.#mutant === undefined) this.#afterPlainTry(test, hasFailed)
    else if (hasFailed) this.#noticed = this.#mutant
    // After a failure the test has to pass without a mutant, or the failure may be what an earlier mutant left behind.
    this.#mutant = hasFailed ? undefined : this.#queue.shift()
    this.#isOver ||= !hasFailed && this.#mutant === undefined
  }

  #afterPlainTry(test: RunnerTestCase, hasFailed: boolean): void {
    this.#passed = stryker.mutantCoverage?.perTest[test.id] ?? {}
    const passed = Object.keys(this.#passed)
    for (const mutant of passed) this.#reached.add(mutant)
    const mutant = this.#noticed
    this.#noticed = undefined
    if (hasFailed) {
      this.#isOver = true
      if (tries === 0) note({ kind: 'broken', test: nameOf(test) })
      else note({ kind: 'unsure', mutants: [...passed, ...(mutant === undefined ? [] : [mutant])] })
    } else if (mutant === undefined) {
      this.#plainMs = performance.now() - this.#triedAt
      this.#queue = passed.filter(one => alive.has(one) && !tried.has(`${test.id} ${one}`))
    } else {
      alive.delete(mutant)
      note({ kind: 'killed', mutant, test: nameOf(test) })
    }
  }
}

function triedBefore(): string[] {
  const notes = readFileSync(journal, 'utf8').split('\n').slice(0, -1)
  return notes
    .map(line => JSON.parse(line) as Note)
    .flatMap(one => (one.kind === 'try' ? [`${one.testId} ${one.mutant}`] : []))
}

function nameOf(test: RunnerTestCase): string {
  return `${path.relative(process.cwd(), test.file.filepath)} > ${test.name}`
}
