/**
 * Mutation testing: `npm run test:mutate -- PATH… [--sample N] [--seed S] [--jobs J]`. Every change that Stryker's
 * instrumenter makes to the sources under PATH is tried alone against the suites that reach it; one that no test notices
 * survives. Stryker's own runner for Vitest needs worker threads, in which libsql does not work: hence this one.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Found, quickPass } from './quick.ts'
import { ROWS, rowOf } from './suites.ts'
import { type Mutant, makeTree, TREE } from './tree.ts'
import { ask, endWorker, openWorker } from './worker-process.ts'

/** For all test files that may notice a mutant, one after the other. */
const JOB_MS_MAX = 1_200_000

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
const rows = [...new Set(files.flatMap(file => rowOf(file) ?? []))]
const quick = rows.flatMap(({ suites }) => suites.flatMap(testsIn)).sort((a, b) => slowness(a) - slowness(b))
const tests = [...new Set([...quick, ...rows.flatMap(({ slow }) => slow ?? []).flatMap(testsIn)])]
const chosen = sampled(mutants, Number(values.sample), Number(values.seed))
const found = await quickPass(
  tests,
  chosen.map(({ id }) => id),
)
const results = await judge(chosen, found, Number(values.jobs))
report(results)

function filesIn(name: string): string[] {
  if (!statSync(name).isDirectory()) return [name]
  return readdirSync(name).flatMap(entry => filesIn(path.posix.join(name, entry)))
}

function testsIn(name: string): string[] {
  return filesIn(name).filter(file => /\.test\.tsx?$/.test(file))
}

/** Tests of one rule are many times quicker than those over a whole daemon or a node's agent, and notice most mutants; simulations come last. */
function slowness(test: string): number {
  if (test.startsWith('test/sim/')) return 2
  return /support\/(?:daemon|agent)/.test(readFileSync(test, 'utf8')) ? 1 : 0
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

/** What the quick pass leaves open is tried in a process of its own: mutants of what runs while a module is loaded. */
async function judge(chosen: readonly Mutant[], found: Found, jobs: number): Promise<Result[]> {
  const { killed, unsure, files } = found
  const loading = new Set(files.flatMap(file => file.loading))
  const reached = new Set([...loading, ...files.flatMap(file => file.reached)])
  const queue = chosen.filter(({ id }) => !killed.has(id) && (unsure.has(id) || loading.has(id)))
  const open = new Set(queue)
  const done: Result[] = chosen
    .filter(mutant => !open.has(mutant))
    .map(mutant => {
      const by = killed.get(mutant.id) ?? null
      return { ...mutant, state: by ? 'killed' : reached.has(mutant.id) ? 'survived' : 'not reached', by }
    })
  console.log(`${done.length} of ${chosen.length} are judged, the others need processes of their own`)
  const lane = async () => {
    let worker = await openWorker()
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const job = { mutant: mutant.id, files: inOrder(mutant, found, done) }
      const { failed } = await ask(worker, job, AbortSignal.timeout(JOB_MS_MAX)).catch(async () => {
        endWorker(worker)
        worker = await openWorker()
        return { failed: 'it never ended' }
      })
      done.push({ ...mutant, state: failed ? 'killed' : 'survived', by: failed })
      if (done.length % 50 === 0) console.log(`${done.length} of ${chosen.length}`)
    }
    endWorker(worker)
  }
  await Promise.all(Array.from({ length: jobs }, lane))
  return done
}

/**
 * The test files that reach the mutant's source: first the ones that noticed most of its mutants in the least time. What runs while
 * a module is loaded is noted for the first file alone, since later ones find it loaded: all others follow.
 */
function inOrder({ id, file: source }: Mutant, { files }: Found, done: readonly Result[]): string[] {
  const ids = new Set(mutants.filter(({ file }) => file === source).map(mutant => mutant.id))
  const worth = (test: string, ms: number) =>
    (done.filter(({ by, file }) => file === source && by?.startsWith(test)).length + 0.1) / ms
  const reaching = files
    .filter(({ reached, loading }) => [...reached, ...loading].some(one => ids.has(one)))
    .map(({ file, ms }) => ({ file, worth: worth(file, ms) }))
    .sort((a, b) => b.worth - a.worth)
    .map(({ file }) => file)
  const isOfLoading = files.some(({ loading }) => loading.includes(id))
  return isOfLoading ? [...new Set([...reaching, ...files.map(({ file }) => file)])] : reaching
}

function report(results: readonly Result[]): void {
  const short = (code: string) => code.replaceAll(/\s+/g, ' ').slice(0, 120)
  for (const { file, line, original, replacement, state } of results.filter(one => one.state !== 'killed')) {
    console.log(`${state}: ${file}:${line} ${short(original)} → ${short(replacement)}`)
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
