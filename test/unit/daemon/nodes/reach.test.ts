/** The ways to nodes: boxes that were added by hand, nodes that were taken out, keys and names by which machines are known. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAddedNodes } from '../../../../daemon/nodes/reach/added-nodes.ts'
import { leftNodes } from '../../../../daemon/nodes/reach/left-nodes.ts'
import { buildProviders } from '../../../../daemon/nodes/reach/providers.ts'
import { createSshConnections } from '../../../../daemon/nodes/reach/ssh.ts'
import { fingerprint, pinnedHostKeys } from '../../../../src/machines/ssh/host-keys.ts'
import type { SshTarget } from '../../../../src/machines/ssh/target.ts'
import { VERSION } from '../../../../src/platform/version.ts'
import { readNode } from '../../../../src/store/tables/nodes.ts'
import { sshHost } from '../../../fakes/ssh-host.ts'
import { simWorld, timeline } from '../../../fakes/world.ts'
import { aConfig } from '../../../support/builders.ts'
import { lives } from '../../../support/daemon/lives.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tdf-reach-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const targetOf = (name: string, destination: string): SshTarget => ({
  destination,
  identity: null,
  hostKeyAlias: `tdf-${name}`,
  folder: path.join(dir, 'ssh', name),
})
const hostKey = `ssh-ed25519 ${Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20'.padEnd(51, 'k'), 'latin1').toString('base64')}`
const box = { name: 'box', ssh: 'root@box', hostKey, size: undefined, location: 'here', maxWorkspaces: 2 }

describe('a box that is added by hand', () => {
  it('is a node at once, known by the key that was confirmed, and is still there after a restart', async () => {
    const all = await lives()
    try {
      const { engine } = all.life
      const added = createAddedNodes(dir, targetOf)
      expect(added.list()).toEqual([])
      await added.add(engine, box as never)
      const entry = { name: 'box', url: '', ssh: 'root@box', token: '', tokenFile: '', size: '', location: 'here' }
      expect(added.list()).toEqual([{ ...entry, maxWorkspaces: 2 }])
      expect(createAddedNodes(dir, targetOf).list()).toEqual(added.list())
      const node = readNode(engine.store.sql, 'box')
      const about = { provider: 'static', autoProvisioned: false, size: null, location: 'here', address: 'root@box' }
      expect(node).toMatchObject({ ...about, maxWorkspaces: 2, wakeAt: all.life.world.clock.now() })
      expect(pinnedHostKeys(targetOf('box', 'root@box'))).toEqual([hostKey])
      expect(engine.loop.knows('node:box')).toBe(true)
      const again = expect.objectContaining({ code: 'WRONG_STATE', hint: 'tdf node show box' })
      await expect(added.add(engine, box as never)).rejects.toThrow(again)
      const plain = { ...box, name: 'plain', location: undefined, maxWorkspaces: undefined }
      await added.add(engine, plain as never)
      const { maxWorkspaces } = engine.config.nodes
      expect(readNode(engine.store.sql, 'plain')).toMatchObject({ size: null, location: null, maxWorkspaces })
    } finally {
      all.end()
    }
  })

  it('has to have a key of a kind that ssh uses', async () => {
    const all = await lives()
    try {
      const added = createAddedNodes(dir, targetOf)
      const refused = expect.objectContaining({
        code: 'BAD_REQUEST',
        message: 'hostKey: no key of a kind that ssh uses',
      })
      await expect(added.add(all.life.engine, { ...box, hostKey: 'no key' } as never)).rejects.toThrow(refused)
      expect([added.list(), readNode(all.life.engine.store.sql, 'box')]).toEqual([[], undefined])
    } finally {
      all.end()
    }
  })

  it('is taken off the list alone, with what is known of the way to it', async () => {
    const all = await lives()
    try {
      const added = createAddedNodes(dir, targetOf)
      await added.add(all.life.engine, box as never)
      await added.add(all.life.engine, { ...box, name: 'other' } as never)
      expect(added.remover('nobody')).toBeUndefined()
      const remove = added.remover('box')
      remove?.()
      expect(remove).not.toThrow()
      expect(added.list().map(({ name }) => name)).toEqual(['other'])
      expect(['box', 'other'].map(name => existsSync(targetOf(name, '').folder))).toEqual([false, true])
      expect(createAddedNodes(dir, targetOf).list()).toEqual(added.list())
    } finally {
      all.end()
    }
  })

  it('is asked for its key first, and nothing of that is kept', async () => {
    const host = await sshHost()
    try {
      const added = createAddedNodes(dir, targetOf)
      const scanned = await added.scan(`ssh://root@127.0.0.1:${host.port}`)
      expect(scanned).toEqual({ hostKey: host.hostKey, fingerprint: fingerprint(host.hostKey) })
      expect(existsSync(targetOf('.scan-1', '').folder)).toBe(false)
      await host.stop()
      const silent = expect.objectContaining({ code: 'NODE_UNREACHABLE' })
      await expect(added.scan(`ssh://root@127.0.0.1:${host.port}`)).rejects.toThrow(silent)
      expect(existsSync(targetOf('.scan-2', '').folder)).toBe(false)
    } finally {
      await host.stop()
    }
  })
})

describe('a node that was taken out of the configuration', () => {
  const entry = (name: string) => ({ name, url: `http://${name}`, ssh: '', token: 't' }) as never
  const names = (nodes: readonly { name: string }[]) => nodes.map(({ name }) => name)

  it('is still known as it was last reached, as long as the database knows it', () => {
    expect(leftNodes(dir, [entry('a'), entry('b'), entry('c')], () => true)).toEqual([])
    const left = leftNodes(dir, [entry('a')], name => name !== 'c')
    expect(left).toEqual([entry('b')])
    expect(names(leftNodes(dir, [entry('a')], () => true))).toEqual(['b'])
    expect(leftNodes(dir, [entry('a')], () => false)).toEqual([])
    expect(leftNodes(dir, [entry('a')], () => true)).toEqual([])
    expect(leftNodes(dir, [entry('a'), entry('b')], () => true)).toEqual([])
  })

  it('whose file is damaged are not forgotten: it is named, with what to do', () => {
    const file = path.join(dir, 'configured-nodes.json')
    writeFileSync(file, '[{"name":')
    expect(() => leftNodes(dir, [entry('a')], () => true)).toThrow(expect.objectContaining({ code: 'STATE_CORRUPT' }))
    expect(readFileSync(file, 'utf8')).toBe('[{"name":')
  })

  it('is written down only when something has changed', () => {
    leftNodes(dir, [entry('a')], () => true)
    const file = path.join(dir, 'configured-nodes.json')
    const { ino } = statSync(file)
    leftNodes(dir, [entry('a')], () => true)
    expect(statSync(file).ino).toBe(ino)
    leftNodes(dir, [entry('b')], () => true)
    expect(names(JSON.parse(readFileSync(file, 'utf8')))).toEqual(['b', 'a'])
  })
})

describe('the providers', () => {
  const names = (providers: object, env: object = {}) => {
    const config = aConfig()
    Object.assign(config.providers.local, { enabled: false }, 'local' in providers ? providers.local : {})
    Object.assign(config.providers.hetzner, { enabled: false }, 'hetzner' in providers ? providers.hetzner : {})
    const paths = { kind: 'user', stateDir: dir, runDir: path.join(dir, 'run') }
    const options = { world: simWorld(timeline()), paths, loaded: { config }, env, agentProgram: '/nowhere' }
    const install = { id: 'inst0001', key: Buffer.alloc(32, 7) }
    const ways = {
      ssh: { static: {}, ordered: {} },
      addedNodes: createAddedNodes(dir, targetOf),
      hasRow: () => false,
      onResponse() {},
    }
    return Object.keys(buildProviders(options as never, install, ways as never).table).sort()
  }

  it('are those that are switched on, and static nodes always', () => {
    expect(names({})).toEqual(['static'])
    expect(names({}, { TDF_AGENT_SOCKET: '/run/agent' })).toEqual(['static'])
    expect(names({ local: { enabled: true } })).toEqual(['local', 'static'])
    expect(names({ local: { enabled: true } }, { TDF_AGENT_SOCKET: '/run/agent' })).toEqual(['local', 'static'])
    expect(names({ hetzner: { enabled: true } })).toEqual(['hetzner', 'static'])
  })
})

describe('a machine that is reached by ssh', () => {
  const node = { name: 'm1', address: '192.0.2.7', maxWorkspaces: 2, facts: {} } as never
  function connections() {
    const paths = { stateDir: dir, runDir: path.join(dir, 'run') }
    const config = aConfig()
    return createSshConnections({
      world: simWorld(timeline()),
      paths,
      loaded: { config },
      agentProgram: '/nowhere',
      install: { id: 'inst0001', key: Buffer.alloc(32, 7) },
      callback: () => ({ host: '127.0.0.1', port: 1 }),
      onDown() {},
    } as never)
  }

  it('is known by its name, never by its address, and by keys of its own', () => {
    const { static: boxes, ordered } = connections()
    expect(boxes.target('box', 'me@box')).toEqual({
      destination: 'me@box',
      identity: null,
      hostKeyAlias: 'tdf-box',
      folder: path.join(dir, 'ssh', 'nodes', 'box'),
    })
    const shell = boxes.shell('box', 'me@box')
    expect([shell[0], ...shell.slice(-3)]).toEqual(['ssh', '-t', '--', 'me@box'])
    expect(shell).toContain('HostKeyAlias=tdf-box')
    expect(shell).not.toContain(path.join(dir, 'ssh', 'admin'))
    const root = ordered.shell(node)
    expect(root.at(-1)).toBe('root@192.0.2.7')
    expect(root).toContain('HostKeyAlias=tdf-m1')
    expect(root).toContain(path.join(dir, 'ssh', 'admin'))
  })

  it('is told at its first boot who may come, and which key it has', async () => {
    const { ordered } = connections()
    const text = await ordered.userData(node)
    const admin = await ordered.publicKey()
    expect(admin).toMatch(/^ssh-ed25519 \S+ tdf-inst0001$/)
    expect(await ordered.publicKey()).toBe(admin)
    expect(text).toContain('tdf-tunnel-inst0001')
    const [pinned] = pinnedHostKeys(connections().static.target('m1', ''))
    expect(pinned).toMatch(/^ssh-ed25519 /)
    expect(text).toContain(String(pinned).split(' ')[1])
  })

  it('is forgotten with its keys, and with nothing of another', async () => {
    const { ordered, closeAll } = connections()
    await ordered.userData(node)
    mkdirSync(path.join(dir, 'ssh', 'nodes', 'm2'))
    ordered.hangUp(node)
    ordered.forget(node)
    expect(['m1', 'm2'].map(name => existsSync(path.join(dir, 'ssh', 'nodes', name)))).toEqual([false, true])
    expect(existsSync(path.join(dir, 'ssh', 'admin.pub')) || existsSync(path.join(dir, 'ssh', 'tunnel'))).toBe(true)
    closeAll()
  })

  it('is not outdated while nothing is known of its agent, or when that is as new as we are', () => {
    const { static: boxes, ordered } = connections()
    const of = (agentVersion?: string) => ({ facts: agentVersion === undefined ? {} : { agentVersion } }) as never
    expect([of(), of(VERSION), of('999.0.0')].map(boxes.isOutdated)).toEqual([false, false, false])
    expect(ordered.isOutdated(of(VERSION))).toBe(false)
  })
})
