/** The daemon's own calls behind a proxy that counts: real processes; the host names lead nowhere without it. */
import path from 'node:path'
import { expect, it } from 'vitest'
import type { FindingJson } from '../../../../src/protocol/upkeep.ts'
import { receiver } from '../../../fakes/outward/receiver.ts'
import { makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { countingProxy } from '../../../support/machines/counting-proxy.ts'

const repo = makeRepository()

/** A daemon with this environment that runs one task, and what was asked of the proxy until both messages were there. */
async function told(envOf: (proxy: string) => Record<string, string>, { isReached = true, more = '' } = {}) {
  const [outside, here] = [await receiver(), await receiver()]
  const proxy = await countingProxy(() => Number(new URL(outside.url).port))
  const home = makeHome(
    `[notify]\nwebhook = "http://hooks.example.invalid/in?key=k1"\nntfy = "${here.url}/mine"\n${more}`,
  )
  try {
    await home.start(envOf(proxy.url))
    await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '-w', '--', 'true')
    await until('both are told', () => here.got.length > 0 && (!isReached || outside.got.length > 0))
    const doctor = JSON.parse((await tdf(home, 'doctor', '--json')).out) as FindingJson[]
    return { proxy, outside, here, home, doctor: doctor.filter(({ check }) => check === 'network') }
  } finally {
    await home.remove()
    await outside.stop()
    await here.stop()
  }
}

it.each(['HTTP_PROXY', 'all_proxy'])(
  'notices go out by the proxy of %s, what is on this machine never, and doctor names the way',
  async name => {
    const { proxy, outside, doctor } = await told(url => ({ [name]: url }))
    expect(outside.got[0]?.path).toBe('/in?key=k1')
    expect(proxy.asked).toContain('CONNECT hooks.example.invalid:80')
    expect(proxy.asked.filter(line => line.includes('127.0.0.1'))).toEqual([])
    const message = expect.stringContaining(`http://hooks.example.invalid answers (proxy ${new URL(proxy.url).host}`)
    expect(doctor).toContainEqual({ check: 'network', state: 'ok', message, hint: null })
    expect(JSON.stringify(doctor)).not.toContain('k1')
  },
)

it('a host of NO_PROXY is asked directly, and doctor says that it is not reached', async () => {
  const envOf = (url: string) => ({ HTTP_PROXY: url, NO_PROXY: 'other.invalid,.example.invalid' })
  const { proxy, outside, doctor } = await told(envOf, { isReached: false })
  expect([proxy.asked, outside.got]).toEqual([[], []])
  expect(doctor).toContainEqual(expect.objectContaining({ check: 'network', state: 'fail' }))
})

it('doctor names what is set and not used: a proxy of another kind, a folder of certificates, a file that is not there', async () => {
  const missing = path.join(repo.dir, 'no-such.pem')
  const env = { ALL_PROXY: 'socks5://127.0.0.1:1080', SSL_CERT_DIR: '/etc/ssl/certs', NODE_EXTRA_CA_CERTS: missing }
  const { doctor } = await told(() => env, { isReached: false })
  const messages = doctor.map(({ message }) => message).join('\n')
  expect(messages).toContain("ALL_PROXY is set, and the daemon's own calls do not use it")
  expect(messages).toContain("SSL_CERT_DIR is set, and the daemon's own calls do not use it")
  expect(messages).toContain(`NODE_EXTRA_CA_CERTS names ${missing}, which cannot be read`)
})

it("the provider's interface is asked by the proxy", async () => {
  const more = '[providers.hetzner]\nenabled = true\nendpoint = "http://api.example.invalid/v1"\ntransport = "direct"\n'
  const { proxy } = await told(url => ({ HTTP_PROXY: url, HCLOUD_TOKEN: 'a'.repeat(64) }), { more })
  expect(proxy.asked.join('\n')).toContain('api.example.invalid')
})
