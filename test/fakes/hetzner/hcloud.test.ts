/**
 * Debian's own hcloud client drives the fake: what it understands, the API would have said. Where it is not
 * installed only the shapes are looked at.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeHetzner, fakeHetzner } from './cloud.ts'
import { type Listening, listenHetzner } from './listen.ts'

const HCLOUD = '/usr/bin/hcloud'
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Lvbx0Hq3yQb6oJ8c6aT6aVq0f8k6U8w1S5mC3qWJz tdf'
// The client refuses a token that is not 64 characters long.
const token = 'a'.repeat(64)

let cloud: FakeHetzner
let listening: Listening
beforeAll(async () => {
  cloud = fakeHetzner({ now: Date.now, bootMs: 300, deleteMs: 300, token })
  listening = await listenHetzner(cloud)
})
afterAll(() => listening.stop())

const isInstalled = (() => {
  try {
    accessSync(HCLOUD, constants.X_OK)
    return true
  } catch {
    return false
  }
})()

async function hcloud(...args: string[]): Promise<string> {
  const env = { HCLOUD_TOKEN: token, HCLOUD_ENDPOINT: listening.endpoint, HOME: '/nonexistent' }
  return (await promisify(execFile)(HCLOUD, args, { env, timeout: 60_000 })).stdout
}
const refusal = (promise: Promise<string>) => promise.then(String, error => String(error.stderr))

if (isInstalled) describe('the hcloud client', judge)

function judge() {
  it('makes a server, waits for its actions, lists it by its labels, and deletes it', async () => {
    await hcloud('ssh-key', 'create', '--name', 'k', '--public-key', KEY)
    const labels = ['--label', 'tdf-install=i1', '--label', 'tdf-node=one']
    const what = ['--name', 'one', '--type', 'cx23', '--image', 'debian-13', '--location', 'nbg1', '--ssh-key', 'k']
    await hcloud('server', 'create', ...what, ...labels)
    expect(cloud.byName('one')).toMatchObject({ location: 'nbg1', sshKeys: [[...cloud.model.keys.keys()][0]] })
    const list = JSON.parse(await hcloud('server', 'list', '-l', 'tdf-install=i1,tdf-node in (one,two)', '-o', 'json'))
    expect(list).toMatchObject([{ name: 'one', status: 'running', labels: { 'tdf-node': 'one' } }])
    expect(await hcloud('server', 'list', '-l', 'tdf-install!=i1', '-o', 'noheader')).toBe('')
    expect(await refusal(hcloud('server', 'create', ...what))).toContain('uniqueness_error')
    await hcloud('server', 'add-label', 'one', 'tdf-lease=123')
    expect(cloud.byName('one')?.labels).toMatchObject({ 'tdf-lease': '123', 'tdf-install': 'i1' })
    await hcloud('server', 'delete', 'one')
    await expect.poll(() => cloud.servers(), { timeout: 20_000 }).toEqual([])
    expect(await refusal(hcloud('server', 'describe', 'one'))).toMatch(/not found/)
  }, 120_000)

  it('understands every refusal', async () => {
    cloud.rules.capacity.set('cx33/fsn1', 0)
    const full = ['server', 'create', '--name', 'two', '--type', 'cx33', '--image', 'debian-13', '--location', 'fsn1']
    expect(await refusal(hcloud(...full))).toMatch(/resource_unavailable|error during placement/)
    expect(await hcloud('server-type', 'list', '-o', 'noheader')).toContain('cx23')
    expect(await hcloud('location', 'list', '-o', 'noheader')).toContain('fsn1')
  }, 120_000)
}

it('the fake answers in the shapes of the API, and as the client is told where to look', async () => {
  const answer = await fetch(`${listening.endpoint}/servers?per_page=1`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(answer.headers.get('ratelimit-limit')).toBe('3600')
  expect(await answer.json()).toMatchObject({
    servers: [],
    meta: { pagination: { page: 1, per_page: 1, next_page: null } },
  })
})
