/** Connections to machines by ssh: over a program in the place of the ssh client, which notes what it is asked for. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSshConnections, type SshConnections } from '../../../../daemon/nodes/reach/ssh.ts'
import { agentToken } from '../../../../src/platform/tokens.ts'
import { VERSION } from '../../../../src/platform/version.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { aConfig } from '../../../support/builders.ts'

const GENEROUS_MS = 20_000
const install = { id: 'inst0001', key: Buffer.alloc(32, 7) }
const searchPath = process.env.PATH
const config = aConfig({ nodes: { maxWorkspaces: 2 } })
let dir: string
let all: SshConnections
let down: string[]

/** What the machine says of itself: not prepared yet, and with an agent that listens once it is started. */
const INSPECTION = ['isSystem=yes', 'base=/base', 'state=/state', 'nodeVersion=v22.1.0', 'address=127.0.0.1:8787']
const CLIENT = `#!/bin/sh
printf '%s\\n' "$*" >> calls
control= previous=
for word; do [ "$previous" = -S ] && control=$word; previous=$word; done
case "$*" in
*' -O forward -R '*) echo 4242 ;;
*' -O forward '*) ;;
*' -M -S '*) : > "$control"; exec sleep 600 ;;
*isSystem=*) printf '%s\\n' ${INSPECTION.join(' ')} ;;
*) { printf '\\n<'; cat; } >> input ;;
esac
`

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tdf-ssh-'))
  const bin = path.join(dir, 'bin')
  mkdirSync(bin)
  writeFileSync(path.join(bin, 'ssh'), CLIENT)
  chmodSync(path.join(bin, 'ssh'), 0o755)
  writeFileSync(path.join(dir, 'agent.mjs'), 'the program of the agent')
  process.env.PATH = `${bin}:${searchPath}`
  down = []
  all = connections('')
})
afterEach(() => {
  all.closeAll()
  process.env.PATH = searchPath
  rmSync(dir, { recursive: true, force: true })
})

function connections(setup: string): SshConnections {
  const { providers, agents } = config
  const first = Object.keys(agents)[0] ?? ''
  const loaded = {
    config: {
      ...config,
      providers: { ...providers, hetzner: { ...providers.hetzner, setup } },
      agents: { ...agents, [first]: { ...agents[first], install: 'install the first agent' } },
    },
  }
  return createSshConnections({
    world: realWorld(),
    paths: { stateDir: dir, runDir: path.join(dir, 'run') },
    loaded,
    agentProgram: path.join(dir, 'agent.mjs'),
    install,
    callback: () => ({ host: '127.0.0.1', port: 7433 }),
    onDown: (name: string) => down.push(name),
  } as never)
}

const folderOf = (name: string) => path.join(dir, 'ssh', 'nodes', name)
const read = (name: string, file: string) => readFileSync(path.join(folderOf(name), file), 'utf8')
/** The command lines, which hold line breaks of their own; each begins with options. */
const calls = (name: string) => read(name, 'calls').split(/^(?=-[oF] )/m)
const masters = (name: string) => calls(name).filter(call => call.includes(' -M -S '))
const controlOf = (name: string) => / -S (\S+) /.exec(masters(name).at(-1) ?? '')?.[1] ?? ''
const machine = (change = {}) => ({ name: 'm1', address: '192.0.2.7', maxWorkspaces: 1, facts: {}, ...change }) as never

