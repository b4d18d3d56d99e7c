import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { TdfError } from '../../../../src/core/errors.ts'
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
    plain.log.warn({ gapMs: 70_012, node: 'vm-3', why: 'slept well', err: new Error('x') }, 'the clock jumped')
    expect(plain.lines).toEqual([
      `${clock} WARN  the clock jumped  gapMs=70012  node=vm-3  why="slept well"  err={"name":"Error","message":"x"}\n`,
    ])
    const colored = logTo({ format: 'pretty', color: true })
    colored.log.info({ a: 1 }, 'b')
    expect(colored.lines).toEqual([`\u001b[2m${clock}\u001b[0m \u001b[32mINFO \u001b[0m b  \u001b[2ma=\u001b[0m1\n`])
  })

  test('leaves out what is below its level, which may change for all who log already', () => {
    const { log, json } = logTo({ level: 'info' })
    const child = log.child({ part: 'loop' })
    child.debug({}, 'no')
    log.setLevel('debug')
    child.debug({}, 'yes')
    log.setLevel('fatal')
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
        log.child({ [key]: { [key]: value } }).info({ [`x${key}`]: [value] }, value)
        return (
          lines.length === 1 && text().endsWith('\n') && !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u.test(text().slice(0, -1))
        )
      }),
    )
  })

  test('may be anything without ending the daemon', () => {
    const { log, json } = logTo()
    const circle: Record<string, unknown> = { name: 'circle' }
    circle.self = circle
    const trap = {
      get x() {
        throw new Error('boo')
      },
      y: 1,
    }
    log.info(
      { circle, trap, big: 10n, at: new Date(NOON), bytes: new Uint8Array(9), none: undefined, nan: Number.NaN },
      'a',
    )
    log.info(
      { url: new URL('http://x/y'), set: new Set([1]), map: new Map([['k', 1]]), fn: () => 1, sym: Symbol('s') },
      'b',
    )
    log.info({ long: 'x'.repeat(100_000), many: Array.from({ length: 100_000 }, (_, index) => index) }, 'c')
    log.info({ level: 'x', time: 'y', msg: 'z' }, 'd')
    expect(json()[0]).toMatchObject({
      big: '10',
      at: '2026-11-24T12:00:00.000Z',
      bytes: '[9 bytes]',
      nan: null,
      trap: { y: 1 },
    })
    expect(json()[1]).toMatchObject({ url: 'http://x/y', set: [1], map: [['k', 1]], sym: 'Symbol(s)' })
    expect(JSON.stringify(json()[2]).length).toBeLessThan(20_000)
    expect(json()[3]).toMatchObject({ level: 'info', level_: 'x', time_: 'y', msg_: 'z', msg: 'd' })
  })

  test('that is an error keeps its code, its stack and its cause', () => {
    const { log, json } = logTo()
    log.error({ err: new TdfError('NODE_LOST', 'vm-3 is gone', { cause: new Error('ECONNRESET') }) }, 'attempt ended')
    expect(json()[0].err).toMatchObject({
      name: 'TdfError',
      code: 'NODE_LOST',
      message: 'vm-3 is gone',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'ECONNRESET' },
    })
  })
})

describe('a secret', () => {
  test('does not pass under a key that is known to hold one, at any depth', () => {
    const { log, text, json } = logTo()
    const headers = { Authorization: 'Bearer hunter2', cookie: ['hunter2'] }
    const request = { headers, callback: { url: 'http://x', token: 'hunter2' }, env: { KEY: 'hunter2' } }
    log
      .child({ callbackToken: 'hunter2', hcloud_token: 'hunter2' })
      .info({ request, prompt: 'hunter2', hasToken: true }, 'sent')
    expect(text()).not.toContain('hunter2')
    expect(json()[0]).toMatchObject({
      request: { callback: { url: 'http://x', token: '[redacted]' } },
      prompt: '[redacted]',
      hasToken: true,
    })
  })

  test('leaves the counts of tokens and the names of their files alone', () => {
    const { log, json } = logTo()
    log.info({ inputTokens: 5, tokenFile: '/etc/tdf/token', token: null }, 'usage')
    expect(json()[0]).toMatchObject({ inputTokens: 5, tokenFile: '/etc/tdf/token', token: null })
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
      log.info({ safe: Buffer.from(secret).toString('base64url'), err: new Error(secret) }, 'again')
      const plain = text()
      expect(plain).not.toContain('0123456789')
      for (const core of ['MTIzNDU2Nzg', 'EyMzQ1Njc4', 'xMjM0NTY3']) expect(plain).not.toContain(core)
    }
  })

  test('that is registered does not pass in part where a long value is cut', () => {
    registerSecret('tail-secret-0123456789')
    const { log, text } = logTo()
    log.info({ long: `${'x'.repeat(8_180)}tail-secret-0123456789` }, 'cut')
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
