/** What the providers of a configuration are made with. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildProviders } from '../../../../daemon/nodes/reach/providers.ts'
import type { Node } from '../../../../src/core/node.ts'
import { agentToken } from '../../../../src/platform/tokens.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { openStore } from '../../../../src/store/store.ts'
import { aConfig } from '../../../support/builders.ts'

const GENEROUS_MS = 20_000
const { signal } = new AbortController()
const install = { id: 'inst0001', key: Buffer.alloc(32, 7) }
const node = (name: string) => ({ name, address: '192.0.2.7', facts: {} }) as Node
let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tdf-providers-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

interface Built {
  env?: Record<string, string>
  kind?: 'user' | 'system'
  local?: boolean
  hetzner?: object
  world?: object
}

function build({ env = {}, kind = 'user', local = true, hetzner, world = realWorld() }: Built) {
  const defaults = aConfig({ nodes: { maxWorkspaces: 2 } })
  const { providers } = defaults
  const listed = { ...{ name: 'box', url: '', ssh: 'me@box', token: '', tokenFile: '' }, ...{ size: '', location: '' } }
  const config = {
    ...defaults,
    providers: {
      local: { ...providers.local, enabled: local },
      static: { ...providers.static, nodes: [listed] },
      hetzner: { ...providers.hetzner, enabled: hetzner !== undefined, ...hetzner },
    },
  }
  const paths = { kind, stateDir: dir, runDir: path.join(dir, 'run') }
  const agentProgram = path.join(dir, 'agent.mjs')
  const ways = {
    ssh: {
      static: { shell: (name: string, to: string) => ['to', name, to] },
      ordered: { shell: ({ name }: Node) => ['ordered', name], connect: async () => 'by ssh' },
    },
    addedNodes: {
      list: () => [{ ...listed, name: 'added', ssh: 'me@added', maxWorkspaces: 1 }],
      remover: (name: string) => (name === 'added' ? () => {} : undefined),
    },
    hasRow: () => true,
    onResponse() {},
  }
  const options = { world, paths, loaded: { config }, env, agentProgram }
  const built = buildProviders(options as never, install, ways as never)
  return { ...built, ...built.table, config }
}

describe('a local agent that is a service of its own', () => {
  const socket = '/run/agent.sock'
  const tokenOf = async (built: Built, folder: string) => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(path.join(folder, 'agent-token'), 'the token\n')
    const { local } = build(built)
    return (await local?.connect(node('local')))?.token
  }

  it('has the token of the state folder, and a shell of the same user', async () => {
    const env = { TDF_AGENT_SOCKET: socket }
    const { local, rest } = build({ env })
    expect(local?.shell(node('local'))).toEqual(['sh', '-c'])
    expect(local?.staticNodes()).toMatchObject([{ name: 'local', address: socket, maxWorkspaces: 2 }])
    expect(await tokenOf({ env }, dir)).toBe('the token')
    expect(() => rest({ store: openStore(dir, realWorld()) } as never)).not.toThrow()
  })

  it('of the whole machine has that of the credentials of the service, and a shell of the user of the agent', async () => {
    const credentials = path.join(dir, 'credentials')
    const env = { TDF_AGENT_SOCKET: socket, CREDENTIALS_DIRECTORY: credentials }
    const sudo = ['sudo', '-u', 'tdf-agent', 'sh', '-c']
    expect(build({ env, kind: 'system' }).local?.shell(node('local'))).toEqual(sudo)
    expect(build({ env }).local?.shell(node('local'))).toEqual(['sh', '-c'])
    expect(await tokenOf({ env, kind: 'system' }, credentials)).toBe('the token')
    await expect(tokenOf({ env }, credentials)).rejects.toThrow('agent-token')
  })

  it('of the whole machine without credentials is that of the state folder', async () => {
    const env = { TDF_AGENT_SOCKET: socket }
    expect(build({ env, kind: 'system' }).local?.shell(node('local'))).toEqual(['sh', '-c'])
    expect(await tokenOf({ env, kind: 'system' }, dir)).toBe('the token')
  })
})

describe('a local agent that the daemon starts', () => {
  /** Says what it was given, and listens. */
  const PROGRAM = `import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
writeFileSync('given.json', JSON.stringify(process.env))
createServer(socket => socket.end('here')).listen(process.argv[process.argv.indexOf('--listen') + 1].slice(5))
`
  it('has what every program inherits and its limits, and is ended when nothing runs on it', async () => {
    writeFileSync(path.join(dir, 'agent.mjs'), PROGRAM)
    mkdirSync(path.join(dir, 'run'))
    const given = { TZ: 'UTC', SSH_AUTH_SOCK: '/run/keys', LANG: 'C', HTTPS_PROXY: 'http://proxy' }
    const { local, rest, config } = build({ env: { ...given, HCLOUD_TOKEN: 'secret', OTHER: 'x' } })
    const store = openStore(dir, realWorld())
    try {
      await vi.waitFor(
        async () =>
          expect((await local?.ensure(node('local'), signal, { size: false, location: false }))?.state).toBe('up'),
        GENEROUS_MS,
      )
      const got = JSON.parse(readFileSync(path.join(dir, 'given.json'), 'utf8'))
      expect(got).toMatchObject(given)
      expect([got.HCLOUD_TOKEN, got.OTHER]).toEqual([undefined, undefined])
      const { logMaxBytes, salvageMaxBytes } = config.results
      expect([got.TDF_LOG_MAX_BYTES, got.TDF_SALVAGE_MAX_BYTES]).toEqual([`${logMaxBytes}`, `${salvageMaxBytes}`])

      const place = `insert into workspaces (id, task_id, attempt, placement, node_name, status, created_at)
        values ('w1', 't1', 1, 1, ?, 'ready', 1)`
      store.sql.run(place, 'local')
      rest({ store } as never)
      // After a SIGTERM, which is not handled, it would answer nobody.
      expect(await hear(path.join(dir, 'run', 'agent.sock'))).toBe('here')
      store.sql.run("update workspaces set node_name = 'box'")
      rest({ store } as never)
      await vi.waitFor(() => expect(isRunning()).toBe(false), GENEROUS_MS)
    } finally {
      store.sql.close()
      if (isRunning()) process.kill(identity().pid)
    }
  })

  const hear = async (socket: string) => {
    let heard = ''
    for await (const chunk of connect(socket)) heard += chunk
    return heard
  }
  const identity = () => JSON.parse(readFileSync(path.join(dir, 'agent-process.json'), 'utf8'))
  function isRunning(): boolean {
    if (!existsSync(path.join(dir, 'agent-process.json'))) return false
    try {
      process.kill(identity().pid, 0)
      return true
    } catch {
      return false
    }
  }
})

