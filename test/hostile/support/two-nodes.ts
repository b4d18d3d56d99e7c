/** A real daemon with two boxes: one whose node lies, and an honest one with the work of somebody else on it. */
import { afterAll, beforeAll } from 'vitest'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { startAgentProcess } from '../../unit/src/agent/support/agent.ts'
import { type HostileNode, startHostileNode } from './hostile-node.ts'

export interface TwoNodes {
  home: Home
  repo: ReturnType<typeof makeRepository>
  /** `liar`; the honest one is `honest`. */
  liar: HostileNode
  /** Answers the id of the task. */
  submit(node: 'liar' | 'honest', ...words: string[]): Promise<string>
  step(id: string): Promise<string | null>
  /** Resolves when the liar's outbox was read so many times more. */
  pulls(count: number): Promise<void>
}

const START_MS_MAX = 180_000

export function withTwoNodes(more = ''): TwoNodes {
  // Made before any test runs.
  const made = {} as TwoNodes
  beforeAll(async () => {
    const liar = await startHostileNode('liar')
    const honest = await startAgentProcess({ name: 'honest' })
    const home = makeHome(`
[providers.local]
enabled = false
[[providers.static.nodes]]
name = "liar"
url = "${liar.url}"
token = "${liar.token}"
max_workspaces = 10
[[providers.static.nodes]]
name = "honest"
url = "${honest.url}"
token = "${honest.token}"
max_workspaces = 10
[nodes]
heartbeat_interval = "1s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[runner]
reconcile_interval = "1s"
workspace_ready_poll_interval = "1s"
${more}`)
    const repo = makeRepository()
    await home.start()
    const reads = () => liar.requests.filter(line => line === 'GET /events').length
    Object.assign(made, {
      home,
      repo,
      liar,
      async submit(node: string, ...words: string[]) {
        const { out, err } = await tdf(home, 'submit', 'x', '--repo', repo.dir, '--node', node, '-q', ...words)
        if (out.trim() === '') throw new Error(err)
        return out.trim()
      },
      step: async (id: string) => (await home.task(id)).step,
      async pulls(count: number) {
        const before = reads()
        await until(`the outbox was read ${count} times`, () => reads() >= before + count)
      },
    })
  }, START_MS_MAX)
  afterAll(async () => {
    await made.home?.remove()
    made.repo?.remove()
  })
  return made
}
