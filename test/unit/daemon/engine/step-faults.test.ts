/**
 * Step × fault: what each fault at each step comes to, in status, verdict, cleanup and events. Each task runs through the
 * whole engine over a simulated world; the fault strikes when the step is reached.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { removeNode } from '../../../../daemon/nodes/actions.ts'
import type { Step, TaskSpec } from '../../../../src/core/task.ts'
import { readNewestEvents } from '../../../../src/store/tables/journal.ts'
import type { FakeAgent } from '../../../fakes/agent.ts'
import { aConfig } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The defaults, with fewer looks at what does not change: what a simulated hour costs is its wake-ups. */
const config = aConfig({
  runner: {
    ...{ queueTimeout: 6 * HOUR, reconcileInterval: HOUR / 20, maxExecution: 2 * HOUR, absoluteExecution: 4 * HOUR },
    ...{ followupTimeout: 2 * HOUR, provisionPollInterval: HOUR / 30, agentPollInterval: HOUR / 30 },
  },
  nodes: { heartbeatInterval: HOUR / 12, heartbeatStale: HOUR / 4, lostAfter: HOUR, heldMax: 20 * HOUR },
  sweeps: { interval: HOUR / 6 },
})

let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

const agent = () => out.agents.get('n1') as FakeAgent
const task = () => life.task('t')

interface Case {
  step: Step
  /** What the daemon asks of the agent in this step, if anything. */
  asks?: RegExp
  script?: object
  interactive?: boolean
  /** Before the task is submitted: makes it stay in the step. */
  hold?: () => unknown
}

const CASES: Record<string, Case> = {
  node_selection: { step: 'node_selection', hold: () => Object.assign(agent().faults, { down: true }) },
  workspace_creation: { step: 'workspace_creation', asks: /^POST \/workspaces$/ },
  workspace_ready: { step: 'workspace_ready' },
  agent_session: { step: 'agent_session', asks: /^POST \/workspaces\/[^/]+\/agent-sessions$/ },
  running: { step: 'running', script: { hangs: true, busy: true, commits: 1 } },
  awaiting_followup: { step: 'awaiting_followup', interactive: true },
  salvage: { step: 'salvage', asks: /\/salvage$/ },
  cleanup: { step: 'cleanup', asks: /^DELETE/ },
}

const ROWS = Object.entries(CASES).map(([name, one]) => ({ name, ...one }))
const ASKING = ROWS.filter(({ asks }) => asks)

async function arrive(one: Case, script: object = {}, spec: Partial<TaskSpec> = {}): Promise<void> {
  out = outside({ config: config })
  life = await live(out)
  await life.world.run(() => false, 1_000)
  one.hold?.()
  if (one.step === 'node_selection') await life.world.run(() => false, HOUR / 2)
  await life.submit(
    { interactive: one.interactive === true, ...spec },
    { ms: 5_000, commits: 1, ...one.script, ...script },
    't',
  )
}

/** A step that asks passes in no time, so that its first question is put off. */
function reach({ step, asks }: Case): Promise<boolean> {
  if (asks) agent().faults.refuse.push({ match: asks, status: 503, retryAfterS: 600 })
  return life.world.run(() => task().step === step, DAY)
}
const rest = (withinMs = 2 * DAY) => life.world.run(() => task().step === null, withinMs)
const retries = () => readNewestEvents(life.engine.store.sql, 't', 1_000).filter(({ type }) => type === 'task.retry')
const nothingLeft = () => expect([agent().workspaces.size, agent().lostWork]).toEqual([0, []])
const refuse = (match: RegExp, status: number, times: number) =>
  agent().faults.refuse.push(...Array.from({ length: times }, () => ({ match, status })))

describe.each(ASKING)('$name, when the agent fails once or twice', one => {
  it('goes on as if nothing had been', async () => {
    await arrive(one)
    refuse(one.asks as RegExp, 503, 2)
    expect(await rest()).toBe(true)
    expect(task()).toMatchObject({ status: 'completed', verdict: 'unverified', attempt: 1, cleanup: 'done' })
    nothingLeft()
  })
})

describe.each(ASKING)('$name, when the answer is lost', one => {
  it('does nothing twice', async () => {
    await arrive(one)
    agent().faults.loseAnswer.push(one.asks as RegExp)
    expect(await rest()).toBe(true)
    expect(task()).toMatchObject({ status: 'completed', cleanup: 'done' })
    expect([...agent().builds.values(), ...agent().starts.values()]).toEqual([1, 1])
    nothingLeft()
  })
})

