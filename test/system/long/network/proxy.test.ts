/** Fetches and pushes behind a proxy that counts: a private repository whose host only the proxy knows, and a box that knows neither. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { EventJson, TaskJson } from '../../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { type Certificate, makeCertificate } from '../../../support/machines/certificate.ts'
import { type CountingProxy, countingProxy } from '../../../support/machines/counting-proxy.ts'
import { filesWith, processesWith } from '../../../support/machines/search.ts'
import { type AgentProcess, startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

const HOST = 'code.example.invalid'
const TOKEN = 'tok-93c1f6be20'
const WORDS = [TOKEN, Buffer.from(`x-access-token:${TOKEN}`).toString('base64')]
const ANY_LOAD = '[nodes]\ncpu_threshold_percent = 100\nmemory_threshold_percent = 100\n'
const LIMIT_MS = 300_000

let place: string
let repo: ReturnType<typeof makeRepository>
let certificate: Certificate
let server: GitServer
let proxy: CountingProxy
let box: AgentProcess
let home: Home

beforeEach(async () => {
  place = mkdtempSync(path.join(tmpdir(), 'tdf-proxy-'))
  repo = makeRepository()
  execFileSync('git', ['clone', '--quiet', '--bare', repo.dir, path.join(place, 'repo.git')])
  execFileSync('git', ['-C', path.join(place, 'repo.git'), 'config', 'http.receivepack', 'true'])
  certificate = makeCertificate(HOST)
  server = await gitServer(place, TOKEN, { tls: certificate.tls })
  proxy = await countingProxy(() => Number(new URL(server.url).port))
  box = await startAgentProcess({ name: 'box' })
  const tokens = `tokens = { "${HOST}" = "CODE_TOKEN" }\n`
  const node = `[[providers.static.nodes]]\nname = "box"\nurl = "${box.url}"\ntoken = "${box.token}"\n`
  home = makeHome(`${ANY_LOAD}[repositories]\n${tokens}[push]\n${tokens}${node}`)
})
afterEach(async () => {
  await home.remove()
  await server.close()
  repo.remove()
  rmSync(place, { recursive: true, force: true })
})

/** On the box, where it waits for a file; pushed when it is done. */
async function submit(env: Record<string, string>): Promise<string> {
  await home.start({ HTTPS_PROXY: proxy.url, GIT_SSL_CAINFO: certificate.file, ...env })
  expect((await tdfWith(home, { input: TOKEN }, 'secret', 'set', 'CODE_TOKEN')).code).toBe(0)
  const script = `touch ${place}/begun; while [ ! -e ${place}/go ]; do sleep 0.1; done; env > env.txt`
  const words = ['--repo', `https://${HOST}/repo.git`, '--node', 'box', '--push', '-q', '--', 'sh', '-c', script]
  return (await tdf(home, 'submit', ...words)).out.trim()
}

async function over(id: string): Promise<TaskJson> {
  await until(`${id} is over`, async () => (await home.task(id)).step === null, 200_000)
  return home.task(id)
}

it(
  'goes through it with every fetch and push, and the token is nowhere on the node, during the run and after it',
  async () => {
    const id = await submit({})
    await until('it runs', () => existsSync(path.join(place, 'begun')), 200_000)
    const isClean = () => {
      for (const word of WORDS) {
        expect([filesWith(word, path.dirname(box.state)), processesWith(word)]).toEqual(['', []])
      }
    }
    isClean()
    writeFileSync(path.join(place, 'go'), '')
    const task = await over(id)
    expect(task).toMatchObject({ status: 'completed', node: { name: 'box' } })
    await until('it is pushed', async () => (await home.task(id)).push?.state === 'pushed', 200_000)
    const tip = ['-C', path.join(place, 'repo.git'), 'rev-parse', `refs/heads/${task.result?.branch}`]
    expect(execFileSync('git', tip, { encoding: 'utf8' }).trim()).toBe(task.result?.commit)
    isClean()
    const { out } = await tdf(home, 'diff', id)
    for (const word of [...WORDS, proxy.url, 'TDF_GIT_TOKEN']) expect(out).not.toContain(word)
    expect(server.seen()).toEqual({ withToken: true, inArguments: [] })
    // At least two connections: one of the fetch, one of the push.
    expect(proxy.asked.length).toBeGreaterThan(1)
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${HOST}:443`]))
  },
  LIMIT_MS,
)

it(
  'is not asked for a host of NO_PROXY, which then cannot be reached: that is tried again, and told',
  async () => {
    const id = await submit({ NO_PROXY: `other.invalid,${HOST}` })
    const events = () => home.client.call<EventJson[]>({ path: `/tasks/${id}/events` })
    const isTold = ({ type, data }: EventJson) => type === 'task.retry' && data.code === 'SOURCE_UNAVAILABLE'
    await until('it was tried and is told', async () => (await events()).some(isTold), 200_000)
    expect((await tdf(home, 'why', id)).out).toContain(HOST)
    expect([proxy.asked, server.seen().withToken]).toEqual([[], false])
    expect((await tdf(home, 'cancel', id)).code).toBe(0)
    expect(await over(id)).toMatchObject({ status: 'cancelled', workspace: null })
  },
  LIMIT_MS,
)
