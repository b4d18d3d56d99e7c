/** What the variables of a proxy and of certificates mean for our own calls. */
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { isHere, outwardFetch, wayOut } from '../../../../src/clients/outward.ts'
import { afterFile } from '../../../support/after-file.ts'
import { makeCertificate } from '../../../support/machines/certificate.ts'
import { countingProxy } from '../../../support/machines/counting-proxy.ts'

it.each([
  [{}, { http: null, https: null }],
  [
    { HTTP_PROXY: 'http://a:1', HTTPS_PROXY: 'http://b:2' },
    { http: 'http://a:1/', https: 'http://b:2/' },
  ],
  [
    { http_proxy: 'http://low:1', HTTP_PROXY: 'http://up:1' },
    { http: 'http://low:1/', https: null },
  ],
  [
    { ALL_PROXY: 'proxy:3128', https_proxy: 'https://s:1' },
    { http: 'http://proxy:3128/', https: 'https://s:1/' },
  ],
  [
    { HTTP_PROXY: '', HTTPS_PROXY: ' ' },
    { http: null, https: null },
  ],
])('of %j the proxies are %j', (env, expected) => {
  expect(wayOut(env)).toMatchObject({ ...expected, unused: [] })
})

it('what cannot be used is named', () => {
  const { http, unused } = wayOut({ ALL_PROXY: 'socks5h://a:1', HTTPS_PROXY: 'http://', SSL_CERT_DIR: '/etc/ssl' })
  expect([http, unused.map(({ name }) => name)]).toEqual([null, ['ALL_PROXY', 'HTTPS_PROXY', 'SSL_CERT_DIR']])
})

it('this machine is known by every name', () => {
  const here = [
    'http://localhost:1',
    'http://a.localhost',
    'http://127.0.0.1',
    'https://127.9.9.9:4/',
    'http://[::1]:5',
  ]
  const away = ['http://127.0.0.1.example', 'http://localhost.example', 'http://10.0.0.1', 'http://[::2]']
  expect([here.every(isHere), away.some(isHere)]).toEqual([true, false])
})

it('a server with a certificate of the environment is reached through a tunnel, and not without it', async () => {
  const { file: cert, tls } = makeCertificate('hooks.example.invalid')
  const server = https.createServer(tls, (_, response) => {
    response.end('inside')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterFile(() => void server.close())
  const proxy = await countingProxy(() => (server.address() as AddressInfo).port)
  const trusting = outwardFetch({ HTTPS_PROXY: proxy.url, SSL_CERT_FILE: cert })
  expect(await (await trusting('https://hooks.example.invalid/')).text()).toBe('inside')
  await expect(outwardFetch({ HTTPS_PROXY: proxy.url })('https://hooks.example.invalid/')).rejects.toThrow()
  expect(proxy.asked).toEqual(Array(2).fill('CONNECT hooks.example.invalid:443'))
  const missing = outwardFetch({ SSL_CERT_FILE: `${cert}.none.pem` })
  await expect(missing('https://hooks.example.invalid/')).rejects.toThrow('none.pem')
})
