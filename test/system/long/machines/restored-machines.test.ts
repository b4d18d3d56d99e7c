/** `tdf db restore` while a machine works that the older database does not know: real processes at the fake Hetzner. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, type Ran, tdf, until } from '../../../support/daemon/home.ts'
import { type DirectMachines, directMachines } from '../../../support/machines/direct-machines.ts'

const TOKEN = 'token-of-restored-machines'
let home: Home
let machines: DirectMachines
beforeEach(async () => {
  home = makeHome('[providers.local]\nenabled = false\n[providers.hetzner]\nenabled = true\n')
  machines = await directMachines(home.dir, TOKEN, { PATH: process.env.PATH, HOME: home.dir })
})
afterEach(async () => {
  await home.remove()
  await machines.stop()
})

const inHome = (name: string) => path.join(home.dir, name)
const start = () => home.start({ HCLOUD_TOKEN: TOKEN, ...machines.env })
async function run(...args: string[]): Promise<Ran> {
  const ran = await tdf(home, ...args)
  expect(ran.code, `tdf ${args.join(' ')}: ${ran.err}`).toBe(0)
  return ran
}

it('the machine serves again, and the task that waited then finds its run', async () => {
  const first = await start()
  await run('daemon', 'drain')
  const repository = makeRepository()
  const work = `echo begun >> ${inHome('begun')}; until [ -e ${inHome('go')} ]; do sleep 0.1; done; echo done > made`
  const submitted = await run('submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', work)
  const id = submitted.out.trim()
  await run('db', 'backup', '--to', inHome('older.db'))
  await run('daemon', 'drain', '--undo')
  await until('the task runs', () => existsSync(inHome('begun')))
  await home.kill(first)
  await run('db', 'restore', inHome('older.db'), '--yes')

  await start()
  expect(await home.task(id)).toMatchObject({ status: 'queued' })
  await run('daemon', 'drain', '--undo')
  await until('the task is placed', async () => (await home.task(id)).status !== 'queued')
  writeFileSync(inHome('go'), '')
  await run('wait', id)
  expect((await run('diff', id)).out).toContain('+done')
  expect(readFileSync(inHome('begun'), 'utf8')).toBe('begun\n')
  expect([...machines.cloud.made.values()]).toEqual([1])
  const [server] = machines.cloud.servers()
  await until('it is warm', async () => (await run('node', 'ls')).out.includes('warm'))
  await run('node', 'rm', server?.name ?? '', '--yes')
  await until('nothing is left', () => machines.cloud.leaks().length === 0)
}, 120_000)
