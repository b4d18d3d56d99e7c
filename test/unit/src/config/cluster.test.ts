/** `[store]` and `[cluster]`: what is accepted, where files are looked for, and that no password is shown. */
import { describe, expect, test } from 'vitest'
import { describeConfig } from '../../../../src/config/show/describe.ts'
import { load, refusal } from './support.ts'

describe('[store] url', () => {
  test.each(['postgres://tdf@db1/tdf', 'postgresql://tdf:pw@db1:5432,db2:5433/tdf?sslmode=verify-full'])(
    'may be %s, and is never shown',
    url => {
      const loaded = load({ env: { TDF_STORE__URL: url } })
      expect(loaded.config.store.url).toBe(url)
      expect(JSON.stringify(describeConfig(loaded))).not.toContain('db1')
    },
  )

  test.each(['db1', 'mysql://db1/tdf', 'postgres://', 'postgres://db1/a b'])('may not be %j', url => {
    expect(refusal({ env: { TDF_STORE__URL: url } })).toContain('expected a URL such as "postgres://')
  })

  test('with a password in a file that others may read is worth a warning', () => {
    const toml = '[store]\nurl = "postgres://tdf:hunter2@db1/tdf"\n'
    expect(load({ toml, mode: 0o100600 }).warnings).toEqual([])
    expect(load({ toml, mode: 0o100644 }).warnings).toEqual([
      '/etc/tdf/config.toml holds the password of [store] url and others may read it (mode 0644): chmod 600 /etc/tdf/config.toml',
    ])
    expect(load({ toml: '[store]\nurl = "postgres://tdf@db1/tdf"\n', mode: 0o100644 }).warnings).toEqual([])
  })
})

test('the files of a cluster are meant from the folder of the configuration, and from the home of whom it runs as', () => {
  const toml = '[store]\nurl_file = "secrets/store"\n[cluster]\nkey_file = "~/cluster.key"\n'
  const { store, cluster } = load({ toml, env: { HOME: '/home/ada' } }).config
  expect([store.urlFile, cluster.keyFile]).toEqual(['/etc/tdf/secrets/store', '/home/ada/cluster.key'])
})

test.each(['tdf1.example.org:7434', 'tls://10.0.0.1:7434', 'https://[fe80::1]:7434'])(
  'the other daemons may be told %s',
  url => {
    expect(load({ env: { TDF_CLUSTER__URL: url } }).config.cluster.url).toBe(url)
  },
)

test.each(['tdf1.example.org', 'http://tdf1:7434', 'tls://me@tdf1:7434', 'tdf1:7434/path'])(
  'the other daemons may not be told %j',
  url => {
    expect(refusal({ env: { TDF_CLUSTER__URL: url } })).toContain('expected an address such as')
  },
)
