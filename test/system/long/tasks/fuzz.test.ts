/**
 * Seeded nonsense for every route of the daemon and for its configuration: a clear refusal, never a failure of ours.
 * A fixed part runs with the other tests; `npm run fuzz` runs more.
 */
import http from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callbackApp } from '../../../../daemon/api/callbacks.ts'
import { controlApp } from '../../../../daemon/api/control.ts'
import { loadConfig } from '../../../../src/config/load/load.ts'
import { exampleToml } from '../../../../src/config/show/example.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import { type Home, makeHome, makeRepository, tdf } from '../../../support/daemon/home.ts'

const RUNS = Number(process.env.TDF_FUZZ_RUNS ?? 2_000)
const SEED = Number(process.env.TDF_FUZZ_SEED ?? 20)
const ANSWER_MS_MAX = 60_000
/** Most of them wait for something: what ends a wait is part of what is tested. */
const AT_ONCE = 25
/** Half of all requests announce a wrong length. */
const PATIENCE_MS = 20

interface Route {
  method: string
  path: string
}

/** The routes as they are mounted; none of what they hold is used. */
function routesOf(make: (engine: never, parts: never) => { routes: Route[] }): Route[] {
  const nothing = { world: { clock: {} }, metrics: {}, store: {} } as never
  const seen = new Map(
    make(nothing, { stateDir: '/' } as never).routes.map(route => [`${route.method} ${route.path}`, route]),
  )
  return [...seen.values()].filter(({ method, path }) => method !== 'ALL' && !path.endsWith('/stop'))
}
const control = routesOf(controlApp)
const callbacks = routesOf(engine => callbackApp(engine, () => []))

let home: Home
let repository: ReturnType<typeof makeRepository>
let port: number
let ids: string[]
beforeAll(async () => {
  home = makeHome()
  repository = makeRepository()
  await home.start()
  const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--wait', '--', 'true')
  ids = [out.trim(), `${out.trim()}-1-1`, 'local']
  port = Number(new URL((await home.client.call<{ callbacksUrl: string }>({ path: '/status' })).callbacksUrl).port)
}, 60_000)
afterAll(async () => {
  await home.remove()
  repository.remove()
})

const word = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '..',
    '@last',
    '%00',
    '%2e%2e%2f',
    'a'.repeat(3_000),
    '-1',
    '0',
    '1e400',
    'null',
    'true',
    '💥',
    "';--",
  ),
)
const value = fc.oneof(fc.jsonValue(), word, fc.integer())
const known = [
  'prompt',
  'repo',
  'kind',
  'url',
  'ref',
  'command',
  'seq',
  'attempt',
  'sessionId',
  'status',
  'text',
  'labels',
]
const body = fc.oneof(
  fc.json(),
  word,
  fc.dictionary(fc.constantFrom(...known), value).map(table => JSON.stringify(table)),
  fc.constant('['.repeat(20_000)),
)
const query = fc.dictionary(
  fc.constantFrom(
    'after',
    'ref',
    'commit',
    'session',
    'all',
    'status',
    'task',
    'undo',
    'dry_run',
    'limit',
    'label',
    'x',
  ),
  word,
  { maxKeys: 4 },
)
const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'text/plain', 'application/json; charset=x', ''),
    authorization: fc.constantFrom('', 'Bearer', 'Bearer x', `Bearer ${'y'.repeat(4_000)}`, 'Basic eA=='),
    'last-event-id': fc.constantFrom('', '-1', '1e9', 'x'),
    accept: fc.constantFrom('text/event-stream', '*/*'),
    traceparent: fc.constantFrom('', '00-x'),
    'idempotency-key': fc.constantFrom('', 'k', 'z'.repeat(2_000)),
    'content-length': fc.constantFrom('-1', '5', '99999999999', 'x'),
  },
  { requiredKeys: [] },
)