describe('nodes of a configuration', () => {
  it('are listed with those that were added by hand, which alone can be forgotten', () => {
    const { table } = build({})
    expect(table.static?.staticNodes()).toEqual([
      { name: 'box', size: null, location: null, address: 'me@box', maxWorkspaces: 2 },
      {
        name: 'added',
        size: null,
        location: null,
        address: 'me@added',
        maxWorkspaces: 1,
        forget: expect.any(Function),
      },
    ])
    expect(table.static?.shell(node('box'))).toEqual(['to', 'box', 'me@box'])
    expect(table.local?.staticNodes()).toMatchObject([{ name: 'local', maxWorkspaces: 2 }])
  })
})

describe('machines at Hetzner', () => {
  it('are reached by ssh, or directly with the token of each', async () => {
    const bySsh = build({ hetzner: { transport: 'ssh' } }).table.hetzner
    expect(bySsh?.shell(node('m1'))).toEqual(['ordered', 'm1'])
    const direct = build({ hetzner: { transport: 'direct' } }).table.hetzner
    expect(direct?.shell(node('m1'))).toBeNull()
    expect(await direct?.connect(node('m1'))).toMatchObject({ token: agentToken(install.key, 'm1') })
  })

  it('are asked for with the token of the configuration, and every request is told of', async () => {
    const asked: string[] = []
    const fetch = async (url: URL | string, { headers }: RequestInit) => {
      asked.push(`${url} ${new Headers(headers).get('authorization')}`)
      return new Response(JSON.stringify({ servers: [], meta: { pagination: { next_page: null } } }))
    }
    const env = { HCLOUD_TOKEN: 'letters' }
    const { table } = build({ env, world: { ...realWorld(), fetch }, hetzner: { endpoint: 'http://cloud.test/v1' } })
    expect(await table.hetzner?.fleet?.list(signal)).toEqual([])
    expect(asked).toEqual([expect.stringMatching(/^http:\/\/cloud\.test\/v1\/servers\?.*inst0001.* Bearer letters$/)])
    mkdirSync(path.join(dir, 'secrets'))
    writeFileSync(path.join(dir, 'secrets', 'HCLOUD_TOKEN'), 'kept')
    const kept = build({ world: { ...realWorld(), fetch }, hetzner: {} }).table
    await kept.hetzner?.fleet?.list(signal)
    expect(asked[1]).toMatch(/ Bearer kept$/)
  })
})