describe.each(ROWS.filter(({ step }) => step === 'workspace_creation' || step === 'agent_session'))(
  '$name, when the agent goes on failing',
  one => {
    it('ends as infrastructure after its tries, with each on record', async () => {
      await arrive(one)
      refuse(one.asks as RegExp, 503, 99)
      expect(await rest()).toBe(true)
      expect(task()).toMatchObject({
        status: 'failed',
        verdict: 'infrastructure',
        error: { step: one.step, class: 'transient' },
      })
      expect(retries()).toHaveLength(life.engine.config.runner.stepMaxRetries)
      nothingLeft()
    })
  },
)

describe.each(ROWS.filter(({ step }) => step === 'workspace_creation' || step === 'agent_session'))(
  '$name, when the agent refuses for good',
  one => {
    it('ends at once', async () => {
      await arrive(one)
      refuse(one.asks as RegExp, 400, 1)
      expect(await rest()).toBe(true)
      expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure', error: { class: 'permanent' } })
      expect(retries()).toEqual([])
      nothingLeft()
    })
  },
)

describe.each(ASKING)('$name, when the agent says when to come back', one => {
  it('comes back then', async () => {
    await arrive(one)
    agent().faults.refuse.push({ match: one.asks as RegExp, status: 429, retryAfterS: 120 })
    expect(await rest()).toBe(true)
    expect(task()).toMatchObject({ status: 'completed', cleanup: 'done' })
  })
})

describe.each(ROWS)('$name, when it is cancelled', one => {
  it('ends as cancelled, with its work kept and nothing left', async () => {
    await arrive(one)
    expect(await reach(one)).toBe(true)
    const isOver = one.step === 'cleanup'
    const answer = await life.engine.signal({ kind: 'cancel', taskId: 't' })
    expect(answer.accepted).toBe(!isOver)
    agent().faults.down = false
    expect(await rest()).toBe(true)
    if (!isOver) expect(task()).toMatchObject({ status: 'cancelled', verdict: 'cancelled', attempt: 1 })
    expect(task().cleanup).toBe('done')
    nothingLeft()
  })
})

describe.each(ROWS)('$name, when the power fails before and after every commit of it', one => {
  it.each(['before', 'after'] as const)('%s: the end is the same', async when => {
    for (let nth = 1; nth <= 4; nth++) {
      await arrive(one, one.step === 'running' ? { hangs: false } : {})
      await reach(one)
      life.kill()
      let wasCut = false
      life = await live(out, { seed: nth, cut: { when, nth }, onCut: () => (wasCut = true) }).catch(() =>
        live(out, { seed: 77 }),
      )
      await life.world.run(() => wasCut || task().step === null, 60_000).catch(() => false)
      life.kill()
      life = await live(out, { seed: 99 })
      agent().faults.down = false
      await life.engine.signal({ kind: 'close', taskId: 't' })
      expect(await rest(), `${when} ${nth}`).toBe(true)
      expect(task()).toMatchObject({ status: 'completed', cleanup: 'done' })
      expect([...agent().builds.values(), ...agent().starts.values()]).toEqual([1, 1])
      nothingLeft()
      if (nth < 4) {
        life.kill()
        out.remove()
      }
    }
  })
})

