import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { createLog, detectFormat, type LogOptions, registerSecret, silentLog } from '../../../../src/platform/log.ts'
import { afterFile } from '../../../support/after-file.ts'

const NASTY = 'a|"|\\|\r|\n|\u001b[2J|\u0085|\u009b|\u2028|\u202e|\ud800|\u007f|\0'.split('|')
const NOON = Date.UTC(2026, 10, 24, 12)

function logTo(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    format: 'json',
    now: () => NOON,
    write: line => lines.push(line),
    ...options,
  })
  return { log, lines, text: () => lines.join(''), json: () => lines.map(line => JSON.parse(line)) }
}

describe('the log', () => {
  test('is a line of JSON an event, with time, level, fields and message', () => {
    const { log, lines } = logTo()
    log.child({ taskId: 'tsk_1' }).info({ step: 'running', attempt: 2, ms: 12.5 }, 'step done')
    expect(lines).toEqual([
      '{"level":"info","time":"2026-11-24T12:00:00.000Z","taskId":"tsk_1","step":"running","attempt":2,"ms":12.5,"msg":"step done"}\n',
    ])
  })

  test('has a priority in place of the time under systemd', () => {
    const { log, lines } = logTo({ format: 'journal' })
    log.error({}, 'a')
    log.warn({ n: 1 }, 'b')
    log.info({}, 'c')
    log.debug({}, 'd')
    expect(lines).toEqual([
      '<3>{"level":"error","msg":"a"}\n',
      '<4>{"level":"warn","n":1,"msg":"b"}\n',
      '<6>{"level":"info","msg":"c"}\n',
      '<7>{"level":"debug","msg":"d"}\n',
    ])
  })

  test('is for eyes on a terminal, with or without colour', () => {
    const clock = new Date(NOON).toTimeString().slice(0, 8)
    const plain = logTo({ format: 'pretty' })
    plain.log.warn({ gapMs: 70_012, node: 'vm-3', why: 'slept well', opened: ['a'] }, 'the clock jumped')
    expect(plain.lines).toEqual([
      `${clock} WARN  the clock jumped  gapMs=70012  node=vm-3  why="slept well"  opened=a\n`,
    ])
    const colored = logTo({ format: 'pretty', color: true })
    colored.log.info({ a: 1 }, 'b')
    expect(colored.lines).toEqual([`\u001b[2m${clock}\u001b[0m \u001b[32mINFO \u001b[0m b  \u001b[2ma=\u001b[0m1\n`])
  })

  test('leaves out what is below its level, which may change for all who log already', () => {
    const { log, json } = logTo({ level: 'info' })
    const child = log.child({ part: 'loop' })
    child.debug({}, 'no')
    log.level = 'debug'
    child.debug({}, 'yes')
    log.level = 'fatal'
    child.error({}, 'no')
    expect(json()).toMatchObject([{ part: 'loop', msg: 'yes' }])
  })

  test('has a silent twin', () => {
    expect(silentLog.child({ a: 1 }).error({}, 'x')).toBeUndefined()
  })
})

describe('a value in the log', () => {
  test.each(['json', 'journal', 'pretty'] as const)('never begins a second line or moves a cursor (%s)', format => {
    const nasty = fc.string({ unit: fc.constantFrom(...NASTY) })
    fc.assert(
      fc.property(nasty, nasty, (key, value) => {
        const { log, lines, text } = logTo({ format })
        log.child({ [`y${key}`]: value }).info({ [`x${key}`]: [value] }, value)
        return (
          lines.length === 1 && text().endsWith('\n') && !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u.test(text().slice(0, -1))
        )
      }),
    )
  })

  test('is flat and of no name of the log itself: anything else does not compile', () => {
    const { log, json } = logTo()
    // @ts-expect-error an error is logged as its text
    log.info({ err: new Error('x') }, 'a')
    // @ts-expect-error as would be a second level of the line
    log.info({ level: 'x' }, 'b')
    log.info({ nan: Number.NaN, none: undefined, nothing: null, list: ['a'] }, 'c')
    expect(json()[2]).toEqual({
      level: 'info',
      time: expect.any(String),
      nan: null,
      nothing: null,
      list: ['a'],
      msg: 'c',
    })
  })

  test('is cut where it is long, and so is a long list and the message', () => {
    const { log, json, text } = logTo()
    const long = '\u009b'.repeat(100_000)
    log.info({ long, many: Array.from({ length: 100_000 }, String), taskId: 'tsk_1' }, long)
    expect(text().length).toBeLessThan(60_000)
    expect(text()).not.toContain('\u009b')
    expect(json()[0]).toMatchObject({ taskId: 'tsk_1', msg: expect.stringMatching(/…$/) })
  })
})

