/**
 * `npm run sim -- --seeds 2000`, or one of them again: `npm run sim -- --seed 1234 --ticks 80`; with `--ledger 1` the state is
 * on a ledger instead of in a file, with `--graphs 1` tasks come after others and run races, and schedules make them. In every third seed results land, too, and pull requests are watched. Many seeds are
 * shared out among `--workers` processes, as many as there are processors.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { SOUND } from './ledger.ts'
import { type SimPlan, simulate } from './simulation.ts'

interface Counts {
  seeds: number
  failed: number
  tasks: number
  crashes: number
}

const options = Object.fromEntries(
  process.argv
    .slice(2)
    .flatMap((word, index, words) => (word.startsWith('--') ? [[word.slice(2), Number(words[index + 1])]] : [])),
)
const {
  seed,
  seeds = 200,
  ticks = 80,
  from = 1,
  step = 0,
  ledger = 0,
  graphs = 0,
  workers = availableParallelism(),
} = options
const planOf = (number: number): SimPlan => ({
  ...{ seed: number, ticks, ...(ledger ? { ledger: SOUND } : {}) },
  ...(number % 3 === 0 ? { afterRun: 'sound' } : {}),
  ...(graphs ? { graphs: true } : {}),
})
/** After so many seeds a worker says how far it is. */
const PROGRESS_SEEDS = 100

if (seed !== undefined) process.exitCode = await replay(seed)
else if (step > 0) process.stdout.write(`${JSON.stringify(await run(from, seeds, step))}\n`)
else process.exitCode = report(await Promise.all(share()))

async function replay(number: number): Promise<number> {
  const { findings, story, journal, tasks, crashes } = await simulate(planOf(number))
  console.log([...story, ...journal].join('\n'))
  tell(number, findings)
  return report([{ seeds: 1, failed: findings.length > 0 ? 1 : 0, tasks, crashes }])
}

/** Every `by`-th seed of the range. */
async function run(first: number, last: number, by: number): Promise<Counts> {
  // Traces of errors that are part of the game are most of what it would cost.
  Error.stackTraceLimit = 0
  const counts = { seeds: 0, failed: 0, tasks: 0, crashes: 0 }
  for (let number = first; number <= last; number += by) {
    const { findings, tasks, crashes } = await simulate(planOf(number))
    counts.seeds += 1
    counts.tasks += tasks
    counts.crashes += crashes
    if (findings.length > 0) {
      counts.failed += 1
      tell(number, findings)
    }
    if (counts.seeds % PROGRESS_SEEDS === 0)
      console.error(`up to seed ${number}: ${counts.seeds} done, ${counts.failed} failed`)
  }
  return counts
}

function share(): Promise<Counts>[] {
  return Array.from({ length: workers }, (_, index) => {
    const words = [
      '--from',
      from + index,
      '--seeds',
      from + seeds - 1,
      '--step',
      workers,
      '--ticks',
      ticks,
      '--ledger',
      ledger,
      '--graphs',
      graphs,
    ]
    const child = spawn(process.execPath, [process.argv[1] ?? '', ...words.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return new Promise((resolve, reject) => {
      let out = ''
      child.stdout.on('data', chunk => {
        out += chunk
      })
      child.on('close', code =>
        code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`a simulation ended with ${code}`)),
      )
    })
  })
}

function tell(number: number, findings: { name: string; what: string; tick: number }[]): void {
  for (const { name, what, tick } of findings.slice(0, 5))
    console.error(`seed ${number}, tick ${tick}: ${name}: ${what}`)
  if (findings.length > 0)
    console.error(
      `  again: npm run sim -- --seed ${number} --ticks ${ticks}${ledger ? ' --ledger 1' : ''}${graphs ? ' --graphs 1' : ''}`,
    )
}

function report(all: Counts[]): number {
  const sum = (key: keyof Counts) => all.reduce((total, counts) => total + counts[key], 0)
  console.log(
    `${sum('seeds') - sum('failed')} passed, ${sum('failed')} failed (${sum('tasks')} tasks, ${sum('crashes')} crashes)`,
  )
  return sum('failed') > 0 ? 1 : 0
}
