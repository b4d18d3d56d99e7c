/** The first time that a new machine is spoken to: by the real ssh client, and only with the key that it was born with. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fingerprint, pinHostKeys } from '../../../../src/machines/ssh/host-keys.ts'
import { sshRun } from '../../../../src/machines/ssh/run.ts'
import { type FakeHetzner, fakeHetzner } from '../../../fakes/hetzner/cloud.ts'
import { type Listening, listenHetzner } from '../../../fakes/hetzner/listen.ts'
import { MESSAGE, type SshHost, sshHost } from '../../../fakes/ssh-host.ts'
import { cli } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

const TOKEN = 'token-of-first-dial'
const CONFIG = `[providers.local]
enabled = false
[providers.hetzner]
enabled = true
[runner]
agent_ready_timeout = "4s"
agent_poll_interval = "200ms"
provision_poll_interval = "200ms"
`
let host: SshHost
let cloud: FakeHetzner
let listening: Listening
let home: Home
beforeEach(async () => {
  host = await sshHost()
  cloud = fakeHetzner({ now: Date.now, token: TOKEN, bootMs: 100, deleteMs: 100, born: () => '127.0.0.1' })
  listening = await listenHetzner(cloud)
  home = makeHome(CONFIG)
})
afterEach(async () => {
  await home.remove()
  await listening.stop()
  await host.stop()
})

/** The real client, by another port than that of whoever runs this. */
function clientOfPort(port: number): string {
  const folder = path.join(home.dir, 'bin')
  mkdirSync(folder)
  const search = process.env.PATH ?? ''
  const file = path.join(folder, 'ssh')
  writeFileSync(file, `#!/bin/sh\nPATH='${search}'\nexec ssh -p ${port} "$@"\n`)
  chmodSync(file, 0o755)
  return `${folder}:${search}`
}

const start = () =>
  home.start({ HCLOUD_TOKEN: TOKEN, HCLOUD_ENDPOINT: listening.endpoint, PATH: clientOfPort(host.port) })

it('a machine that shows another key is told nothing, is named, and goes when its time to be ready is over', async () => {
  await start()
  const submitted = await cli(home, 'submit', '--repo', makeRepository().dir, '-q', '--', 'true')
  const id = submitted.out.trim()
  await until('the task says why', async () => (await cli(home, 'why', id)).out.includes('shows the host key'))
  const { out } = await cli(home, 'errors', '--json')
  expect(out).toContain('NODE_KEY_MISMATCH')
  expect(out).toContain(`root@127.0.0.1 shows the host key ${fingerprint(host.hostKey)}, not SHA256:`)
  expect(out).toContain('nothing was sent to it')
  await until('it is removed', () => cloud.leaks().length === 0)
  await until('its task is over', async () => (await home.task(id)).step === null)
  const { verdict, error } = await home.task(id)
  expect([verdict, error?.message]).toEqual(['infrastructure', expect.stringContaining('shows the host key')])
  expect([...cloud.made.values()]).toEqual([1])
  // It was asked for its key, and that was all.
  expect(host.heard.length).toBeGreaterThan(0)
  expect(host.heard.filter(messages => messages.includes(MESSAGE.newKeys))).toEqual([])
})

it('the same machine is believed when its key is the pinned one', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-dial-'))
  const destination = `ssh://root@127.0.0.1:${host.port}`
  const target = { destination, hostKeyAlias: 'tdf-n1', folder, identity: null }
  pinHostKeys(target, [host.hostKey])
  const dialled = sshRun('n1', target, { command: 'true', timeoutMs: 20_000 }).catch((error: Error) => error.message)
  await until('it is believed', () => host.heard.some(messages => messages.includes(MESSAGE.newKeys)))
  await host.stop()
  expect(await dialled).not.toContain('shows the host key')
  rmSync(folder, { recursive: true })
})
