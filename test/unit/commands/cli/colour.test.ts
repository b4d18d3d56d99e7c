/** Colour in what commands print: who asks for it, who forbids it, and that nothing else of a terminal comes with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cliWith } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

const XTERM = { TERM: 'xterm-256color' }
const SGR = /\x1b\[\d+m/
let home: Home
let nobody: Home
let repo: ReturnType<typeof makeRepository>

beforeAll(async () => {
  home = makeHome()
  nobody = makeHome()
  repo = makeRepository()
  await home.start()
  const words = ['submit', '--repo', repo.dir, '-q', '--title', 'a \x1b]0;title\x07 and \x1b[31mred', '--', 'sh', '-c']
  const { out } = await cliWith(home, {}, ...words, 'echo hi > N; git add -A; git commit -qm n')
  await until('it is over', async () => (await home.task(out.trim())).step === null, 60_000)
}, 90_000)
afterAll(async () => {
  await home.remove()
  await nobody.remove()
  repo.remove()
})

interface Scene {
  env?: Record<string, string>
  words?: string[]
  columns?: number
}

async function isColoured({ env = {}, words = [], columns }: Scene): Promise<boolean> {
  const terminal = columns === undefined ? { env } : { env, columns }
  const { out } = await cliWith(home, terminal, ...words, 'ls')
  expect(out).toContain('completed')
  return SGR.test(out)
}

describe('a list has colours', () => {
  it.each<[string, Scene]>([
    ['on a terminal', { columns: 100, env: XTERM }],
    [
      'with --color always, in a pipe too',
      { words: ['--color', 'always'], env: { NO_COLOR: '1', TDF_COLOR: 'never' } },
    ],
    ['with TDF_COLOR=always', { env: { TDF_COLOR: 'always', NO_COLOR: '1' } }],
    ['with FORCE_COLOR', { env: { FORCE_COLOR: '1' } }],
  ])('%s', async (_, scene) => {
    expect(await isColoured(scene)).toBe(true)
  })
})

describe('a list has none', () => {
  it.each<[string, Scene]>([
    ['in a pipe', { env: XTERM }],
    ['on a dumb terminal', { columns: 100, env: { TERM: 'dumb' } }],
    ['on one without a name', { columns: 100 }],
    ['with NO_COLOR', { columns: 100, env: { ...XTERM, NO_COLOR: '1', FORCE_COLOR: '1' } }],
    ['with TDF_COLOR=never', { columns: 100, env: { ...XTERM, TDF_COLOR: 'never', FORCE_COLOR: '1' } }],
    ['with FORCE_COLOR=0', { columns: 100, env: { ...XTERM, FORCE_COLOR: '0' } }],
    ['with --color never', { columns: 100, env: { ...XTERM, TDF_COLOR: 'always' }, words: ['--color', 'never'] }],
    ['with --no-color', { columns: 100, env: { ...XTERM, TDF_COLOR: 'always' }, words: ['--no-color'] }],
  ])('%s', async (_, scene) => {
    expect(await isColoured(scene)).toBe(false)
  })
})

it('a wish that is none is refused, in words without colour', async () => {
  const { code, out, err } = await cliWith(home, { env: { TDF_COLOR: 'green' } }, 'ls')
  const hint = 'export TDF_COLOR=auto'
  expect([code, out, err]).toEqual([
    2,
    '',
    `error: TDF_COLOR: "green" is none of auto, always, never\n  hint: ${hint}\n  code: USAGE\n`,
  ])
  expect((await cliWith(home, {}, 'ls', '--color', 'green')).code).toBe(2)
})

it.each(['ls', 'show', 'diff', 'why', 'doctor'])(
  'tdf %s: the colours are all that reaches the terminal',
  async name => {
    const reference = ['show', 'diff', 'why'].includes(name) ? ['@last'] : []
    const { out } = await cliWith(home, {}, name, ...reference, '--color', 'always')
    expect(out).toMatch(SGR)
    expect(out.replace(/\x1b\[(?:0|1|3[1-6]|90)m/g, '')).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
    expect(out).not.toContain('\x1b[31mred')
  },
)

it('JSON has none, whatever was asked for', async () => {
  const { out } = await cliWith(home, {}, 'ls', '--json', '--color', 'always')
  expect(out).not.toContain('\x1b')
  expect(JSON.parse(out)).toHaveLength(1)
})

it('errors have them on a terminal, behind words that stay as they are', async () => {
  const scene = { columns: 100, env: XTERM }
  const { err } = await cliWith(nobody, scene, 'ls')
  expect(err).toMatch(/^\x1b\[31merror:\x1b\[0m no daemon is running/)
  expect((await cliWith(nobody, scene, 'ls', '--json')).err).not.toContain('\x1b')
  expect((await cliWith(nobody, scene, '--no-color', 'lst')).err).toMatch(/^error: /)
})

describe('--host', () => {
  it('wins over TDF_HOST, before and behind the command', async () => {
    const { socket } = home.client
    const env = { TDF_HOST: '/nowhere/tdf.sock' }
    expect((await cliWith(nobody, { env }, '--host', socket, 'ls', '-q')).out).toMatch(/^\w+/)
    expect((await cliWith(nobody, { env }, 'ls', '-q', '--host', `unix://${socket}`)).code).toBe(0)
  })

  it('is named by what goes wrong, and by version', async () => {
    const words = ['--host', '/nowhere/x.sock']
    expect((await cliWith(home, {}, 'ls', ...words)).err).toMatch(/no socket \/nowhere\/x.sock \(from --host\)/)
    const { out } = await cliWith(home, {}, 'version', ...words)
    expect(out).toMatch(/daemon not running.*\nsocket \/nowhere\/x.sock \(from --host\)\n$/)
    const asJson = await cliWith(home, {}, 'version', '--json')
    expect(JSON.parse(asJson.out)).toMatchObject({ origin: 'TDF_HOME' })
  })

  it('takes no address of a network', async () => {
    const { code, err } = await cliWith(home, {}, '--host', 'http://127.0.0.1:7433', 'ls')
    expect([code, err.split('\n')[0]]).toEqual([
      2,
      'error: --host: the daemon listens at a unix socket alone, and "http://127.0.0.1:7433" names none',
    ])
  })

  it('is where a TAB asks', async () => {
    const { socket } = home.client
    const { out } = await cliWith(nobody, {}, 'complete', '--', '--host', socket, 'show', '')
    expect(out).toMatch(/completed/)
  })
})

describe('--debug', () => {
  const told = /^debug: GET \/tasks\S* → 200 \(\d+ ms\)\n$/

  it('tells each request on stderr and leaves stdout as it is', async () => {
    const plain = await cliWith(home, {}, 'ls', '--json')
    const debugged = await cliWith(home, {}, 'ls', '--json', '--debug')
    expect([debugged.code, debugged.out, plain.err]).toEqual([0, plain.out, ''])
    expect(debugged.err).toMatch(told)
    expect((await cliWith(home, { env: { TDF_DEBUG: 'api' } }, 'ls', '-q')).err).toMatch(told)
  })

  it('tells what came instead of an answer', async () => {
    const { code, err } = await cliWith(home, {}, '--debug', '--host', '/nowhere/x.sock', 'ls')
    expect([code, err.split('\n')[0]]).toEqual([69, expect.stringMatching(/^debug: GET \/tasks\S* → connect ENOENT/)])
  })
})