describe('a box that is reached by ssh', () => {
  it('is prepared as the configuration says, by the way of its user', async () => {
    const line = await all.static.connect('box', 'me@box')
    expect([line.token, line.callbackUrl]).toEqual([agentToken(install.key, 'box'), 'http://127.0.0.1:4242'])
    expect(calls('box').every(call => call.includes(' -- me@box'))).toBe(true)
    expect(calls('box').some(call => call.startsWith('-F'))).toBe(false)
    const input = read('box', 'input')
    expect(input).toContain('the program of the agent')
    expect(input).toContain(`<${line.token}`)
    expect(input.match(/<install the first agent/g)).toHaveLength(1)
    expect(input).toContain('tdf-slot3')
    expect(input).not.toContain('tdf-slot4')
    expect(input).not.toContain('/etc/ssh/tdf-tunnel.keys')
    const { logMaxBytes, salvageMaxBytes } = config.results
    const settings = `TDF_LOG_MAX_BYTES=${logMaxBytes} TDF_SALVAGE_MAX_BYTES=${salvageMaxBytes}`
    expect(calls('box').filter(call => call.includes(`'box' '${settings}'`))).toHaveLength(1)
    expect(calls('box').filter(call => call.includes(VERSION))).not.toEqual([])
    // One script alone has a name of an agent: those without a text are not run.
    expect(calls('box').filter(call => /'install-[a-z]+-[0-9a-f]{12}'/.test(call))).toHaveLength(1)
    expect(calls('box').filter(call => call.includes("'setup-"))).toEqual([])
  })

  it('is dialled once, anew when that connection was closed, and by another link at another address', async () => {
    const line = await all.static.connect('box', 'me@box')
    expect(await all.static.connect('box', 'me@box')).toBe(line)
    expect(masters('box')).toHaveLength(1)
    const control = controlOf('box')
    expect(path.dirname(control)).toBe(path.join(dir, 'run', 'ssh'))
    expect(path.basename(control)).toMatch(/^[0-9a-f]{10}\.c$/)
    expect(calls('box').filter(call => call.includes(`${control.slice(0, -2)}.a:127.0.0.1:8787`))).toHaveLength(1)
    expect(existsSync(control)).toBe(true)
    all.static.hangUp('nobody')
    expect(existsSync(control)).toBe(true)
    all.static.hangUp('box')
    expect(existsSync(control)).toBe(false)
    await all.static.connect('box', 'me@box')
    const before = masters('box')
    expect(before).toHaveLength(2)
    const child = JSON.parse(read('box', 'master.json')).pid as number
    await all.static.connect('box', 'me@elsewhere')
    expect(masters('box').slice(2)).toEqual([expect.stringContaining(' -- me@elsewhere')])
    await vi.waitFor(() => expect(isRunning(child)).toBe(false), GENEROUS_MS)
    expect(down).toEqual([])
  })

  it('is told of when its connection ends by itself, and closed with all others', async () => {
    await all.static.connect('box', 'me@box')
    process.kill(JSON.parse(read('box', 'master.json')).pid, 'SIGKILL')
    await vi.waitFor(() => expect(down).toEqual(['box']), GENEROUS_MS)
    await all.static.connect('box', 'me@box')
    await all.static.connect('other', 'me@other')
    const controls = ['box', 'other'].map(controlOf)
    expect(new Set(controls).size).toBe(2)
    all.closeAll()
    expect(controls.map(control => existsSync(control))).toEqual([false, false])
    expect(down).toEqual(['box'])
  })
})

describe('what is done on a machine before its agent answers', () => {
  /** A client that takes some of an upload, or none of a script, and goes on once the file `go` is there. */
  function holdAt(command: string): { goOn(): void } {
    const hold = `head -c 1000000 > /dev/null; until [ -e ${dir}/go ]; do sleep 0.02; done; cat > /dev/null`
    writeFileSync(path.join(dir, 'bin', 'ssh'), CLIENT.replace('*) {', `*${command}*) ${hold} ;;\n*) {`))
    return { goOn: () => writeFileSync(path.join(dir, 'go'), '') }
  }

  it('is told with bytes and percent while the agent is uploaded, and not any more after that', async () => {
    writeFileSync(path.join(dir, 'agent.mjs'), Buffer.alloc(3_000_000, 'x'))
    const { goOn } = holdAt('sha256sum\\ -c')
    const doing = () => all.ordered.doing(machine()) ?? ''
    expect(doing()).toBe('')
    const connected = all.ordered.connect(machine())
    await vi.waitFor(() => expect(doing()).toMatch(/^uploading the agent, 1\.\d of 3\.0 MB \([34]\d %\)$/), GENEROUS_MS)
    goOn()
    await connected
    expect(doing()).toBe('')
  })

  it('is told by the name of the script that runs there', async () => {
    const { goOn } = holdAt('done.lock')
    const connected = all.static.connect('box', 'me@box')
    await vi.waitFor(() => expect(all.static.doing('box')).toMatch(/^running install-[a-z]+$/), GENEROUS_MS)
    goOn()
    await connected
    expect([all.static.doing('box'), all.static.doing('another')]).toEqual([null, null])
  })

  it('is told while it is installed', async () => {
    const { goOn } = holdAt('me@box\\ sh\\ -s')
    const connected = all.static.connect('box', 'me@box')
    await vi.waitFor(() => expect(all.static.doing('box')).toBe('installing what an agent needs'), GENEROUS_MS)
    goOn()
    await connected
  })
})

