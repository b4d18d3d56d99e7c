/**
 * Mutation testing: `npm run test:mutate -- PATH… [--sample N] [--seed S] [--jobs J]`. Every change that Stryker's
 * instrumenter makes to the sources under PATH is tried alone against the suites that reach it; one that no test notices
 * survives. Stryker's own runner for Vitest needs worker threads, in which libsql does not work: hence this one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ROWS, rowOf } from './suites.ts'
import { COVERAGE, type Mutant, makeTree, TREE } from './tree.ts'
import type { Answer, Job } from './worker.ts'

const JOB_MS_MAX = 180_000
const BUILD_MS_MAX = 120_000

interface Result extends Mutant {
  state: 'killed' | 'survived' | 'not reached'
  by: string | null
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    'at-least': { type: 'string', default: '0' },
  },
})

const paths = positionals.length > 0 ? positionals : ROWS.map(({ room }) => room)
const files = [...new Set(paths.flatMap(filesIn))].filter(file => /\.tsx?$/.test(file))
const homeless = files.filter(file => !rowOf(file))
if (homeless.length > 0) {
  console.error(`error: no row of test/repo/mutate/suites.ts is about ${homeless[0]}`)
  process.exit(2)
}

const mutants = await makeTree(files)
console.log(`${mutants.length} mutants in ${files.length} files`)
const reachedBy = await measure([...new Set(files.flatMap(file => rowOf(file)?.suites ?? []))].flatMap(testsIn))
const chosen = sampled(mutants, Number(values.sample), Number(values.seed))
const results = await judge(chosen, Number(values.jobs))
report(results)

function filesIn(name: string): string[] {
  if (!statSync(name).isDirectory()) return [name]
  return readdirSync(name).flatMap(entry => filesIn(path.posix.join(name, entry)))
}

function testsIn(name: string): string[] {
  return filesIn(name).filter(file => /\.test\.tsx?$/.test(file))
}

/** `count` of each room, the same ones for the same seed; 0: all. */
function sampled(all: readonly Mutant[], count: number, seed: number): Mutant[] {
  if (count === 0) return [...all]
  let state = seed >>> 0 || 1
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const shuffled = all.map(mutant => ({ mutant, at: random() })).sort((a, b) => a.at - b.at)
  const taken = new Map<string, number>()
  return shuffled.flatMap(({ mutant }) => {
    const room = rowOf(mutant.file)?.room ?? ''
    const so = taken.get(room) ?? 0
    taken.set(room, so + 1)
    return so < count ? [mutant] : []
  })
}

/** Which test files reach which mutant, the quickest first. */
async function measure(tests: readonly string[]): Promise<Map<string, string[]>> {
  rmSync(COVERAGE, { recursive: true, force: true })
  const worker = await openWorker()
  const reached = new Map<string, string[]>()
  const times: { file: string; ms: number }[] = []
  for (const file of new Set(tests)) {
    const { failed, ms } = await ask(worker, { mutant: undefined, files: [file] })
    if (failed) throw new Error(`${failed} fails without any mutant`)
    times.push({ file, ms })
  }
  worker.kill()
  for (const { file } of times.sort((a, b) => a.ms - b.ms)) {
    for (const id of readCoverage(file)) reached.set(id, [...(reached.get(id) ?? []), file])
  }
  return reached
}

function readCoverage(file: string): string[] {
  const found = readdirSync(COVERAGE).filter(name => name.startsWith(file.replaceAll('/', '+')))
  return [
    ...new Set(found.flatMap(name => JSON.parse(readFileSync(path.join(COVERAGE, name), 'utf8')).reached as string[])),
  ]
}

async function judge(chosen: readonly Mutant[], jobs: number): Promise<Result[]> {
  const queue = [...chosen]
  const done: Result[] = []
  const lane = async () => {
    let worker = await openWorker()
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const tests = reachedBy.get(mutant.id) ?? []
      if (tests.length === 0) {
        done.push({ ...mutant, state: 'not reached', by: null })
        continue
      }
      const { failed } = await ask(worker, { mutant: mutant.id, files: tests }).catch(async () => {
        worker.kill('SIGKILL')
        worker = await openWorker()
        return { failed: 'it never ended' }
      })
      done.push({ ...mutant, state: failed ? 'killed' : 'survived', by: failed })
      if (done.length % 50 === 0) console.log(`${done.length} of ${chosen.length}`)
    }
    worker.kill()
  }
  await Promise.all(Array.from({ length: jobs }, lane))
  return done
}

function openWorker(): Promise<ChildProcess> {
  const worker = fork(path.resolve('.cache/mutate/worker.js'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the tree was not built in time')), BUILD_MS_MAX)
    worker.once('exit', code => reject(new Error(`the worker ended with ${code}`)))
    worker.once('message', () => {
      clearTimeout(timer)
      resolve(worker)
    })
  })
}

/** Rejects when the answer is not there in time, or the worker ended. */
function ask(worker: ChildProcess, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the worker ended'))
    const timer = setTimeout(() => reject(new Error('no answer')), JOB_MS_MAX)
    worker.once('exit', ended)
    worker.once('message', (answer: Answer) => {
      clearTimeout(timer)
      worker.off('exit', ended)
      resolve(answer)
    })
    worker.send(job)
  })
}

function report(results: readonly Result[]): void {
  for (const { file, line, mutator, replacement, state } of results.filter(one => one.state !== 'killed')) {
    console.log(`${state}: ${file}:${line} ${mutator} → ${replacement.split('\n').join(' ').slice(0, 120)}`)
  }
  writeFileSync(path.join(path.dirname(TREE), 'results.json'), JSON.stringify(results, null, 2))
  let low = false
  for (const { room } of ROWS) {
    const own = results.filter(({ file }) => rowOf(file)?.room === room)
    if (own.length === 0) continue
    const killed = own.filter(({ state }) => state === 'killed').length
    const score = (100 * killed) / own.length
    low ||= score < Number(values['at-least'])
    console.log(`${room}: ${killed} of ${own.length} killed, ${score.toFixed(1)} %`)
  }
  process.exit(low ? 1 : 0)
}
