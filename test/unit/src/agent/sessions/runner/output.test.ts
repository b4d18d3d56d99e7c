/** What becomes of an agent's output beside the words of it: when it came, what is dropped, and which secrets are taken out. */
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { openOutput, openTimes } from '../../../../../../src/agent/sessions/runner/output.ts'
import { openPipe } from '../../../../../../src/agent/sessions/runner/pipe.ts'
import { redactor } from '../../../../../../src/agent/sessions/runner/redact.ts'
import { startCpuMeter } from '../../../../../../src/agent/sessions/runner/watchdog.ts'
import { LOG_TAIL_BYTES } from '../../../../../../src/protocol/shapes.ts'
import { simWorld, timeline } from '../../../../../fakes/world.ts'
import { tempFolder } from '../../support/temp.ts'

let folder: string
beforeEach(() => {
  folder = tempFolder()
})
const at = (name: string) => path.join(folder, name)
const read = (name: string) => readFileSync(at(name), 'utf8')

describe('the times of a log', () => {
  it('are noted less often when there are many, and no more when there are too many', async () => {
    const world = simWorld(timeline(0))
    const steps = [
      { count: 2, everyMs: 10 },
      { count: 4, everyMs: 100 },
    ] as const
    const times = openTimes(world, at('times'), steps)
    for (let offset = 0; offset < 60; offset++) {
      await times.mark(offset)
      await world.clock.advance(10)
    }
    expect(read('times')).toBe('0 0\n10 1\n110 11\n210 21\n')
    expect(statSync(at('times')).mode & 0o777).toBe(0o600)
  })

  it('are not needed: a log without them is a log', async () => {
    await openTimes(simWorld(timeline()), '/nonexistent/times').mark(0)
    expect(existsSync('/nonexistent')).toBe(false)
  })

  it('name the place of each first byte, also behind what was left out', async () => {
    const world = simWorld(timeline(0))
    const log = await openOutput(world, at('log'), 10, openTimes(world, at('times')))
    for (const text of ['abcd', 'efgh', 'ijkl', 'mnop']) {
      await log.write(Buffer.from(text))
      await world.clock.advance(500)
    }
    await log.finish()
    const tail = read('log').indexOf('klmnop')
    expect(read('times')).toBe(`0 0\n500 4\n1000 8\n2000 ${tail}\n`)
    expect(read('log').startsWith('abcdefghij\n[tdf: ')).toBe(true)
  })
})

