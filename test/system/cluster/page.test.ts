/** The page about daemons that share a state: its configuration and its commands are run in their order, on this machine. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Home, makeHome, type Ran, tdf, tdfWith, until } from '../../support/daemon/home.ts'
import { serves, statusOf } from './support/homes.ts'
import { type Postgres, startPostgres, userOf } from './support/postgres.ts'

const page = readFileSync('docs/cluster.md', 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text ?? '')
const [install = '', , make = '', , move = ''] = blocks('sh')

let postgres: Postgres
let place: string
const homes: Home[] = []
beforeAll(async () => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-page-'))
  chmodSync(place, 0o755)
  certificate()
  const ssl = { ssl: 'on', ssl_cert_file: `'${place}/cert.pem'`, ssl_key_file: `'${place}/key.pem'` }
  postgres = await startPostgres({ settings: ssl })
})
afterAll(async () => {
  for (const home of homes) await home.remove()
  await postgres?.remove()
  rmSync(place, { recursive: true, force: true })
})

/** Of the database, which no authority has signed. */
function certificate(): void {
  const [key, cert] = ['key.pem', 'cert.pem'].map(name => path.join(place, name)) as [string, string]
  const about = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2']
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', [...made, '-keyout', key, '-out', cert, ...about], { stdio: 'ignore' })
  chmodSync(key, 0o600)
  const user = userOf()
  if (user) chownSync(key, user.uid, user.gid)
}

/** Without a terminal, as a user of the database that may do everything. */
function sh(command: string, env: Record<string, string>, input = ''): Promise<Ran> {
  return new Promise(resolve => {
    const database = { PGHOST: '127.0.0.1', PGPORT: String(postgres.port), PGUSER: 'postgres' }
    const child = spawn('setsid', ['-w', 'sh', '-ec', command], {
      env: { PATH: process.env.PATH, ...database, ...env },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (err += chunk))
    child.stdin.end(input)
    child.on('close', code => resolve({ code, out, err }))
  })
}

/** With the addresses of this machine in the place of those of the page. */
const here = (text: string) =>
  text
    .replace(/10\.0\.0\.11:\d+/g, '127.0.0.1:0')
    .replace(/db1,db2,db3/g, `127.0.0.1:${postgres.port}`)
    .replace('db.example.net', `localhost:${postgres.port}`)

it('names packages that are there, and commands that make the database with an owner of its own', async () => {
  const [, packages = ''] = /^apt-get install (.+)$/m.exec(install) ?? []
  const { out } = await sh(`dpkg-query -W -f '\${Status}\\n' ${packages}`, {})
  expect(out).toBe('install ok installed\n'.repeat(packages.split(' ').length))
  const made = await sh(make.replaceAll('sudo -u postgres ', ''), {}, 'PASSWORD\nPASSWORD\n')
  expect(made).toMatchObject({ code: 0 })
  const owner = `select r.rolname, r.rolsuper, a.rolpassword is not null as closed, pg_encoding_to_char(d.encoding) as encoding
    from pg_database d join pg_roles r on r.oid = d.datdba join pg_authid a on a.oid = r.oid where d.datname = 'tdf'`
  expect(await postgres.query('postgres', owner)).toEqual([
    { rolname: 'tdf', rolsuper: false, closed: true, encoding: 'UTF8' },
  ])
})

it('has settings of Patroni that Patroni takes', async () => {
  const file = path.join(place, 'patroni.yml')
  const complaints = async (text: string) => {
    writeFileSync(file, text)
    const { out, err } = await sh(`patroni --validate-config '${file}' || true`, {})
    return (out + err).split('\n').filter(line => line.startsWith('bootstrap.dcs'))
  }
  const [settings = ''] = blocks('yaml')
  expect(await complaints(settings.replace('ttl: 20', 'ttl: twenty'))).toHaveLength(1)
  expect(await complaints(settings)).toEqual([])
})

it('has a configuration with which a daemon serves, another stands by, and one hands over', async () => {
  const [toml = ''] = blocks('toml')
  const url = /postgres:\/\/tdf:PASSWORD@db1,db2,db3\/tdf/.exec(toml)?.[0] ?? ''
  for (const name of ['tdf1', 'tdf2']) {
    const home = makeHome(here(toml).replace('"tdf1"', `"${name}"`))
    mkdirSync(path.join(home.dir, 'secrets'), { mode: 0o700 })
    writeFileSync(path.join(home.dir, 'secrets', 'store'), `${here(url)}\n`, { mode: 0o600 })
    homes.push(home)
  }
  const [one, two] = homes as [Home, Home]
  const key = (home: Home) => path.join(home.dir, 'secrets', 'cluster.key')
  await one.start()
  await until('the first serves', serves(one))
  execFileSync('cp', ['-p', key(one), key(two)])
  await two.start()
  expect(await tdf(two, 'config', 'check')).toMatchObject({ code: 0 })
  expect((await tdf(two, 'daemon', 'status')).out).toMatch(/role +stands by as tdf2/)
  expect((await tdf(two, 'cluster', 'ls')).out).toMatch(/tdf1 +serving[\s\S]*tdf2 +standby/)
  expect(await tdf(two, 'cluster', 'handover')).toMatchObject({ code: 0, out: 'tdf2 serves (epoch 2)\n' })
  await tdf(two, 'daemon', 'stop')
})

it('moves a state in by its commands', async () => {
  const home = makeHome('[cluster]\nlisten = "127.0.0.1:0"\n')
  homes.push(home)
  await postgres.query('postgres', 'create database moved owner tdf')
  await home.start()
  const { installId } = await statusOf(home)
  const bin = path.join(home.dir, 'bin')
  mkdirSync(bin)
  symlinkSync(path.resolve('bin/tdf'), path.join(bin, 'tdf'))
  const url = here('postgres://tdf@db1,db2,db3/moved')
  const commands = here(move)
    .replace(/postgres:\S*/, url)
    .replace('tdf daemon start', `export TDF_STORE__URL=${url}\ntdf daemon start`)
  const { code, err } = await sh(commands, { ...home.env, PATH: `${bin}:${process.env.PATH}` })
  expect([code, err]).toEqual([0, expect.stringContaining('the state is in the database')])
  await until('it serves', serves(home))
  expect(await statusOf(home)).toMatchObject({ installId, store: { kind: 'postgres' } })
  expect(await tdf(home, 'daemon', 'stop')).toMatchObject({ code: 0 })
})

it('has an address of a managed database whose certificate is looked at', async () => {
  const url = here(/postgres:\S+sslmode=verify-full/.exec(page)?.[0] ?? '')
  const check = (more: Record<string, string>) =>
    tdfWith(homes[0] as Home, { env: { TDF_STORE__URL: url, ...more } }, 'db', 'check')
  const [trusted, strange] = await Promise.all([
    check({ NODE_EXTRA_CA_CERTS: path.join(place, 'cert.pem') }),
    check({}),
  ])
  expect(trusted).toMatchObject({
    code: 0,
    out: expect.stringContaining(`PostgreSQL at localhost:${postgres.port}/tdf: whole`),
  })
  expect(strange).toMatchObject({ code: 75, err: expect.stringMatching(/self[- ]signed certificate/) })
})