describe('salvage, when the node goes silent', () => {
  it('waits with the verdict while the work may come, and judges what comes late', async () => {
    await arrive(CASES.salvage as Case)
    expect(await reach(CASES.salvage as Case)).toBe(true)
    agent().faults.down = true
    expect(await life.world.run(() => task().facts.held === true, HOUR * 2)).toBe(true)
    expect(task()).toMatchObject({ status: 'in_progress', verdict: null, step: 'salvage', attempt: 1 })
    expect(await life.world.run(() => task().attempt > 1 || task().completedAt !== null, 8 * HOUR)).toBe(false)
    agent().faults.down = false
    expect(await rest()).toBe(true)
    expect(task()).toMatchObject({ status: 'completed', verdict: 'unverified', attempt: 1, cleanup: 'done' })
    expect(task().result).toMatchObject({ ahead: 1 })
    nothingLeft()
  })

  it.each([null, 'npm test'])(
    'judges what comes at the very end of salvage_timeout, with the check %s',
    async check => {
      const one = CASES.salvage as Case
      await arrive(one, {}, { check })
      expect(await reach(one)).toBe(true)
      agent().faults.salvageFails = true
      const end = task().deadlineAt ?? 0
      expect(await life.world.run(() => task().wakeAt === end, HOUR)).toBe(true)
      agent().faults.salvageFails = false
      expect(await rest()).toBe(true)
      const verdict = check === null ? 'unverified' : 'verified'
      expect(task()).toMatchObject({ status: 'completed', verdict, attempt: 1, cleanup: 'done' })
      nothingLeft()
    },
  )

  it('gives up at held_max, and only then opens the next attempt', async () => {
    await arrive({ ...(CASES.salvage as Case) })
    expect(await reach(CASES.salvage as Case)).toBe(true)
    agent().faults.down = true
    expect(await life.world.run(() => task().completedAt !== null, 2 * DAY)).toBe(true)
    expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
    const wrote = readNewestEvents(life.engine.store.sql, 't', 1_000).map(({ type }) => type)
    expect(wrote).toContain('task.held')
  })

  it('gives up when the work is discarded', async () => {
    await arrive(CASES.salvage as Case)
    expect(await reach(CASES.salvage as Case)).toBe(true)
    agent().faults.down = true
    expect(await life.world.run(() => task().facts.held === true, HOUR * 2)).toBe(true)
    await removeNode(life.engine, task().nodeName ?? '', { discard: true, dryRun: false })
    expect(await life.world.run(() => task().completedAt !== null, HOUR)).toBe(true)
    expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure' })
  })
})

describe.each(ROWS.filter(({ step }) => step !== 'node_selection' && step !== 'salvage'))(
  '$name, when the node goes silent for ever',
  one => {
    it('ends within its limits, as infrastructure unless it was over', async () => {
      await arrive(one)
      expect(await reach(one)).toBe(true)
      agent().faults.down = true
      const isOver = one.step === 'cleanup'
      expect(await life.world.run(() => task().completedAt !== null, 2 * DAY)).toBe(true)
      // A slot that was lost before anything was made sends it back into the queue, where no node comes in time.
      const verdict = one.step === 'workspace_creation' ? 'timeout' : 'infrastructure'
      if (!isOver) expect(task()).toMatchObject({ status: 'failed', verdict })
      // What could not be saved or removed is still wanted: when the node is back, it is done.
      agent().faults.down = false
      expect(await life.world.run(() => task().step === null && task().cleanup === 'done', 2 * DAY)).toBe(true)
      nothingLeft()
    })
  },
)

describe.each(ROWS.filter(({ step }) => ['workspace_ready', 'running', 'awaiting_followup'].includes(step)))(
  '$name, when its agent comes back without its state',
  one => {
    it('ends as infrastructure: what was there is gone', async () => {
      await arrive(one)
      expect(await reach(one)).toBe(true)
      agent().wipe()
      expect(await rest(2 * DAY)).toBe(true)
      expect(task()).toMatchObject({ status: 'failed', verdict: 'infrastructure', attempt: 1 })
      expect(await life.world.run(() => task().cleanup === 'done', DAY)).toBe(true)
    })
  },
)

describe.each(
  ROWS.filter(({ step }) => ['node_selection', 'workspace_ready', 'running', 'awaiting_followup'].includes(step)),
)('$name, when it takes longer than it may', one => {
  it('ends by its own limit, and by the sweep when its timer is lost', async () => {
    for (const isTimerLost of [false, true]) {
      const hold =
        one.step === 'workspace_ready' ? { hold: () => Object.assign(agent().faults, { buildHangs: true }) } : {}
      await arrive({ ...one, ...hold }, { hangs: one.step === 'running' })
      expect(await reach(one)).toBe(true)
      if (isTimerLost) life.engine.loop.schedule('task:t/1' as never, null)
      expect(await life.world.run(() => task().completedAt !== null, 2 * DAY)).toBe(true)
      expect(task().status).toBe(one.step === 'awaiting_followup' ? 'completed' : 'failed')
      agent().faults.down = false
      expect(await life.world.run(() => task().step === null && task().cleanup === 'done', 2 * DAY)).toBe(true)
      if (!isTimerLost) {
        life.kill()
        out.remove()
      }
    }
  })
})
