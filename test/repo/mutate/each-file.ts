/** Runs in each test file of a mutation run: notes which mutants the file reaches, and bounds one that never ends. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'

interface Stryker {
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> }
  hitCount?: number
  hitLimit?: number
  activeMutant?: string | undefined
}

const holder = globalThis as { __stryker__?: Stryker }
holder.__stryker__ ??= {}
const stryker = holder.__stryker__
const folder = process.env.TDF_MUTATE_COVERAGE
stryker.activeMutant = process.env.__STRYKER_ACTIVE_MUTANT__ || undefined
stryker.hitCount = 0
stryker.hitLimit = Number(process.env.TDF_MUTATE_HITS_MAX || Number.POSITIVE_INFINITY)

beforeAll(() => {
  if (folder) process.env.TDF_MUTATE_FILE = path.relative(process.cwd(), expect.getState().testPath ?? '')
})

afterAll(() => {
  if (!folder) return
  const reached = Object.keys({
    ...stryker.mutantCoverage?.static,
    ...Object.assign({}, ...Object.values(stryker.mutantCoverage?.perTest ?? {})),
  })
  const file = process.env.TDF_MUTATE_FILE ?? 'unknown'
  const to = path.join(folder, `${file.replaceAll('/', '+')}.json`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(to, JSON.stringify({ file, reached }))
})
