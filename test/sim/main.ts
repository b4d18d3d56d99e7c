/** `npm run sim -- --seeds 2000`, or one of them again: `npm run sim -- --seed 1234 --ticks 80`. */
import { simulate } from './simulation.ts'

const { seed, seeds = 200, ticks = 80, from = 1 } = options(process.argv.slice(2))
// Traces of errors that are part of the game are most of what it would cost.
Error.stackTraceLimit = seed === undefined ? 0 : 10
const first = seed ?? from
const count = seed === undefined ? seeds : 1
let [failed, tasks, crashes] = [0, 0, 0]
for (let number = first; number < first + count; number++) {
  const end = await simulate({ seed: number, ticks })
  tasks += end.tasks
  crashes += end.crashes
  if (end.findings.length > 0) {
    failed += 1
    for (const { name, what, tick } of end.findings.slice(0, 5))
      console.log(`seed ${number}, tick ${tick}: ${name}: ${what}`)
    console.log(`  again: npm run sim -- --seed ${number} --ticks ${ticks}`)
  }
  if (seed !== undefined) console.log(end.story.join('\n'))
}
console.log(`${count - failed} passed, ${failed} failed (${tasks} tasks, ${crashes} crashes)`)
process.exit(failed > 0 ? 1 : 0)

function options(words: string[]): { seed?: number; seeds?: number; ticks?: number; from?: number } {
  const pairs = words.flatMap((word, index) =>
    word.startsWith('--') ? [[word.slice(2), Number(words[index + 1])]] : [],
  )
  return Object.fromEntries(pairs)
}
