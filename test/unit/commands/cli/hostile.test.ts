/** Nothing that a node, a repository or an agent wrote reaches a terminal as a command, through any of our commands. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jsonText, oneLine, sanitize } from '../../../../src/text/sanitize.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'
import { HOSTILE, hostileProxy, LIVE_LINES, MARK, OBEYED } from '../../../support/daemon/hostile-proxy.ts'
import { ROWS } from './rows.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
let proxy: Awaited<ReturnType<typeof hostileProxy>>
const tasks: Record<string, string> = { NONE: 'nonesuch' }
const all = Object.values(HOSTILE).join('')

beforeAll(async () => {
  home = makeHome()
  repo = makeRepository()
  await home.start()
  const submit = async (script: string, ...more: string[]) =>
    (await cli(home, 'submit', '--repo', repo.dir, '-q', ...more, '--', 'sh', '-c', script)).out.trim()
  // What the agent prints, commits and names its file.
  const hostile = String.raw`printf 'hi \033]52;c;AAAA\007 \033[2J \r over\n'; printf x > "$(printf 'a\033[31mb')"`
  tasks.DONE = await submit(`${hostile}; git add -A; git commit -qm "$(printf 'm\\033[2J')"`, '--title', `t${all}`)
  tasks.ASKS = await submit('true', '--interactive')
  tasks.LIVE = await submit('sleep 600')
  await until('it is over', async () => (await home.task(tasks.DONE ?? '')).step === null, 60_000)
  await until('it asks', async () => (await home.task(tasks.ASKS ?? '')).step === 'awaiting_followup', 60_000)
  await until('it runs', async () => (await home.task(tasks.LIVE ?? '')).step === 'running', 60_000)
  proxy = await hostileProxy(home)
}, 120_000)
afterAll(async () => {
  await proxy.stop()
  await home.remove()
  repo.remove()
})

const lines = Object.entries(ROWS).flatMap(([path, { ok, wrongState, notFound, isChild }]) => {
  const cases = [ok, typeof wrongState === 'string' ? wrongState : wrongState.slice(1), notFound]
  const words = cases.flatMap(one => (typeof one === 'string' ? [] : [one]))
  return isChild ? [] : words.map(one => [[path, ...one].join(' ')] as const)
})

function wordsOf(line: string, ...options: string[]): string[] {
  const words = line.split(' ').map(word => (word === 'REPO' ? repo.dir : (tasks[word] ?? word)))
  const dashes = words.indexOf('--')
  return dashes < 0 ? [...words, ...options] : words.toSpliced(dashes, 0, ...options)
}

const clean = () => execFileSync('git', ['clean', '-fdq'], { cwd: repo.dir })

describe('through every command', () => {
  it.each(lines)('tdf %s', async line => {
    for (const options of [[], ['-o', 'wide'], ['--json'], ['-q']]) {
      const ran = await cliWith(proxy, { cwd: repo.dir, columns: 80 }, ...wordsOf(line, ...options))
      const [out, err] = [ran.out.replaceAll(LIVE_LINES, ''), ran.err.replaceAll(LIVE_LINES, '')]
      clean()
      expect(OBEYED.exec(out), `stdout with ${options.join(' ')}`).toBeNull()
      expect(OBEYED.exec(err), `stderr with ${options.join(' ')}`).toBeNull()
      if (!options.includes('--json')) expect(out + err).not.toMatch(/pwn|AAAA/)
    }
  })

  it.each([
    'show DONE',
    'ls',
    'logs DONE',
    'diff DONE',
    'node ls',
    'why LIVE',
    'events',
    'daemon status',
    'show NONE',
    'doctor',
  ])('tdf %s prints the harmless part of what was poisoned', async line => {
    const { out, err } = await cliWith(proxy, { columns: 300 }, ...wordsOf(line))
    expect(out + err).toContain(MARK)
  })

  it('JSON means what it meant: the text is whole, and only written otherwise', async () => {
    const { out } = await cli(home, 'show', tasks.DONE ?? '', '--json')
    expect(OBEYED.exec(out)).toBeNull()
    expect(JSON.parse(out).title).toBe((await home.task(tasks.DONE ?? '')).title)
  })

  it('a pipe gets the log byte for byte where that is asked for', async () => {
    expect((await cli(home, 'logs', tasks.DONE ?? '', '--raw')).out).toContain('\x1b]52;c;AAAA\x07')
    expect((await cli(home, 'logs', tasks.DONE ?? '')).out).not.toContain('\x1b]')
  })
})

describe('sanitize', () => {
  it.each(Object.entries(HOSTILE))('takes %s', (_, text) => {
    expect(OBEYED.exec(sanitize(`a${text}b`))).toBeNull()
    expect(OBEYED.exec(oneLine(`a${text}b`))).toBeNull()
    expect(OBEYED.exec(jsonText({ text }))).toBeNull()
    expect(JSON.parse(jsonText({ text })).text).toBe(text)
  })

  it.each([
    ['safe\rEVIL', 'EVIL'],
    ['one\r\ntwo\r\r\n', 'one\ntwo\n'],
    ['done\r', 'done'],
    ['\r\r', ''],
    ['a\rb\rc\nd\re', 'c\ne'],
  ])('of %j leaves the last writing', (text, expected) => {
    expect(sanitize(text)).toBe(expected)
  })

  it.each(['a', '\r', 'a\r', '\x1b]', '\x1b[', '\x1b[1;', '\x90'])(
    'of a long line of %j takes no longer than its length',
    piece => {
      // Looking at each place anew would take hours here, and fail by the limit of this test.
      expect(sanitize(`${piece.repeat(1_000_000)}\nend`).endsWith('\nend')).toBe(true)
    },
  )

  it('leaves what people write', () => {
    const text = 'tab\there\n日本 🚀 👩‍💻 é — "quoted" <b>'
    expect(sanitize(text)).toBe(text)
  })
})
