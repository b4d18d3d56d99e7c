import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endOfLog, failureJson, outputOf, sessionNamed, timesOfOutput } from '../../../../daemon/results/output.ts'
import { LOG_CHUNK_BYTES_MAX } from '../../../../src/protocol/shapes.ts'
import { aPlacedTask, aTask } from '../../../support/builders.ts'
import { type Life, live, type Outside, outside } from '../../../support/daemon/sim-daemon.ts'

const MIB = LOG_CHUNK_BYTES_MAX

/** A log of lines of 16 bytes, of which a piece of at most a chunk is given from any byte on. */
function aLog(bytes: number) {
  const asked: number[] = []
  const read = async (after: number) => {
    asked.push(after)
    const length = Math.max(Math.min(bytes - after, MIB), 0)
    const lines = Array.from({ length: Math.ceil(length / 16) + 1 }, (_, index) => {
      return `line ${String(Math.floor(after / 16) + index).padStart(10)}\n`
    })
    return Buffer.from(lines.join('')).subarray(after % 16, (after % 16) + length)
  }
  return { read, asked }
}

describe('the end of a log', () => {
  it.each([0, 15, 16, 1_000, MIB - 1, MIB, MIB + 1, 3 * MIB - 16, 3 * MIB, 200 * MIB + 32])(
    'of %i bytes is found, whole lines of it, in few reads',
    async bytes => {
      const { read, asked } = aLog(bytes)
      const end = String(await endOfLog(read))
      const last = await read(Math.max(bytes - 160, 0))
      expect(end.endsWith(String(last))).toBe(true)
      expect(end === '' || end.startsWith('line ')).toBe(true)
      expect(asked.length).toBeLessThan(24)
    },
  )

  it('is looked for no further than any log goes, whatever a node says', async () => {
    let reads = 0
    const full = Buffer.alloc(MIB, 'x\n')
    const end = await endOfLog(async () => {
      reads += 1
      return full
    })
    expect([end.length <= MIB, reads < 64]).toEqual([true, true])
  })
})

describe('a session', () => {
  it('is named by its id, the check by that word, and by nothing the newest run, before which there is the set-up', () => {
    const task = aPlacedTask({ sessionId: 's1' })
    expect(['s0', 'check', undefined].map(name => sessionNamed(task, name))).toEqual(['s0', 's1-check', 's1'])
    const before = aTask()
    expect(['check', undefined].map(name => sessionNamed(before, name))).toEqual(['check', 'setup'])
  })
})

describe('what a session printed', () => {
  let out: Outside
  let life: Life
  let asked: string[]
  let isAway: boolean
  beforeEach(async () => {
    asked = []
    isAway = false
    out = outside()
    life = await live(out)
  })
  afterEach(() => {
    life.kill()
    out.remove()
  })

  /** The engine, a node that says where it was asked, and logs of ours that do. */
  function reading(ours: string | null = 'ours\n'): Parameters<typeof outputOf>[0] {
    const { store, log } = life.engine
    const given = (what: string) => async (_workspace: string, session: string, after: number) => {
      asked.push(`${what} ${session} ${after}`)
      return { bytes: Buffer.from('the node\n') }
    }
    const agents = {
      async of() {
        if (isAway) throw new Error('no answer')
        return { logs: given('logs'), logTimes: given('times') }
      },
    }
    const read = async (_task: object, session: string, after: number) => {
      asked.push(`read ${session} ${after}`)
      return ours === null ? undefined : Buffer.from(ours)
    }
    // The parts of the engine that this uses.
    return { store, log, agents, results: { logs: { read } } } as unknown as Parameters<typeof outputOf>[0]
  }
  const { signal } = new AbortController()
  const output = async (id: string, engine = reading()) =>
    String(await outputOf(engine, life.task(id), 's1', 5, signal))

  it('is read from the node while the workspace stands, and from what is kept when the node is away or it is gone', async () => {
    const id = await life.submit({}, { hangs: true })
    expect(await output(id)).toBe('ours\n')
    await life.world.run(() => life.task(id).step === 'running')
    expect(await output(id)).toBe('the node\n')
    expect(String(await timesOfOutput(reading(), life.task(id), 's1', signal))).toBe('the node\n')
    isAway = true
    expect(await output(id)).toBe('ours\n')
    expect(await output(id, reading(null))).toBe('')
    isAway = false
    await life.engine.signal({ kind: 'cancel', taskId: id })
    await life.world.run(() => life.task(id).step === null)
    expect(await output(id)).toBe('ours\n')
    expect(String(await timesOfOutput(reading(), life.task(id), 's1', signal))).toBe('ours\n')
    const ours = 'read s1 5'
    expect(asked).toEqual([ours, 'logs s1 5', 'times s1 0', ours, ours, ours, 'read s1.times 0'])
  })

  it('is told of a failure by its last lines; there are none of one that has no session, and of what did not fail', async () => {
    const id = await life.submit({}, { exitCode: 1 })
    await life.world.run(() => life.task(id).step === null)
    const json = (task = life.task(id)) => failureJson(reading('one\ntwo'), task, { push: null, signal })
    expect(await json()).toMatchObject({ lines: ['one', 'two'] })
    expect(asked.every(line => line.startsWith(`read ${life.task(id).sessionId} `))).toBe(true)
    expect(await json({ ...life.task(id), verdict: 'unverified', error: null })).toBeNull()
    const refused = { state: 'failed' } as NonNullable<Parameters<typeof failureJson>[2]['push']>
    const unpushed = { ...life.task(id), verdict: 'unverified' as const, error: null }
    asked = []
    expect(await failureJson(reading(), unpushed, { push: refused, signal })).toEqual({
      part: 'push',
      session: null,
      lines: [],
    })
    expect(asked).toEqual([])
  })
})
