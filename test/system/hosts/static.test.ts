/** Boxes of one's own, reached by ssh: what tdf brings there, who runs what, and how the work comes home. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { type Box, openBox } from './support/box.ts'
import type { Machine } from './support/machine.ts'
import { openSite, type Site } from './support/site.ts'

const CONFIG = `[providers.local]
enabled = false
[nodes]
heartbeat_interval = "1s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[agents.mine]
type = "command"
command = ["sh", "-c"]
install = "echo installed >> /root/installs 2>/dev/null || echo installed >> ~/installs"
`
let site: Site
let machine: Machine
let home: Home
let box: Box
let fingerprint: string
const repository = makeRepository()

const nodeOf = (name: string) => home.client.call<NodeJson>({ path: `/nodes/${name}` })

beforeAll(async () => {
  site = openSite()
  home = makeHome(CONFIG)
  box = await openBox(site, home.dir)
  const { machine: made, fingerprint: known, env } = box
  machine = made
  fingerprint = known
  await home.start(env)
}, 900_000)

afterAll(async () => {
  await home?.remove()
  box?.remove()
  await site?.remove()
  repository.remove()
}, 60_000)

const submit = (node: string, command: string) =>
  tdf(home, 'submit', '--repo', repository.dir, '--node', node, '--wait', '--json', '--', 'sh', '-c', command)

const logs = async (task: string) => (await tdf(home, 'logs', task)).out

describe('a box of your own', () => {
  it('is refused when its host key is not the one that was given', async () => {
    const wrong = `SHA256:${'A'.repeat(43)}`
    const added = await tdf(home, 'node', 'add', `root@${machine.address}`, '--name', 'box', '--host-key', wrong)
    expect([added.code, added.err]).toEqual([4, expect.stringContaining(fingerprint)])
    expect((await tdf(home, 'node', 'ls', '--json')).out).not.toContain('box')
  }, 60_000)

  it('becomes a node whose sessions run as users of their own, without reach to what is not theirs', async () => {
    const added = await tdf(home, 'node', 'add', `root@${machine.address}`, '--name', 'box', '--host-key', fingerprint)
    expect(added).toMatchObject({ code: 0 })
    await until('the node is ready', async () => (await nodeOf('box')).status === 'ready', 120_000)
    const command = [
      'id -un; echo home=$HOME; ls -A $HOME | wc -l',
      'cat /opt/tdf-agent/token 2>&1; ls /var/lib/tdf-agent/workspaces 2>&1',
      'curl -sS -m 5 http://127.0.0.1:8787/health 2>&1',
      'grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status',
      'touch $HOME/left /tmp/left-by-slot; setsid -f sleep 1000',
      'echo work > NOTES.md',
    ].join('; ')
    const ran = await submit('box', command)
    const task = JSON.parse(ran.out)
    expect([ran.code, task.verdict, task.node.name]).toEqual([0, 'unverified', 'box'])
    const said = await logs(task.id)
    expect(said).toMatch(/^tdf-slot\d\nhome=\/home\/tdf-slot\d\n0\n/)
    expect(said).toContain('/opt/tdf-agent/token: Permission denied')
    expect(said).toContain("cannot open directory '/var/lib/tdf-agent/workspaces': Permission denied")
    expect(said).toMatch(/curl: \(7\)/)
    expect(said).toContain('CapEff:\t0000000000000000')
    expect(said).toContain('NoNewPrivs:\t1')
    await until('the slot is clean', () => machine.run('ls -A /home/tdf-slot1; ls /tmp').trim().indexOf('left') === -1)
    expect(machine.run('pgrep -u tdf-slot1,tdf-slot2,tdf-slot3,tdf-slot4 || true')).toBe('')
    expect(machine.run('cat /root/installs')).toBe('installed\n')
  }, 180_000)

  it('goes on with its run when its agent is killed, and is found again after its machine lost its power', async () => {
    const submitted = await tdf(home, 'submit', '--repo', repository.dir, '--node', 'box', '-q', '--', 'sleep', '8')
    const id = submitted.out.trim()
    await until('the command runs', async () => (await home.task(id)).step === 'running', 60_000)
    machine.run('systemctl kill -s KILL --kill-whom=main tdf-agent.service')
    expect((await tdf(home, 'wait', id)).code).toBe(0)
    await machine.powerOff()
    machine.boot()
    const after = await submit('box', 'true')
    expect([after.code, JSON.parse(after.out).verdict]).toEqual([0, 'no_change'])
  }, 180_000)

  it('is reached as an ordinary user with Node, without systemd or root', async () => {
    const target = `ci@${machine.address}`
    expect((await tdf(home, 'node', 'add', target, '--name', 'ci', '--host-key', fingerprint)).code).toBe(0)
    const ran = await submit('ci', 'id -un > NOTES.md; cat NOTES.md')
    const task = JSON.parse(ran.out)
    expect([ran.code, task.result.filesChanged]).toEqual([0, 1])
    expect(await logs(task.id)).toBe('ci\n')
  }, 180_000)

  it('gets an agent of this version when it has an older one, and keeps a newer one', async () => {
    const base = '/home/ci/.local/share/tdf-agent'
    const version = () => readFileSync(path.join(machine.root, base, 'version'), 'utf8').trim()
    const current = version()
    // The agent dies and another version lies in its place.
    const become = (other: string) =>
      machine.run(
        `cd ${base} && sed 's/"${current}"/"${other}"/g' "$(readlink current.mjs)" > other.mjs && ln -sfn other.mjs current.mjs && echo ${other} > version && pkill -u ci -f current.mjs`,
      )
    become('0.0.9')
    await until('it has an agent of this version again', () => version() === current, 60_000)
    expect((await submit('ci', 'true')).code).toBe(0)
    become('9.9.9')
    expect((await submit('ci', 'true')).code).toBe(0)
    expect(version()).toBe('9.9.9')
  }, 180_000)

  it('is opened by a shell as the user of its workspace', async () => {
    const submitted = await tdf(home, 'submit', '--repo', repository.dir, '--node', 'box', '-q', '--', 'sleep', '60')
    const id = submitted.out.trim()
    await until('the command runs', async () => (await home.task(id)).step === 'running', 60_000)
    const { command } = await home.client.call<{ command: string[] }>({ path: `/tasks/${id}/shell` })
    const [file = '', ...args] = command
    const env = { PATH: process.env.PATH, HOME: home.dir, ...box.env }
    const said = execFileSync(file, args, { env, input: 'id -un; pwd; exit\n' }).toString()
    expect(said).toMatch(/tdf-slot\d/)
    expect(said).toContain('/work')
    await tdf(home, 'cancel', id)
  }, 120_000)

  it('is forgotten when it is removed', async () => {
    expect((await tdf(home, 'node', 'rm', 'ci')).code).toBe(0)
    expect((await tdf(home, 'node', 'ls', '-q')).out).toBe('box\n')
  }, 60_000)
})
