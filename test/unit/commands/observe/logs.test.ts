/** `logs --since` and `--timestamps`: by the bytes that were written then, also when the workspace is gone. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Cli } from '../../../../commands/cli/cli.ts'
import { sinceOffset } from '../../../../commands/observe/log-times.ts'
import { openTimes } from '../../../../src/agent/sessions/runner/output.ts'
import type { Client } from '../../../../src/clients/control.ts'
import { createStamps, logMarks } from '../../../../src/clients/log-times.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tdf-times-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the times of a log', () => {
  it('are noted twice a second, then once in ten, and never without an end', async () => {
    const file = path.join(folder, 'output.times')
    const world = realWorld()
    let now = 1_700_000_000_000
    const clock = { ...world.clock, now: () => now, mono: () => now }
    const times = openTimes({ ...world, clock }, file)
    for (const [ms, offset] of [
      [0, 0],
      [400, 10],
      [1_000, 20],
      [1_999, 30],
      [2_100, 40],
    ] as const) {
      now = 1_700_000_000_000 + ms
      await times.mark(offset)
    }
    expect(readFileSync(file, 'utf8')).toBe('1700000000000 0\n1700000001000 20\n1700000001999 30\n')
    for (let at = 0; at < 20_010; at += 1) {
      now += 1_000
      await times.mark(1_000 + at)
    }
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => Number(line.split(' ')[0]))
    expect(lines.length).toBeLessThan(20_003)
    expect((lines.at(-1) ?? 0) - (lines.at(-2) ?? 0)).toBeGreaterThan(9_000)
  })
})

describe('where a time begins', () => {
  /** A log of 100 bytes, of which bytes 0, 40 and 80 were written an hour, ten minutes and a second ago. */
  function asked(ages: readonly (readonly [number, number])[], log = 'a line of the log..\n'.repeat(5)) {
    const said: string[] = []
    const times = ages.map(([ms, offset]) => `${realWorld().clock.now() - ms} ${offset}\n`).join('')
    const raw = async ({ path: asking }: { path: string }) => {
      const after = Number(/after=(\d+)/.exec(asking)?.[1] ?? 0)
      return { body: Buffer.from(asking.includes('/log-times') ? times : log.slice(after)) }
    }
    const fake = { client: () => ({ raw }), stderr: { write: (text: string) => said.push(text) } } as unknown as Cli
    return { said, since: (ms: number) => sinceOffset(fake, 'abcd', ms, { signal: AbortSignal.timeout(5_000) }) }
  }
  const AGES = [
    [3_600_000, 0],
    [600_000, 40],
    [1_000, 80],
  ] as const

  it.each([
    ['all of it', 7_200_000, 0],
    ['some of it', 1_200_000, 40],
    ['the end of it', 60_000, 80],
    ['what comes', 1, 100],
  ])('is %s', async (_, ms, offset) => {
    expect(await asked(AGES).since(ms)).toBe(offset)
  })

  it('is the beginning where no times were noted, with a message', async () => {
    const { since, said } = asked([])
    expect([await since(1_000), said.join('')]).toEqual([0, expect.stringContaining('are not known')])
    const empty = asked([], '')
    expect([await empty.since(1_000), empty.said]).toEqual([0, []])
  })
})

describe('the time of a line', () => {
  const MARKS = '1700000000000 0\n1700000060000 8\n1700000120000 20\n'
  const AT = ['2023-11-14T22:13:20Z ', '2023-11-14T22:14:20Z ', '2023-11-14T22:15:20Z ']

  function stampsOf(marks: string) {
    const raw = async () => ({ body: Buffer.from(marks) })
    const fake = { raw } as unknown as Pick<Client, 'raw'>
    return createStamps(() => logMarks(fake, 'abcd', { signal: AbortSignal.timeout(5_000) }))
  }
  const shown = (lines: readonly { stamp: string; line: Buffer }[]) =>
    lines.map(({ stamp, line }) => [stamp, `${line}`])

  it('is that of its first byte, in whatever pieces it comes', async () => {
    const log = Buffer.from('one\ntwo\nthree\nfour\nfünf')
    const whole = stampsOf(MARKS)
    const expected = [
      [AT[0], 'one\n'],
      [AT[0], 'two\n'],
      [AT[1], 'three\n'],
      [AT[1], 'four\n'],
    ]
    expect(shown(await whole.split(log, 0))).toEqual(expected)
    expect(shown(whole.rest())).toEqual([[AT[1], 'fünf']])
    const pieces = stampsOf(MARKS)
    const lines = []
    for (let at = 0; at < log.length; at += 3) lines.push(...(await pieces.split(log.subarray(at, at + 3), at)))
    expect(shown(lines)).toEqual(expected)
    expect(shown(pieces.rest())).toEqual([[AT[1], 'fünf']])
    expect(shown(await stampsOf(MARKS).split(Buffer.from('six\n'), 20))).toEqual([[AT[2], 'six\n']])
  })

  it('is blank where nobody noted it, and a line without an end is shown in pieces', async () => {
    const stamps = stampsOf('')
    const lines = await stamps.split(Buffer.alloc(200_000, 'x'), 0)
    expect(lines.map(({ stamp, line }) => [stamp.trim(), line.length])).toEqual(Array(3).fill(['', 65_536]))
    expect(stamps.rest().map(({ line }) => line.length)).toEqual([200_000 - 3 * 65_536])
  })

  it.each(['soon 0\n', '9000000000000000 0\n'])('is refused when the times cannot be read: %j', async marks => {
    await expect(stampsOf(marks).split(Buffer.from('x\n'), 0)).rejects.toMatchObject({ code: 'AGENT_PROTOCOL' })
  })
})

describe('with a daemon', () => {
  const { home, repo } = withDaemon()

  it('works while the workspace stands and when it is gone', async () => {
    const words = ['submit', '--repo', repo.dir, '-q', '--interactive', '--', 'sh', '-c', 'echo one; echo two']
    const id = (await cli(home, ...words)).out.trim()
    await until('it is idle', async () => (await home.task(id)).step === 'awaiting_followup', 60_000)
    const all = { code: 0, out: 'one\ntwo\n', err: '' }
    expect(await cli(home, 'logs', id, '--since', '1h')).toEqual(all)
    expect(await cli(home, 'logs', id, '--since', '1ms')).toEqual({ ...all, out: '' })
    await cli(home, 'send', id, '--close')
    await until('it is over', async () => (await home.task(id)).cleanup === 'done', 60_000)
    expect(await cli(home, 'logs', id, '--since', '1h')).toEqual(all)
    expect(await cli(home, 'logs', id, '--since', '1ms')).toEqual({ ...all, out: '' })
    expect(await cli(home, 'logs', id, '--since', '1h', '--tail', '1')).toEqual({ ...all, out: 'two\n' })
    expect(await cli(home, 'logs', id, '--since', 'noon')).toMatchObject({ code: 2, out: '' })
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
    const stamped = await cli(home, 'logs', id, '--timestamps', '-f')
    expect(stamped.out).toMatch(new RegExp(`^${time} one\n${time} two\n$`))
    const nothing = await cliWith(home, { columns: 100 }, 'logs', id, '--since', '1ms')
    expect([nothing.code, nothing.out, nothing.err]).toEqual([0, '', expect.stringMatching(/^there is no output$/m)])
    expect(new Date(stamped.out.slice(0, 20)).getTime()).toBeGreaterThan(
      Date.parse((await home.task(id)).createdAt) - 1_000,
    )
  }, 90_000)
})