describe('a secret', () => {
  test('does not pass under a name that is known to hold one', () => {
    const { log, text, json } = logTo()
    const fields = { token: 'hunter2', authorization: 'Bearer hunter2', env: ['KEY=hunter2'], prompt: 'hunter2' }
    log.child({ callbackToken: 'hunter2', apiKey: 'hunter2' }).info({ ...fields, hasToken: true }, 'sent')
    expect(text()).not.toContain('hunter2')
    expect(json()[0]).toMatchObject({ token: '[Redacted]', apiKey: '[Redacted]', prompt: '[Redacted]', hasToken: true })
  })

  test('leaves the counts of tokens and the names of their files alone', () => {
    const { log, json } = logTo()
    log.info({ inputTokens: 5, tokenFile: '/etc/tdf/token' }, 'usage')
    expect(json()[0]).toMatchObject({ inputTokens: 5, tokenFile: '/etc/tdf/token' })
  })

  test('that is registered does not pass anywhere: plain, quoted, URL-encoded, or in base64 with anything around it', () => {
    const secret = 'p4ss "w\\rd"/+ü-0123456789'
    registerSecret(secret)
    for (const format of ['json', 'journal', 'pretty'] as const) {
      const { log, text } = logTo({ format })
      const basic = ['', 'a', 'ab', 'abc'].map(user => Buffer.from(`${user}${secret}:tail`).toString('base64'))
      log.info(
        { at: `x${secret}y`, url: `http://h/?t=${encodeURIComponent(secret)}`, basic, [`key ${secret}`]: 1 },
        `m ${secret}`,
      )
      log.info({ safe: Buffer.from(secret).toString('base64url'), err: String(new Error(secret)) }, 'again')
      const plain = text()
      expect(plain).not.toContain('0123456789')
      for (const core of ['MTIzNDU2Nzg', 'EyMzQ1Njc4', 'xMjM0NTY3']) expect(plain).not.toContain(core)
    }
  })

  test('that is registered does not pass in part where a long value is cut', () => {
    registerSecret('tail-secret-0123456789')
    const { log, text } = logTo()
    log.info({ long: `${'x'.repeat(4_090)}tail-secret-0123456789${'x'.repeat(20_000)}` }, 'cut')
    expect(text()).not.toContain('tail-')
  })

  test('that is too short to be one does not blank out the log', () => {
    registerSecret('info')
    registerSecret('')
    const { log, json } = logTo()
    log.info({}, 'info')
    expect(json()).toMatchObject([{ level: 'info', msg: 'info' }])
  })
})

describe('the format', () => {
  const stat = { dev: 8, ino: 4711 }

  test('is for the journal only when stdout really goes there', () => {
    const journal = (stream: string, isTty: boolean) => detectFormat({ env: { JOURNAL_STREAM: stream }, isTty, stat })
    expect(journal('8:4711', false)).toEqual({ format: 'journal', color: false })
    expect(journal('8:1', false)).toEqual({ format: 'json', color: false })
    expect(journal('8:1', true)).toEqual({ format: 'pretty', color: true })
  })

  test('has colour on a terminal, unless it is dumb or NO_COLOR is set', () => {
    expect(detectFormat({ env: { NO_COLOR: '1' }, isTty: true, stat }).color).toBe(false)
    expect(detectFormat({ env: { TERM: 'dumb' }, isTty: true, stat }).color).toBe(false)
  })
})

describe('stdout', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tdf-log-'))
  afterFile(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'program.cjs')

  beforeAll(async () => {
    const contents = `
      import { createLog, detectFormat } from '../../../../src/platform/log.ts'
      const log = createLog({ level: 'info', ...detectFormat() })
      for (let index = 0; index < 20000; index += 1) log.info({ index }, 'line')
      process.stderr.write('survived')
      process.kill(process.pid, 'SIGKILL')`
    const stdin = { contents, resolveDir: import.meta.dirname }
    await build({ stdin, bundle: true, platform: 'node', format: 'cjs', outfile: program, logLevel: 'error' })
  })

  test('has every line that was logged before a crash', () => {
    const run = spawnSync(process.execPath, [program], { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 })
    const lines = run.stdout.trimEnd().split('\n')
    expect(run.signal).toBe('SIGKILL')
    expect(lines.map(line => JSON.parse(line).index)).toEqual(Array.from({ length: 20_000 }, (_, index) => index))
  })

  test('does not end the daemon when its reader goes away', () => {
    const command = `"${process.execPath}" "${program}" 2>"${folder}/stderr" | head -n 1`
    spawnSync('sh', ['-c', command], { stdio: 'ignore' })
    expect(readFileSync(join(folder, 'stderr'), 'utf8')).toBe('survived')
  })

  test('does not end the daemon when its disk is full', () => {
    const run = spawnSync(process.execPath, [program], {
      encoding: 'utf8',
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    })
    expect(run.stderr).toBe('survived')
  })
})