const request = (routes: Route[]) =>
  fc.record({
    route: fc.constantFrom(...routes),
    method: fc.option(fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS')),
    parts: fc.array(fc.oneof(fc.nat(2), word), { minLength: 3, maxLength: 3 }),
    ...{ query, headers, body },
  })
type Fuzzed = Parameters<Parameters<ReturnType<typeof request>['map']>[0]>[0]

function pathOf({ route, parts, query: asked }: Fuzzed): string {
  let part = 0
  const filled = route.path.replace(/:\w+/g, () => {
    const chosen = parts[part++ % parts.length]
    return encodeURIComponent(typeof chosen === 'number' ? (ids[chosen] ?? '') : (chosen ?? '')) || 'x'
  })
  const text = new URLSearchParams(asked).toString()
  return text === '' ? filled : `${filled}?${text}`
}

/** The status; 0 when the parser of HTTP already refused it. The body is looked at only for what it says of failures. */
function send(to: http.RequestOptions, fuzzed: Fuzzed): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = http.request(
      {
        ...to,
        // A connection of its own: what a wrong length leaves on one would be read as a part of the next request.
        agent: false,
        method: fuzzed.method ?? fuzzed.route.method,
        path: pathOf(fuzzed),
        headers: { host: 'localhost', ...fuzzed.headers },
      },
      response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
          // A stream has no end of its own.
          if (response.headers['content-type'] === 'text/event-stream') response.destroy()
        })
        response.on('close', () => resolve({ status: response.statusCode ?? 0, text: text.slice(0, 500) }))
        if (response.headers['content-type']?.includes('event-stream')) response.destroy()
      },
    )
    asked.setTimeout(ANSWER_MS_MAX, () => reject(new Error(`no answer: ${fuzzed.route.method} ${pathOf(fuzzed)}`)))
    asked.on('error', () => resolve({ status: 0, text: '' }))
    // A length that is not that of the body leaves the server waiting; ending the connection is what a caller does then.
    asked.end(fuzzed.body, () => {
      if (fuzzed.headers['content-length'] !== undefined) setTimeout(() => asked.destroy(), PATIENCE_MS)
    })
  })
}

async function attack(routes: Route[], to: () => http.RequestOptions): Promise<Set<number>> {
  const seen = new Set<number>()
  await fc.assert(
    fc.asyncProperty(fc.array(request(routes), { minLength: AT_ONCE, maxLength: AT_ONCE }), async all => {
      const answers = await Promise.all(all.map(async fuzzed => ({ ...(await send(to(), fuzzed)), fuzzed })))
      for (const { status } of answers) seen.add(status)
      expect(answers.filter(({ status }) => status >= 500)).toEqual([])
    }),
    { numRuns: Math.ceil(RUNS / AT_ONCE), seed: SEED, endOnFailure: true },
  )
  return seen
}

describe('nonsense', () => {
  it('knows every route', () => {
    expect(control.length).toBeGreaterThan(25)
    expect(callbacks.length).toBeGreaterThan(5)
  })

  it('sent to the control socket is refused, and the daemon goes on', async () => {
    const { pid } = await home.client.call<{ pid: number }>({ path: '/status' })
    const seen = await attack(control, () => ({ socketPath: home.client.socket }))
    expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404]))
    expect((await home.client.call<{ pid: number }>({ path: '/status' })).pid).toBe(pid)
  }, 2_400_000)

  it('sent to the callback port is refused, and the daemon goes on', async () => {
    const seen = await attack(callbacks, () => ({ host: '127.0.0.1', port }))
    expect([...seen]).toEqual(expect.arrayContaining([401, 404]))
    expect((await tdf(home, 'daemon', 'status')).code).toBe(0)
  }, 2_400_000)

  it('in the configuration is refused with its place', () => {
    const example = exampleToml()
    const edit = fc.record({
      at: fc.nat(example.length),
      cut: fc.nat(60),
      put: fc.oneof(word, fc.constantFrom('[', '"', '=', '\n[runner]\n')),
    })
    const text = fc.oneof(
      fc
        .array(edit, { maxLength: 4 })
        .map(edits =>
          edits.reduce((toml, { at, cut, put }) => toml.slice(0, at) + put + toml.slice(at + cut), example),
        ),
      word,
    )
    const env = fc.dictionary(
      fc.constantFrom('TDF_RUNNER__AGENT', 'TDF_NODES__MAX_NODES', 'TDF_AGENTS__X__TYPE', 'TDF_X__Y', 'TDF___'),
      word,
    )
    fc.assert(
      fc.property(text, env, (toml, environment) => {
        try {
          loadConfig({ file: '/etc/tdf/config.toml', env: environment, readFile: () => ({ text: toml, mode: 0o600 }) })
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(TdfError)
          expect(thrown).toMatchObject({ code: 'CONFIG_INVALID' })
        }
      }),
      { numRuns: Math.ceil(RUNS / 4), seed: SEED },
    )
  }, 600_000)
})
