/** Tasks over several lives of a daemon: what the tests of faults have in common. */
import type { TaskSpec } from '../../../src/core/task.ts'
import type { FakeAgent, Script } from '../../fakes/agent.ts'
import type { SimOptions } from '../../fakes/world.ts'
import { type Life, live, type Outside, type OutsideOptions, outside } from './sim-daemon.ts'

export const MIN = 60_000
export const HOUR = 60 * MIN
export const DAY = 24 * HOUR

export interface Lives {
  out: Outside
  /** The life that is now. */
  life: Life
  agent(name?: string): FakeAgent
  /** Power off, and nobody is there for so long. */
  die(forMs?: number): Promise<void>
  /** Begins a life; with `cut`, one that dies at that effect. */
  begin(options?: SimOptions): Promise<void>
  /** Submits, or submits again what was not acknowledged; begins a new life when the power fails on the way. */
  submit(spec?: Partial<TaskSpec>, script?: Script, id?: string): Promise<string>
  /** Runs until it holds, over as many lives as it takes. */
  until(holds: () => boolean, withinMs?: number): Promise<boolean>
  /** Until the task has nothing more to do. */
  rest(id?: string, withinMs?: number): Promise<boolean>
  deaths(): number
  end(): void
}

export async function lives(options: OutsideOptions = {}, first: SimOptions = {}): Promise<Lives> {
  const out = outside(options)
  let deaths = 0
  let wasCut = false

  async function begin(more: SimOptions = {}): Promise<void> {
    wasCut = false
    const onCut = () => {
      wasCut = true
      out.callbacks.app = null
    }
    const born = await live(out, { seed: deaths + 1, ...more, onCut }).catch(error => {
      if (wasCut) return null
      throw error
    })
    if (born) self.life = born
    if (born && !wasCut) return
    await again()
  }

  async function again(): Promise<void> {
    deaths += 1
    self.life?.kill()
    await begin()
  }

  const self: Lives = {
    out,
    // Set before anybody sees it.
    life: undefined as unknown as Life,
    agent: (name = 'n1') => {
      const agent = out.agents.get(name) ?? out.cloud?.machines.get(name)?.agent
      if (!agent) throw new Error(`there is no agent ${name}`)
      return agent
    },
    begin,
    async die(forMs = 0) {
      deaths += 1
      self.life.kill()
      for (let passed = 0; passed < forMs; passed += MIN) await passTime(out, Math.min(MIN, forMs - passed))
    },
    async submit(spec = {}, script = { commits: 1 }, id = 'task-1') {
      try {
        return await self.life.submit(spec, script, id)
      } catch (error) {
        if (!wasCut) throw error
        await again()
        return self.life.submit(spec, script, id)
      }
    },
    async until(holds, withinMs = DAY) {
      for (;;) {
        const held = await self.life.world.run(() => wasCut || holds(), withinMs)
        if (!wasCut) return held
        await again()
      }
    },
    rest: (id = 'task-1', withinMs = 3 * DAY) => self.until(() => self.life.task(id).step === null, withinMs),
    deaths: () => deaths,
    end() {
      self.life.kill()
      out.remove()
    },
  }
  await begin(first)
  return self
}

/** Time goes on for the nodes while no daemon lives. */
async function passTime({ time }: Outside, ms: number): Promise<void> {
  const { simWorld } = await import('../../fakes/world.ts')
  await simWorld(time).clock.advance(ms)
}
