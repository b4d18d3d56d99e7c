/** What every adapter has to come through, with a scripted peer that speaks its protocol. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../unit/src/agent/support/temp.ts'
import type { Dialect } from './dialects.ts'
import { openStage, peakOf, type Stage } from './stage.ts'

const IN_AN_HOUR = (at: string | null) => Math.abs(Date.parse(at ?? '') - Date.now() - 3_600_000) < 120_000
const MIB = 1024 * 1024

const base64 = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))).toString(
    'base64',
  )

/** The last line of a good end, as dirty output makes it. */
const DIRT: Record<string, (last: string) => string[]> = {
  'with a byte order mark': last => [`\uFEFF${last}`],
  'in colours': last => [`\x1b[2K\x1b[1G\x1b[0m${last}\x1b[0m`],
  'behind a title': last => [`\x1b]0;working\x07${last}`],
  'behind a progress bar': last => [`working 50 %\r${last}`],
  'with CRLF': last => [`@bytes ${base64(`${last}\r\n`)}`],
  'behind NUL': last => [`@bytes ${base64([0, 0], `${last}\n`)}`],
  'after bytes that are no UTF-8': last => [`@bytes ${base64([0xff, 0xfe, 0xc3, 10], `${last}\n`)}`],
  'without a newline, at the very end': last => [`@bytes ${base64(last)}`, '@exit 0'],
  'after lines that are no JSON': last => ['{"broken', 'warn: a word', '[]', 'null', '{}', last],
}

export function adapterConformance(type: string, dialect: Dialect): void {
  describe(`the adapter of ${type}`, () => {
    let stage: Stage
    beforeAll(async () => {
      stage = await openStage(type)
    })

    it('tells of a run that went well', async () => {
      const end = await stage.run([...dialect.say('I look'), '@write w.txt', ...dialect.done('Done: all of it')])
      expect(end).toMatchObject({
        outcome: 'success',
        failure: null,
        summary: expect.stringContaining('Done: all of it'),
      })
      expect(end.resumeRef).toBe('c1')
    })

    it('allows what it is asked for, once, and the agent goes on', async () => {
      const end = await stage.run([...dialect.ask('make'), ...dialect.done('Done')], { permissions: 'allow' })
      expect(end).toMatchObject({ outcome: 'success' })
      expect(stage.read('allowed.txt')).toBe('yes\n')
      expect(stage.read('answer.json')).not.toMatch(/always|Session/i)
    })

    it('denies what it is asked for by policy: then the run was denied what it needed', async () => {
      const end = await stage.run([...dialect.ask('make'), ...dialect.done('Done')], { permissions: 'deny' })
      expect(end).toMatchObject({ outcome: 'permission_denied', failure: 'denied' })
    })

    it('passes a question on to a person, and the answer back', async () => {
      const session = await stage.begin([...dialect.ask('make'), ...dialect.done('Done')], { permissions: 'ask' })
      const asked = await eventually('it asks', async () => (await session.view()).pendingPermission)
      expect(asked.detail).toBe('make')
      expect(await session.post('permission', { requestId: asked.requestId, decision: 'allow' })).toBe(202)
      expect(await session.end()).toMatchObject({ outcome: 'success', pendingPermission: null })
    })

    it('goes on with the no of a person, and may succeed', async () => {
      const session = await stage.begin([...dialect.ask('make'), ...dialect.done('Done')], { permissions: 'ask' })
      const asked = await eventually('it asks', async () => (await session.view()).pendingPermission)
      expect(await session.post('permission', { requestId: asked.requestId, decision: 'deny' })).toBe(202)
      expect(await session.end()).toMatchObject({ outcome: 'success' })
    })

    it('never takes a run whose tools were refused for a good one', async () => {
      expect(await stage.run(dialect.refused)).toMatchObject({ outcome: 'permission_denied' })
    })

    it.each(Object.entries(dialect.failures))('hears a failure that is told as %s', async (_, { lines, ...is }) => {
      expect(await stage.run(lines)).toMatchObject(is)
    })

    it.each(Object.entries(dialect.limits))('hears a limit that is told as %s', async (_, { lines, resets }) => {
      const end = await stage.run(lines)
      expect(end).toMatchObject({ outcome: 'usage_limit', failure: 'usage_limit' })
      expect(end.resetAt === null ? null : IN_AN_HOUR(end.resetAt)).toBe(resets ?? null)
    })

    it.each(Object.entries(dialect.lifted))('takes a limit for lifted %s', async (_, lines) => {
      expect(await stage.run(lines)).toMatchObject({ outcome: 'error', resetAt: null })
    })

    it.each(Object.entries(DIRT))('hears an end %s', async (_, dirty) => {
      const lines = dialect.done('Done')
      const last = lines.pop() ?? ''
      expect(await stage.run([...lines, ...dirty(last)])).toMatchObject({ outcome: 'success' })
    })

    it('hears an end of sixty megabytes, in bounded memory', async () => {
      const session = await stage.begin([
        `@big ${60 * MIB} ${dialect.say('BIG')[0]}`,
        `@big ${6 * MIB} ${dialect.doneAtLength}`,
        '@until go',
      ])
      const log = join(session.folder, 'output.log')
      await eventually('it is written', () => statSync(log, { throwIfNoEntry: false })?.size, 60_000)
      await eventually('all is read', () => statSync(log).size > 60 * MIB, 60_000)
      expect(await peakOf(session)).toBeLessThan(220 * MIB)
      stage.write('go')
      expect(await session.end()).toMatchObject({ outcome: 'success' })
    })

    it('tells what was used, also when the run is cancelled', async () => {
      const session = await stage.begin([...dialect.usage.lines, ...dialect.say('still at it'), '@until never'])
      await eventually('it is told', async () => (await session.view()).usage)
      expect(await session.post('cancel', {})).toBe(202)
      const end = await session.end()
      expect(end.usage).toMatchObject(dialect.usage.is)
      expect(end.outcome).not.toBe('success')
    })

    it.each([
      ['is killed', ['@die'], 'interrupted'],
      ['ends with 0', ['@exit 0'], 'unfinished'],
      ['fails', ['@exit 7'], 'unfinished'],
      ['has written to stderr alone and ends with 0', ['@stderr it went well', '@exit 0'], 'unfinished'],
      ['has written to stderr alone and fails', ['@stderr Error: 401', '@exit 1'], 'unfinished'],
    ])('never takes an agent for done that says nothing and %s', async (_, lines, failure) => {
      expect(await stage.run(lines)).toMatchObject({ outcome: 'error', failure })
    })

    it('does not take half a run for a whole one', async () => {
      const end = await stage.run([...dialect.say('I begin'), '@write w.txt', '@die'])
      expect(end).toMatchObject({ outcome: 'error', failure: 'interrupted', summary: 'I begin' })
    })
  })
}
