/** `tdf reap` as a process against the fake: it ends what is ours and expired, and nothing else. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakeHetzner, fakeHetzner } from '../../../fakes/hetzner/cloud.ts'
import { no } from '../../../fakes/hetzner/faults.ts'
import { type Listening, listenHetzner } from '../../../fakes/hetzner/listen.ts'
import { type Home, makeHome, tdfWith, until } from '../../../support/daemon/home.ts'

const TOKEN = 'canary-of-reap-token'
let cloud: FakeHetzner
let listening: Listening
let home: Home
beforeEach(async () => {
  cloud = fakeHetzner({ now: Date.now, bootMs: 0, deleteMs: 100, token: TOKEN })
  listening = await listenHetzner(cloud)
  home = makeHome()
})
afterEach(async () => {
  await listening.stop()
  await home.remove()
})

const HOUR = 3_600_000
const lease = (at: number) => String(Math.floor(at / 1_000))

async function server(name: string, labels: Record<string, string>): Promise<void> {
  const body = JSON.stringify({ name, labels, server_type: 'cx23', image: 'debian-13', location: 'fsn1' })
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  await cloud.fetch('https://x.test/v1/servers', { method: 'POST', headers, body })
}

async function key(name: string, labels: Record<string, string>): Promise<void> {
  const bytes = Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0 ${name.padEnd(32)}`, 'latin1')
  const body = JSON.stringify({ name, labels, public_key: `ssh-ed25519 ${bytes.toString('base64')} ${name}` })
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  await cloud.fetch('https://x.test/v1/ssh_keys', { method: 'POST', headers, body })
}

async function everything(): Promise<void> {
  const ours = { 'tdf-install': 'abc123' }
  await server('expired', { ...ours, 'tdf-node': 'expired', 'tdf-lease': lease(Date.now() - HOUR) })
  await server('spoken-for', { ...ours, 'tdf-node': 'spoken-for', 'tdf-lease': lease(Date.now() + HOUR) })
  await server('no-lease', { ...ours, 'tdf-node': 'no-lease' })
  await server('no-node', { ...ours, 'tdf-lease': lease(0) })
  await server('twin', { 'tdf-install': 'abc1234', 'tdf-node': 'twin', 'tdf-lease': lease(Date.now() - HOUR) })
  await server('yours', {})
}

const reap = (...args: string[]) =>
  tdfWith(home, { env: { HCLOUD_TOKEN: TOKEN, HCLOUD_ENDPOINT: listening.endpoint } }, 'reap', ...args)
const left = () => cloud.servers().map(({ name }) => name)

it('ends exactly what carries our mark and is expired, without a daemon and without a database', async () => {
  await everything()
  const dry = await reap('-n', '--install', 'abc123', '--json')
  expect(dry).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(dry.out)).toMatchObject([
    { nodeName: 'expired', outcome: 'expired', pricePerHour: 0.006 },
    { nodeName: 'no-lease', outcome: 'kept', reason: 'it says nothing of its lease' },
  ])
  expect(left()).toHaveLength(6)
  const done = await reap('--install', 'abc123')
  expect(done).toMatchObject({ code: 0 })
  expect(done.out).toMatch(/expired .*removed/)
  expect(left()).toEqual(['spoken-for', 'no-lease', 'no-node', 'twin', 'yours'])
  expect(`${dry.out}${done.out}${done.err}`).not.toContain(TOKEN)
})

it('takes the installation of this machine, and says when there is none', async () => {
  const none = await reap()
  expect(none).toMatchObject({ code: 3, err: expect.stringContaining('tdf reap --install ID') })
  await home.start()
  const { installId } = await home.client.call<{ installId: string }>({ path: '/status' })
  await server('left', { 'tdf-install': installId, 'tdf-node': 'left', 'tdf-lease': lease(0) })
  expect(await reap('-q')).toMatchObject({ code: 0, out: 'left\n' })
  expect(left()).toEqual([])
  expect(await reap('--json')).toMatchObject({ code: 0, out: '[]\n' })
})

describe('the ssh keys of an installation (51 leftover-keys)', () => {
  const ours = { 'tdf-install': 'abc123' }
  const keys = () => [...cloud.model.keys.values()].map(({ name }) => name)
  beforeEach(async () => {
    const made = ['gone', 'other', 'yours'].map(name => key(name, name === 'yours' ? {} : { 'tdf-install': name }))
    await Promise.all([...made, key('ours', ours)])
  })

  it('go with its last machine, and no other key does', async () => {
    await server('expired', { ...ours, 'tdf-node': 'expired', 'tdf-lease': lease(0) })
    await server('no-lease', { ...ours, 'tdf-node': 'no-lease' })
    expect(await reap('--install', 'abc123')).toMatchObject({ code: 0 })
    expect(keys().sort()).toEqual(['gone', 'other', 'ours', 'yours'])
    for (const { name } of cloud.servers()) cloud.vanish(name)
    const dry = await reap('--install', 'abc123', '-n')
    expect(dry.err).toContain('the ssh key ours of installation abc123 would be removed')
    expect(keys()).toContain('ours')
    const done = await reap('--install', 'abc123')
    expect(done).toMatchObject({
      code: 0,
      err: expect.stringContaining('the ssh key ours of installation abc123 was removed'),
    })
    expect(keys().sort()).toEqual(['gone', 'other', 'yours'])
  })

  it('stay where it is the one of this machine: it is not gone', async () => {
    await home.start()
    const { installId } = await home.client.call<{ installId: string }>({ path: '/status' })
    await key('own', { 'tdf-install': installId })
    expect(await reap()).toMatchObject({ code: 0 })
    expect(await reap('--install', installId)).toMatchObject({ code: 0 })
    expect(keys()).toContain('own')
  })
})

it('goes on past one that cannot be removed, and fails in the end', async () => {
  for (const name of ['one', 'two']) {
    await server(name, { 'tdf-install': 'abc123', 'tdf-node': name, 'tdf-lease': lease(0) })
  }
  cloud.faults.push({ on: /DELETE/, strike: no(423, 'protected'), times: 1 })
  const { code, out, err } = await reap('--install', 'abc123')
  expect(code).toBe(1)
  expect(out).toMatch(/one .*failed: Hetzner answered 423 protected/)
  expect(err).toContain('1 machines could not be removed')
  expect(left()).toEqual(['one'])
})

it('leaves a machine whose lease was renewed since it was listed', async () => {
  await server('one', { 'tdf-install': 'abc123', 'tdf-node': 'one', 'tdf-lease': lease(0) })
  const one = cloud.byName('one')
  const read = cloud.fetch
  cloud.fetch = async (input, init) => {
    const answer = await read(input, init)
    if (one) one.labels['tdf-lease'] = lease(Date.now() + HOUR)
    return answer
  }
  await listening.stop()
  listening = await listenHetzner(cloud)
  expect(await reap('--install', 'abc123')).toMatchObject({ code: 1, out: expect.stringContaining('in use again') })
  expect(left()).toEqual(['one'])
})

it('says what is wrong with a token, an id or an answer', async () => {
  const bad = await tdfWith(home, { env: { HCLOUD_ENDPOINT: listening.endpoint } }, 'reap', '--install', 'abc123')
  expect(bad).toMatchObject({ code: 4, err: expect.stringContaining('PROVIDER_AUTH') })
  const file = path.join(home.dir, 'token')
  writeFileSync(file, 'revoked\n', { mode: 0o600 })
  const env = { HCLOUD_ENDPOINT: listening.endpoint, TDF_PROVIDERS__HETZNER__TOKEN_FILE: file }
  expect(await tdfWith(home, { env }, 'reap', '--install', 'abc123')).toMatchObject({ code: 4 })
  expect(await reap('--install', 'a,b!=c')).toMatchObject({ code: 2 })
  cloud.faults.push({ on: /GET/, strike: { kind: 'cut', done: false }, times: 1 })
  expect(await reap('--install', 'abc123')).toMatchObject({ code: 75 })
})

it('finds the token among the secrets where nothing else says it, with a daemon and without', async () => {
  const env = { HCLOUD_ENDPOINT: listening.endpoint, TDF_PROVIDERS__HETZNER__ENABLED: 'true' }
  const own = (...args: string[]) => tdfWith(home, { env }, ...args)
  const daemon = await home.start(env)
  expect((await own('reap')).err).toMatch(/no Hetzner API token .*hint: tdf secret set HCLOUD_TOKEN/s)
  await tdfWith(home, { env, input: `${TOKEN}\n` }, 'secret', 'set', 'HCLOUD_TOKEN')
  expect(JSON.parse((await own('secret', 'ls', '--json')).out)).toMatchObject([{ usedBy: ['hetzner'] }])
  const { installId } = await home.client.call<{ installId: string }>({ path: '/status' })
  await own('submit', '--provider', 'hetzner', '--repo', process.cwd(), '-q', '--', 'true')
  await until('the daemon orders a machine', () => left().length === 1)
  await home.kill(daemon)
  await server('left', { 'tdf-install': installId, 'tdf-node': 'left', 'tdf-lease': lease(0) })
  expect(await own('reap', '-q')).toMatchObject({ code: 0, out: 'left\n' })
})
