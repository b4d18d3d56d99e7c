/** 85 many tasks, many deaths: real processes, three nodes of three slots, a daemon that is killed every few seconds. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type Home, hasEnded, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { tempFolder } from '../../unit/src/agent/support/temp.ts'

const TASKS = 200
const NODES = 3
const SLOTS = 3
const KILL_EVERY_MS = 3_000
const TOKEN = 'a-token-of-the-test'

const agents: ChildProcess[] = []
afterAll(() => {
  for (const agent of agents) agent.kill('SIGKILL')
})

interface Box {
  name: string
  state: string
  address: string
  pid: number
}

/** An agent by hand, as on a box of one's own. */
async function startBox(name: string): Promise<Box> {
  const state = path.join(tempFolder(), name)
  mkdirSync(state)
  const tokenFile = path.join(state, '..', 'token')
  writeFileSync(tokenFile, TOKEN)
  const words = ['--listen', '127.0.0.1:0', '--state', state, '--token-file', tokenFile, '--name', name]
  const child = spawn(process.execPath, ['dist/tdf-agent.js', ...words], { stdio: ['ignore', 'pipe', 'ignore'] })
  agents.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    return { name, state, address: JSON.parse(line).address, pid: child.pid ?? 0 }
  }
  throw new Error('the agent said nothing')
}

/** Submits until it is acknowledged; the key makes it one task, however often it was sent. */
async function submit(home: Home, body: object, key: string): Promise<string> {
  for (;;) {
    const headers = { 'idempotency-key': key }
    const task = await home.client
      .call<TaskJson>({ method: 'POST', path: '/tasks', json: body, headers })
      .catch(() => pause(50))
    if (task) return task.id
  }
}

it('two hundred tasks end once each, with every result at home and nothing left behind', async () => {
  const boxes = await Promise.all(Array.from({ length: NODES }, (_, index) => startBox(`box${index + 1}`)))
  const tables = boxes.map(
    ({ name, address }) =>
      `[[providers.static.nodes]]\nname = "${name}"\nurl = "http://${address}"\ntoken = "${TOKEN}"\nmax_workspaces = ${SLOTS}\n`,
  )
  const home = makeHome(`[providers.local]\nenabled = false\n[nodes]\ncpu_threshold_percent = 100\n${tables.join('')}`)
  const repository = makeRepository()
  const marks = tempFolder()
  let daemon = await home.start()

  // The first goes through the CLI, which uploads the repository for all of them.
  const first = await tdf(home, 'submit', '--repo', repository.dir, '--json', '--', 'true')
  const { repo }: TaskJson = JSON.parse(first.out)
  const uploaded = await home.client.call<object>({ path: `/bundles?commit=${repo.baseCommit}&ref=refs/heads/main` })
  const body = (index: number) => ({
    ...{ prompt: '', title: `task ${index}`, agent: null, model: null, author: null, setup: null, check: null },
    ...{ node: null, provider: null, size: null, location: null, timeoutMs: null, outputBranch: null },
    ...{ maxCostUsd: null, permissions: null, repo: { kind: 'bundle', ...repo, ...uploaded, ref: 'refs/heads/main' } },
    command: [
      ...['sh', '-c'],
      `echo x >> ${marks}/${index}; sleep 0.3; echo ${index} > file-${index}; git add -A; git commit -qm "task ${index}"`,
    ],
  })

  const ids: string[] = []
  const submitting = (async () => {
    for (let index = 0; index < TASKS; index++) ids[index] = await submit(home, body(index), `key-${index}`)
  })()
  let kills = 0
  const isOver = async () => {
    const { tasks } = await home.client.call<{ tasks: Record<string, number> }>({ path: '/status' })
    return ids.length === TASKS && ['queued', 'delegated', 'in_progress'].every(status => !tasks[status])
  }
  while (!(await isOver().catch(() => false))) {
    await pause(KILL_EVERY_MS)
    if (!hasEnded(daemon)) await home.kill(daemon)
    kills += 1
    daemon = await home.start()
  }
  await submitting
  await until(
    'everything is cleaned up',
    async () => (await everyTask(home)).every(({ cleanup }) => cleanup === 'done'),
    60_000,
  )

  const ours = new Set(ids)
  const tasks = (await everyTask(home)).filter(({ id }) => ours.has(id))
  expect([tasks.length, ours.size, kills > 5]).toEqual([TASKS, TASKS, true])
  const odd = tasks.filter(
    ({ status, verdict, result }) => status !== 'completed' || verdict !== 'unverified' || result?.ahead !== 1,
  )
  expect(odd.map(({ id, status, verdict, error }) => ({ id, status, verdict, error }))).toEqual([])
  expect(
    ids.map((_, index) => readFileSync(path.join(marks, String(index)), 'utf8')).filter(text => text !== 'x\n'),
  ).toEqual([])
  expect(resultsOf(home, ids)).toEqual(ids.map((_, index) => `file-${index}`))
  for (const { state, pid } of boxes) {
    expect(readdirSync(path.join(state, 'workspaces'))).toEqual([])
    expect(spawnSync('pgrep', ['-f', state], { encoding: 'utf8' }).stdout.trim()).toBe(String(pid))
  }
  await home.remove()
  repository.remove()
}, 600_000)

const everyTask = (home: Home) => home.client.call<TaskJson[]>({ path: '/tasks?all=true&limit=1000' })

/** The file that each result adds, from the daemon's own repositories. */
function resultsOf(home: Home, ids: readonly string[]): string[] {
  const folder = path.join(home.dir, 'state', 'results')
  const [repository = ''] = readdirSync(folder).filter(name => name.endsWith('.git'))
  const git = (...args: string[]) =>
    execFileSync('git', ['--git-dir', path.join(folder, repository), ...args], { encoding: 'utf8' }).trim()
  return ids.map(id => git('diff', '--name-only', `refs/tdf/${id}/1~1`, `refs/tdf/${id}/1`))
}
