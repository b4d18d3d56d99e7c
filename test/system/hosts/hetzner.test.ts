/**
 * The whole life of a machine that was ordered for a task, on a real machine: the document that tdf rendered boots it, the
 * daemon is killed twice on the way, the work comes home, and the machine goes when nobody needs it. Meanwhile secrets
 * with a mark on them are looked for wherever they must not be.
 */
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readInstall } from '../../../src/platform/install.ts'
import { agentToken } from '../../../src/platform/tokens.ts'
import { realWorld } from '../../../src/platform/world.ts'
import type { NodeJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { type MachineCloud, openCloud } from './support/cloud.ts'
import type { Machine } from './support/machine.ts'
import { type Metadata, serveMetadata } from './support/metadata.ts'
import { type Found, filesWith, processesWith } from './support/search.ts'

const CLOUD_TOKEN = 'canary-5d0c-of-the-cloud'
const AGENT_KEY = 'canary-91ab-of-an-agent'
const CONFIG = `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
keep_paid_hour = false
setup = "echo set up >> /root/setups"
[nodes]
warm_timeout = "15s"
max_workspaces = 2
heartbeat_interval = "1s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[runner]
provision_poll_interval = "500ms"
agent_poll_interval = "500ms"
reconcile_interval = "2s"
[agents.marked]
type = "command"
command = ["sh"]
env = ["CANARY_KEY"]
[agents.plain]
type = "command"
command = ["sh"]
`

let site: MachineCloud
let metadata: Metadata
let home: Home
let daemon: ChildProcess
let log = ''
/** Command lines that held a secret, at any time that we looked. */
const calledWith = new Set<string>()
let watching: NodeJS.Timeout
const repository = makeRepository()

async function start(): Promise<void> {
  daemon = await home.start({ HCLOUD_TOKEN: CLOUD_TOKEN, HCLOUD_ENDPOINT: site.endpoint, CANARY_KEY: AGENT_KEY })
  for (const stream of [daemon.stdout, daemon.stderr]) stream?.on('data', chunk => (log += chunk))
}

async function killed(): Promise<void> {
  await home.kill(daemon)
  await start()
}

beforeAll(async () => {
  site = await openCloud({ token: CLOUD_TOKEN })
  metadata = await serveMetadata(() => site.ordered[0]?.userData ?? '')
  home = makeHome(CONFIG)
  await start()
  watching = setInterval(() => {
    for (const { words } of processesWith('cmdline', secrets())) calledWith.add(words.join(' '))
  }, 250)
}, 900_000)

afterAll(async () => {
  clearInterval(watching)
  await home?.remove()
  await metadata?.stop()
  await site?.remove()
  repository.remove()
}, 60_000)

const serverName = () => site.ordered[0]?.name ?? ''
const machine = (): Machine => site.machine(serverName())
const nodes = () => home.client.call<NodeJson[]>({ path: '/nodes' })

/** Those of the daemon that no machine may know, and the one by which it is known to its own. */
function secrets(): string[] {
  const { key } = readInstall(path.join(home.dir, 'state'), realWorld({}).random)
  const own = [CLOUD_TOKEN, AGENT_KEY, key.toString('hex'), key.toString('base64')]
  return site.ordered.length === 0 ? own : [...own, agentToken(key, serverName())]
}

/** Runs on when a file of that name appears in the machine's /tmp. */
const untilTold = (name: string) => `touch /tmp/${name}-runs; until [ -e /tmp/${name}-goes ]; do sleep 0.1; done`
const tell = (name: string) => machine().run(`touch /tmp/${name}-goes`)
const isThere = (file: string) => machine().run(`test -e ${file} && echo yes || true`) !== ''

async function submit(agent: string, script: string): Promise<string> {
  const words = ['submit', '--repo', repository.dir, '--agent', agent, '-q', script]
  return (await tdf(home, ...words)).out.trim()
}

const runs = (id: string) => until(`${id} runs`, async () => (await home.task(id)).step === 'running', 90_000)

let first: string

describe('a machine that was ordered for a task', () => {
  it('is made once although the daemon is killed while it boots, and its work comes home although it is killed again', async () => {
    first = await submit('marked', `test -n "$CANARY_KEY" && ${untilTold('first')}; echo made there > NOTES.md`)
    await until('a server is ordered', () => site.ordered.length > 0)
    await killed()
    await runs(first)
    await killed()
    expect(await home.task(first)).toMatchObject({ step: 'running', attempt: 1, node: { name: serverName() } })
    expect(machine().run('cat /root/setups')).toBe('set up\n')
  }, 300_000)

  it('was booted by a document that cloud-init finds without fault', () => {
    expect(machine().run('cloud-init status --wait')).toContain('status: done')
    const document = '/var/lib/cloud/seed/nocloud/user-data'
    expect(machine().run(`cloud-init schema --config-file ${document}`)).toContain('Valid schema')
    const broken = `sed 's/^ssh_pwauth: false/ssh_pwauth: [1]/' ${document} > /root/broken; cloud-init schema --config-file /root/broken 2>&1 || true`
    expect(machine().run(broken)).toContain('ssh_pwauth')
  }, 60_000)

  it('runs a second task beside the first, which sees neither its secrets nor those of the machine', async () => {
    const look = [
      'id -un',
      'env',
      'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"',
      'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" | grep -c "run-[s]ession"',
      'cat /opt/tdf-agent/token /var/lib/tdf-agent/*/* /home/tdf-slot*/* 2>/dev/null',
      'curl -sS -m 5 http://169.254.169.254/latest/user-data 2>&1 || echo no metadata',
      'curl -sS -m 5 http://127.0.0.1:8787/health 2>&1 || echo no agent',
      untilTold('second'),
    ]
    const second = await submit('plain', look.join('; '))
    await until('the second runs', () => isThere('/tmp/second-runs'))
    // The session, and the process that started it and waits for its end.
    const slot = Number(machine().run('id -u tdf-slot1'))
    const isOfFirst = ({ uid, words }: Found) => uid === slot || words.some(word => word.includes(`/${first}-1-1/`))
    const holdersOf = (texts: string[]) => processesWith('environ', texts).filter(({ pid }) => pid !== daemon.pid)
    expect(holdersOf([AGENT_KEY]).length).toBeGreaterThanOrEqual(2)
    expect(holdersOf([AGENT_KEY]).filter(holder => !isOfFirst(holder))).toEqual([])
    expect(holdersOf(secrets().filter(secret => secret !== AGENT_KEY))).toEqual([])
    tell('second')
    expect((await tdf(home, 'wait', second)).code).toBe(0)
    const said = (await tdf(home, 'logs', second)).out
    expect(said).toMatch(/^tdf-slot2\n/)
    // Of processes it sees its own alone, not those that look after it or after the first.
    expect(said).toMatch(/^0$/m)
    expect(said).toMatch(/no metadata\n[\s\S]*no agent\n$/)
    expect(secrets().filter(secret => said.includes(secret))).toEqual([])
    expect(metadata.asked).toEqual([])
    // So it was there to be asked.
    machine().run('curl -sS -m 20 http://169.254.169.254/latest/user-data > /root/metadata 2>&1 &')
    await until('root is told', () => machine().run('cat /root/metadata').includes('#cloud-config'))
  }, 120_000)

  it('is not taken for its own when it shows the host key that it was born with', async () => {
    const key = '/etc/ssh/ssh_host_ed25519_key'
    const [, born = ''] = /ed25519_private: \|\n([\s\S]*?-----END[^\n]*\n)/.exec(site.ordered[0]?.userData ?? '') ?? []
    const lines = born.replace(/^ +/gm, '')
    await home.kill(daemon)
    machine().run(`cp -p ${key} /root/own && cat > ${key} <<'END'\n${lines}END\nsystemctl restart ssh`)
    await start()
    const node = async () => (await nodes()).find(({ name }) => name === serverName())
    await until('it says so', async () =>
      /shows the host key SHA256:.*not SHA256:/.test((await node())?.waitingFor ?? ''),
    )
    // The node is told first; its task hears of it at its own next look.
    await until('its task says so', async () =>
      (await tdf(home, 'why', first)).out.includes('shows the host key SHA256:'),
    )
    expect((await tdf(home, 'errors', '--json')).out).toContain('NODE_KEY_MISMATCH')
    expect(await home.task(first)).toMatchObject({ status: 'in_progress' })
    await home.kill(daemon)
    machine().run(`cp -p /root/own ${key} && systemctl restart ssh`)
    await start()
    tell('first')
    expect((await tdf(home, 'wait', first)).code).toBe(0)
    expect(await home.task(first)).toMatchObject({
      ...{ status: 'completed', verdict: 'unverified', attempt: 1 },
      result: { filesChanged: 1, salvaged: true },
    })
    expect((await tdf(home, 'diff', first)).out).toContain('+made there')
  }, 180_000)

  it('is warm then, and used again', async () => {
    await until('it is warm', async () => (await nodes())[0]?.status === 'warm')
    const third = await submit('plain', 'ls -A $HOME /tmp; true')
    expect((await tdf(home, 'wait', third)).code).toBe(0)
    expect(await home.task(third)).toMatchObject({ verdict: 'no_change', node: { name: serverName() } })
    expect([...site.cloud.made.values()]).toEqual([1])
  }, 120_000)

  it('has told nobody a secret', async () => {
    const own = ['daemon log', log] as const
    const journal = [
      'journal of the machine',
      machine().run('journalctl --no-pager -o export | tr -d "\\000"'),
    ] as const
    const document = ['user_data', site.ordered.map(({ userData }) => userData).join('\n')] as const
    const events = ['events', (await tdf(home, 'events')).out] as const
    const failures = ['errors', (await tdf(home, 'errors', '--json')).out] as const
    for (const [where, text] of [own, journal, document, events, failures]) {
      expect(text.length, where).toBeGreaterThan(0)
      expect(
        secrets().filter(secret => text.includes(secret)),
        where,
      ).toEqual([])
    }
    expect([...calledWith]).toEqual([])
    const [cloud = '', agent = '', hex = '', base64 = '', toAgent = ''] = secrets()
    for (const secret of [cloud, agent, base64]) expect(filesWith(home.dir, secret)).toEqual([])
    expect(filesWith(home.dir, hex)).toEqual(['state/install.json'])
    expect(filesWith(home.dir, toAgent)).toEqual([])
    for (const secret of [cloud, agent, hex, base64]) expect(filesWith(machine().written, secret)).toEqual([])
    expect(filesWith(machine().written, toAgent)).toEqual(['opt/tdf-agent/token'])
    expect(machine().run('stat -c "%U %G %a" /opt/tdf-agent/token')).toBe('root tdf-agent 640\n')
    for (const name of ['admin', 'tunnel']) {
      // Its first lines are the same in every such file.
      const line =
        readFileSync(path.join(home.dir, 'state/ssh', name), 'utf8')
          .split('\n')
          .at(3) ?? ''
      expect(line.length).toBeGreaterThan(20)
      expect(filesWith(machine().written, line)).toEqual([])
    }
  }, 120_000)

  it('goes when its time is over, and nothing of it is left', async () => {
    const name = serverName()
    await until('it is gone', async () => site.cloud.leaks().length === 0 && (await nodes()).length === 0, 120_000)
    expect([...site.cloud.made]).toEqual([[name, 1]])
    expect(site.cloud.requests.length).toBeLessThan(400)
    await until('nothing leads there', () => processesWith('cmdline', [`tdf-${name}`]).length === 0)
    expect(readdirSync(path.join(home.dir, 'state/ssh/nodes'))).toEqual([])
    expect(filesWith(home.dir, CLOUD_TOKEN)).toEqual([])
  }, 180_000)
})
