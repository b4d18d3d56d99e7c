/** Cuts the power before and after every effect of a whole journey, one run each, and starts again on what was left. */
import { expect, it } from 'vitest'
import type { ContinueRequest } from '../../daemon/engine/rules/continuing.ts'
import type { TaskSpec } from '../../src/core/task.ts'
import { readLive } from '../../src/store/tables/attempts.ts'
import type { Script } from '../fakes/agent.ts'
import { aSpec } from '../support/builders.ts'
import { live, type OutsideOptions, outside } from '../support/daemon/sim-daemon.ts'

interface Case {
  spec: Partial<TaskSpec>
  script: Script
  /** Is told more once it is over. */
  goesOn?: true
  /** The state is tried in a file alone: what is written is no other than in the cases before. */
  isInFile?: true
}

const MORE: ContinueRequest = { key: 'k1', hash: 'h1', change: { prompt: 'and more' } }

/** Where the state is: on a ledger, what was sent before the power failed arrives every other time. */
const PLACES: Record<string, (nth: number) => OutsideOptions> = {
  'in a file': () => ({}),
  'on a ledger': nth => ({ ledger: { turns: () => 1, outlives: () => nth % 2 === 0 } }),
}

/** A journey with the power cut at effect `nth`; 0 for none. */
async function journey(place: OutsideOptions, when: 'before' | 'after', nth: number, { spec, script, goesOn }: Case) {
  const out = outside(place)
  let wasCut = false
  let life = await live(out, {
    cut: { when, nth },
    onCut: () => {
      wasCut = true
      out.callbacks.app = null
    },
  }).catch(() => null)
  const id = 'task-1'
  await life?.submit(spec, script, id).catch(() => {})
  await life?.world.run(() => wasCut || life?.engine.query(id)?.step === null)
  if (goesOn && life && !wasCut) {
    await life.engine.goOn(id, MORE).catch(() => {})
    await life.world.run(() => wasCut || life?.engine.query(id)?.step === null)
  }
  if (wasCut || !life) {
    life?.kill()
    life = await live(out)
    // What was not acknowledged is sent again by whoever sent it.
    await life.submit(spec, script, id)
    await life.world.run(() => life?.task(id).step === null)
    if (goesOn) await life.engine.goOn(id, MORE)
  }
  const { world } = life
  const done = await world.run(() => life?.task(id).step === null)
  const task = life.task(id)
  const agent = out.agents.get('n1')
  const seen = {
    done,
    wasCut,
    status: task.status,
    verdict: task.verdict,
    cleanup: task.cleanup,
    attempt: task.attempt,
    result: [1, task.attempt].every(
      attempt => out.results.refs.get(`refs/tdf/${id}/${attempt}`) === life?.task(id, attempt).result?.commit,
    ),
    builds: [...(agent?.builds.values() ?? [])],
    starts: [...(agent?.starts.values() ?? [])],
    left: agent?.workspaces.size,
    live: readLive(life.engine.store.sql).length,
  }
  life.kill()
  out.remove()
  return seen
}

const TALKS: Script = { commits: 1, says: { outcome: 'success', resumeRef: 'c1' } }

const LIMITED: Script = {
  ...{ commits: 1, exitCode: 1, limitMs: 10_000, says: { resumeRef: 'c1' } },
  resumed: { commits: 1, says: { outcome: 'success', resumeRef: 'c1' } },
}

const AT_ITS_LIMIT: Script = { ...LIMITED, limitMs: 3 * 60 * 60_000 }
const OTHER = { ...aSpec({}, { commits: 1, says: { outcome: 'success', resumeRef: 'c2' } }).agent, name: 'codex' }

const cases: (Case & { name: string; end: object; starts: number })[] = [
  {
    name: 'a run that is told more',
    spec: { agent: { ...aSpec({}, TALKS).agent, name: 'claude', type: 'claude' } },
    script: TALKS,
    goesOn: true,
    end: { status: 'completed', verdict: 'unverified' },
    starts: 2,
  },
  {
    name: 'a run with a check',
    spec: { check: 'true' },
    script: { commits: 2, dirty: true },
    end: { status: 'completed', verdict: 'verified' },
    starts: 2,
  },
  {
    name: 'a run whose agent fails',
    spec: {},
    script: { exitCode: 3, commits: 1 },
    end: { status: 'failed', verdict: 'agent_error' },
    starts: 1,
  },
  {
    name: 'a run that rests for a usage limit',
    spec: { agent: { ...aSpec({}, LIMITED).agent, name: 'claude', type: 'claude' } },
    script: LIMITED,
    end: { status: 'completed', verdict: 'unverified' },
    starts: 2,
  },
  {
    name: 'a run that another agent takes over at a usage limit',
    spec: {
      agent: { ...aSpec({}, AT_ITS_LIMIT).agent, name: 'claude', type: 'claude' },
      fallback: { agents: [{ ...OTHER, type: 'codex' }], afterMs: 600_000, passedOver: [] },
    },
    script: AT_ITS_LIMIT,
    isInFile: true,
    end: { status: 'completed', verdict: 'unverified' },
    starts: 2,
  },
]

const runs = Object.entries(PLACES).flatMap(([where, place]) =>
  (['before', 'after'] as const).map(when => ({ where, place, when })),
)

for (const { name, end, starts, ...about } of cases) {
  for (const { where, place, when } of about.isInFile ? runs.slice(0, 2) : runs) {
    it(`${name}, the state ${where}, ends the same, with every effect done once, when the power fails ${when} any effect`, async () => {
      let cuts = 0
      for (let nth = 1; ; nth++) {
        const seen = await journey(place(nth), when, nth, about)
        expect(seen, `power cut ${when} effect ${nth}`).toEqual({
          ...end,
          done: true,
          wasCut: seen.wasCut,
          cleanup: 'done',
          result: true,
          attempt: about.goesOn ? 2 : 1,
          builds: about.goesOn ? [1, 1] : [1],
          starts: Array.from({ length: starts }, () => 1),
          left: 0,
          live: 0,
        })
        if (!seen.wasCut) break
        cuts += 1
      }
      expect(cuts).toBeGreaterThan(20)
    }, 300_000)
  }
}