describe('output that is left out', () => {
  it('begins where the room ends, and its time is that of its end', async () => {
    const world = simWorld(timeline(0))
    const log = await openOutput(world, at('log'), 10, openTimes(world, at('times')))
    await log.write(Buffer.from('abcdefghij'))
    await world.clock.advance(500)
    await log.write(Buffer.from('k'))
    await log.finish()
    expect(read('times')).toBe(`0 0\n500 ${read('log').length - 1}\n`)
  })

  it('is what a full disk does not take', async () => {
    const world = simWorld(timeline(0))
    const log = await openOutput(world, '/dev/full', 1_000, openTimes(world, at('times')))
    await log.write(Buffer.from('abc'))
    await world.clock.advance(500)
    await log.finish()
    expect(read('times')).toMatch(/^0 0\n500 \d+\n$/)
  })

  it('is a sign of life all the same, once a second', async () => {
    const world = simWorld(timeline(1_000_000))
    const log = await openOutput(world, at('log'), 1, openTimes(world, at('times')))
    const touched = () => statSync(at('log')).mtimeMs
    await log.write(Buffer.from('ab'))
    const write = async () => {
      utimesSync(at('log'), 1, 1)
      await log.write(Buffer.from('c'))
      return touched()
    }
    expect([await write(), await write()]).toEqual([1_000_000, 1_000])
    await world.clock.advance(999)
    expect(await write()).toBe(1_000)
    await world.clock.advance(1)
    expect(await write()).toBe(1_001_000)
    await log.finish()
    expect(read('log').match(/\[tdf: /g)).toHaveLength(1)
    expect(read('log').endsWith('bcccc')).toBe(true)
  })

  it('is kept to its bound in however large pieces it comes', async () => {
    const world = simWorld(timeline())
    const log = await openOutput(world, at('log'), 0, openTimes(world, at('times')))
    await log.write(Buffer.alloc(LOG_TAIL_BYTES - 1, 'a'))
    await log.write(Buffer.alloc(2, 'b'))
    await log.write(Buffer.alloc(LOG_TAIL_BYTES + 5, 'c'))
    await log.write(Buffer.from('d'))
    await log.finish()
    expect(read('log').endsWith(`follow]\n${'c'.repeat(LOG_TAIL_BYTES - 1)}d`)).toBe(true)
  })
})

describe('a secret', () => {
  const clean = (secrets: Record<string, string>, ...chunks: string[]) => {
    const { push, rest } = redactor(secrets)
    return [...chunks.map(chunk => String(push(Buffer.from(chunk)))), String(rest()), String(rest())]
  }

  it('that begins with another is taken out as a whole', () => {
    const secrets = { SHORT: '12345678', LONG: '1234567890' }
    expect(clean(secrets, 'a 1234567890 b 12345678 c').join('')).toBe('a [redacted LONG] b [redacted SHORT] c')
  })

  it('has at least eight letters', () => {
    expect(clean({ A: '1234567' }, '1234567 ')).toEqual(['1234567 ', '', ''])
    expect(clean({ A: '12345678' }, '12345678 ')).toEqual(['[redacted A] ', '', ''])
    expect(clean({}, 'all')).toEqual(['all', '', ''])
  })

  it('is found as JSON writes it, and what only begins like one comes out at the end', () => {
    const secret = 'line one\nline "two"'
    expect(clean({ A: secret }, JSON.stringify({ it: secret })).join('')).toBe('{"it":"[redacted A]"}')
    expect(clean({ A: '12345678' }, 'x 1234', '5', '67')).toEqual(['x ', '', '', '1234567', ''])
    expect(clean({ A: '11112222' }, '11111', '2222!')).toEqual(['1', '[redacted A]!', '', ''])
  })
})

describe('a pipe', () => {
  it('is where an earlier one was, leaves no name, and ends when it is cut', async () => {
    const first = await openPipe(folder, 'stdout')
    const again = await openPipe(folder, 'stdout')
    expect(existsSync(at('stdout.fifo'))).toBe(false)
    for (const { pieces, cut, closeWriteEnd } of [first, again]) {
      const ended = pieces[Symbol.asyncIterator]().next()
      cut()
      expect(await ended).toMatchObject({ done: true })
      closeWriteEnd()
    }
  })

  it('that cannot be made says why', async () => {
    await expect(openPipe(folder, 'none/stdout')).rejects.toThrow(/^mkfifo failed: .+[^\n]$/)
  })
})

describe('the meter of a command', () => {
  const row = (ticks: number, childTicks = 0) => ({
    ...{ pid: 1, parentPid: 0, groupId: 1, sessionId: 1, startTicks: '1', ticks, childTicks },
  })

  it('counts what its processes use, soon and then every two seconds, and never backwards', async () => {
    const world = simWorld(timeline())
    let rows = [row(0)]
    const meter = startCpuMeter(world, () => rows, at('cpu.json'))
    // What the process of the test has waited for counts with it, and may grow by the end of another test's program.
    let before = 0
    const grown = () => Math.floor((meter.totalMs() - before) / 1_000)
    await world.clock.advance(249)
    expect(meter.totalMs()).toBe(0)
    rows = [row(100)]
    await world.clock.advance(1)
    expect(grown()).toBeGreaterThanOrEqual(1)
    before = meter.totalMs()
    rows = [row(400, 200), row(700)]
    await world.clock.advance(1_999)
    expect(grown()).toBe(0)
    await world.clock.advance(1)
    expect(grown()).toBe(12)
    expect(JSON.parse(read('cpu.json'))).toEqual({ cpuMs: meter.totalMs() })
    rows = [row(3)]
    meter.sample()
    expect(grown()).toBe(12)
    rows = [row(203)]
    meter.sample()
    expect(grown()).toBe(14)
    meter.stop()
    rows = [row(5_000)]
    await world.clock.advance(10_000)
    expect(grown()).toBe(14)
  })

  it('goes on though its number cannot be written down', () => {
    const meter = startCpuMeter(simWorld(timeline()), () => [row(7)], '/nonexistent/cpu.json')
    meter.sample()
    expect(meter.totalMs()).toBeGreaterThanOrEqual(70)
    meter.stop()
  })
})