describe('a machine that tdf ordered', () => {
  it('is prepared as root, and its connection is that of a user who may do nothing else', async () => {
    await all.ordered.connect(machine())
    const [asRoot, asTunnel] = [' -- root@192.0.2.7', ' -- tdf-tunnel@192.0.2.7']
    const prepares = calls('m1').filter(call => call.includes(' -T -- '))
    expect(prepares.filter(call => call.includes(' -N -T -- '))).toEqual([expect.stringContaining(asTunnel)])
    const commands = prepares.filter(call => !call.includes(' -N -T -- '))
    expect(commands.every(call => call.includes(asRoot) && call.includes(`-i ${dir}/ssh/admin `))).toBe(true)
    expect(masters('m1').every(call => call.includes(`-i ${dir}/ssh/tunnel `))).toBe(true)
    const input = read('m1', 'input')
    const [key] = / (\S+) tdf-tunnel-inst0001/.exec(readFileSync(path.join(dir, 'ssh', 'tunnel.pub'), 'utf8')) ?? []
    expect(input).toContain(String(key))
    for (const file of [
      '/etc/ssh/sshd_config.d/10-tdf.conf',
      '/etc/ssh/tdf-tunnel.keys',
      '/etc/apt/apt.conf.d/99tdf',
    ]) {
      expect(input).toContain(file)
    }
    expect(input).toMatch(/useradd.*tdf-tunnel|tdf-tunnel.*useradd/s)
    expect(input).toContain('tdf-slot2')
    expect(input).not.toContain('tdf-slot3')
    expect(calls('m1').filter(call => /'(setup|install-[a-z]+)-[0-9a-f]{12}'/.test(call))).toHaveLength(1)
  })

  it('runs the script of its provider before those of the agents', async () => {
    all = connections('set the machine up')
    await all.ordered.connect(machine())
    const input = read('m1', 'input')
    expect(input.indexOf('<set the machine up')).toBeGreaterThan(0)
    expect(input.indexOf('<install the first agent')).toBeGreaterThan(input.indexOf('<set the machine up'))
    expect(calls('m1').filter(call => /'setup-[0-9a-f]{12}'/.test(call))).toHaveLength(1)
  })

  it('is hung up by its name, and a machine of that name that was forgotten is another one', async () => {
    await all.ordered.connect(machine())
    const control = controlOf('m1')
    all.ordered.hangUp(machine({ name: 'm2' }))
    expect(existsSync(control)).toBe(true)
    all.ordered.hangUp(machine())
    expect(existsSync(control)).toBe(false)
    all.ordered.forget(machine())
    expect(existsSync(folderOf('m1'))).toBe(false)
    await all.ordered.connect(machine())
    expect(masters('m1')).toHaveLength(1)
  })

  it('has a first-boot document with as many slots as it has workspaces, and one more', async () => {
    const text = await all.ordered.userData(machine())
    expect(text).toContain('tdf-slot2')
    expect(text).not.toContain('tdf-slot3')
    const shell = all.ordered.shell(machine({ address: null }))
    expect(shell.at(-1)).toBe('root@')
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
