/** One home of tdf with a real agent in it, a repository, and the scripted model behind. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { httpTransport } from '../../../src/clients/transport.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, type Ran, tdfWith, until } from '../../support/daemon/home.ts'
import { installAgents } from './install.ts'
import { type Kind, kindsOf } from './kinds.ts'
import { type ModelServer, startModelServer } from './model/server.ts'

export interface Scene {
  home: Home
  model: ModelServer
  kind: Kind
  daemon: ChildProcess
  restart(): Promise<void>
  /** In the repository. */
  run(...args: string[]): Promise<Ran>
  /** Submits, waits for the verdict, and gives the task. */
  finished(scenario: string, ...options: string[]): Promise<TaskJson>
  submitted(scenario: string, ...options: string[]): Promise<string>
  /** Until the agent is in the middle of its turn: it has run `commands` commands of this task. */
  isAtWork(id: string, commands?: number): Promise<void>
  /** A run goes on while the agent of its node is away: until that one answers again. */
  nodeAnswers(): Promise<void>
  /** To the agent of the node, as the daemon would; gives its status. */
  prompt(id: string, delivery: { deliveryId: string; text: string }): Promise<number>
  /** Files of the result. */
  filesOf(task: TaskJson): string[]
}

/** A very busy machine and an agent that takes ten seconds to begin. */
const PATIENCE_MS = 150_000

export function sceneOf(name: string, more = ''): Scene {
  const scene = {} as Scene
  const repository = makeRepository()
  beforeAll(async () => {
    const bin = installAgents()
    const model = await startModelServer()
    const kind = kindsOf(bin, model.url)[name]
    if (!kind) throw new Error(`no agent ${name}`)
    const home = makeHome(`[runner]\nagent = "it"\nreconcile_interval = "1s"\n[agents.it]\n${kind.table}\n${more}`)
    const daemon = await home.start(kind.env)
    Object.assign(scene, { home, model, kind, daemon })
  }, 300_000)
  afterAll(async () => {
    await scene.home?.remove()
    scene.model?.close()
    repository.remove()
  })
  /** Conversations of earlier tasks say nothing about this one. */
  let askedBefore = 0
  const show = async (id: string) => scene.home.task(id)
  return Object.assign(scene, {
    async restart() {
      await scene.home.kill(scene.daemon)
      scene.daemon = await scene.home.start(scene.kind.env)
    },
    run: (...args: string[]) => tdfWith(scene.home, { cwd: repository.dir }, ...args),
    async submitted(scenario: string, ...options: string[]) {
      askedBefore = scene.model.asked.length
      const ran = await scene.run('submit', `[[${scenario}]] please`, '-q', ...options)
      if (ran.code !== 0) throw new Error(`${ran.err}${ran.out}`)
      return ran.out.trim()
    },
    async finished(scenario: string, ...options: string[]) {
      const id = await scene.submitted(scenario, ...options)
      await until(`${id} ends`, async () => (await show(id)).verdict !== null, PATIENCE_MS)
      return show(id)
    },
    isAtWork: (id: string, commands = 2) =>
      until(
        `${id} is at work`,
        async () => {
          const { status } = await show(id)
          if (status === 'failed' || status === 'completed') throw new Error(JSON.stringify(await show(id)))
          const newest = scene.model.asked.slice(askedBefore).at(-1)?.turns ?? []
          return status === 'in_progress' && newest.filter(({ kind }) => kind === 'result').length >= commands
        },
        PATIENCE_MS,
      ),
    nodeAnswers: () => until('the agent of the node answers', () => answers(scene.home), PATIENCE_MS),
    async prompt(id: string, delivery: { deliveryId: string; text: string }) {
      const { workspace, session } = await show(id)
      const where = `/workspaces/${workspace?.id}/agent-sessions/${session?.id}/prompt`
      return askAgent(scene.home, { method: 'POST', path: where, body: JSON.stringify(delivery) })
    },
    filesOf({ result }: TaskJson) {
      if (!result) return []
      const results = path.join(scene.home.dir, 'state', 'results')
      const git = (folder: string, ...args: string[]) => execFileSync('git', ['-C', folder, ...args], { stdio: 'pipe' })
      const names = readdirSync(results).map(name => path.join(results, name))
      const [folder] = names.filter(name =>
        git(name, 'cat-file', '--batch-all-objects', '--batch-check').includes(result.commit),
      )
      if (folder === undefined) throw new Error(`commit ${result.commit} is not here`)
      return git(folder, 'ls-tree', '--name-only', result.commit).toString().trim().split('\n')
    },
  })
}

/** Asks the agent of this home's node as the daemon would; gives the status of its answer. */
async function askAgent({ dir }: Home, call: { method: string; path: string; body?: string }): Promise<number> {
  const token = readFileSync(path.join(dir, 'state', 'agent-token'), 'utf8').trim()
  const transport = httpTransport({ socket: path.join(dir, 'run', 'agent.sock') })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return (await transport({ ...call, headers, timeoutMs: 30_000, bytesMax: 1_000_000 })).status
}

async function answers(home: Home): Promise<boolean> {
  return askAgent(home, { method: 'GET', path: '/workspaces' }).then(
    status => status === 200,
    () => false,
  )
}
