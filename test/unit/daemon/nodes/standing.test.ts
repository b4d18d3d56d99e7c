/** What a changed configuration makes of nodes that were started before: real daemons, one after the other, and a real agent. */
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NodeJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { type AgentProcess, startAgentProcess } from '../../src/agent/support/agent.ts'

let home: Home
let box: AgentProcess
let daemon: Awaited<ReturnType<Home['start']>>
const repo = makeRepository()
const QUICK =
  '[runner]\nreconcile_interval = "1s"\n[nodes]\nheartbeat_interval = "1s"\nmemory_threshold_percent = 100\n'

beforeAll(async () => {
  box = await startAgentProcess({ name: 'box1' })
  home = makeHome()
})
afterAll(async () => {
  await home.remove()
  repo.remove()
})

const boxTable = (more: string) =>
  `[[providers.static.nodes]]\nname = "box1"\nurl = "${box.url}"\ntoken = "${box.token}"\n${more}`

async function startWith(config: string): Promise<void> {
  if (daemon) await home.kill(daemon)
  writeFileSync(path.join(home.dir, 'config.toml'), `${QUICK}cpu_threshold_percent = 100\n${config}`)
  daemon = await home.start()
}

async function node(name: string): Promise<NodeJson | undefined> {
  const { out } = await tdf(home, 'node', 'ls', '--json')
  return (JSON.parse(out) as NodeJson[]).find(one => one.name === name)
}

const submit = async (script: string) => {
  const words = ['submit', '-q', '--node', 'box1', '--', 'sh', '-c', script]
  return (await tdfWith(home, { cwd: repo.dir }, ...words)).out.trim()
}

it('slots, size and address of a node are those of the configuration at each start', async () => {
  await startWith(boxTable('size = "small"\n'))
  expect(await node('local')).toMatchObject({ maxWorkspaces: 3 })
  expect(await node('box1')).toMatchObject({ maxWorkspaces: 3, size: 'small', location: null })
  await startWith(`max_workspaces = 5\n${boxTable('size = "large"\nlocation = "here"\nmax_workspaces = 2\n')}`)
  expect(await node('local')).toMatchObject({ maxWorkspaces: 5 })
  expect(await node('box1')).toMatchObject({ maxWorkspaces: 2, size: 'large', location: 'here' })
})

it('a node that is taken out gets no task, what runs on it comes home, and it serves when it is back', async () => {
  await startWith(boxTable(''))
  const go = path.join(home.dir, 'go')
  const running = await submit(`touch ${go}.begun; while [ ! -e ${go} ]; do sleep 0.1; done; echo done > made.txt`)
  await until('it runs', () => existsSync(`${go}.begun`))

  await startWith('')
  expect(await node('box1')).toMatchObject({ status: 'draining' })
  const later = await submit('true')
  writeFileSync(go, '')
  await until('it came home', async () => (await home.task(running)).step === null)
  expect(await home.task(running)).toMatchObject({ status: 'completed', result: { filesChanged: 1 } })
  const why = await tdf(home, 'why', later)
  expect(why.out).toContain('box1')
  expect(why.out).toContain('it is draining')
  expect(await home.task(later)).toMatchObject({ status: 'queued' })
  const undo = await tdf(home, 'node', 'drain', 'box1', '--undo')
  expect([undo.code, undo.err]).toEqual([5, expect.stringContaining('is not in the configuration any more')])

  await startWith(boxTable(''))
  await until('the one that waited has run', async () => (await home.task(later)).step === null)
  expect(await home.task(later)).toMatchObject({ status: 'completed' })

  await startWith('')
  expect((await tdf(home, 'node', 'rm', 'box1', '--yes')).code).toBe(0)
  expect(await node('box1')).toBeUndefined()
})
