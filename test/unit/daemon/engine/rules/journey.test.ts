import { afterEach, describe, expect, it } from 'vitest'
import { type Life, live, type Outside, outside } from '../../../../support/daemon/sim-daemon.ts'

let out: Outside
let life: Life
afterEach(() => {
  life.kill()
  out.remove()
})

describe('a task', () => {
  it('goes through all steps by the timer alone, from wake to wake', async () => {
    out = outside()
    life = await live(out)
    const id = await life.submit()
    expect(await life.world.run(() => life.task(id).step === null)).toBe(true)
    expect(life.steps(id)).toEqual([
      'node_selection',
      'node_provisioning',
      'node_agent_ready',
      'workspace_creation',
      'workspace_ready',
      'agent_session',
      'running',
      'salvage',
      'cleanup',
      null,
    ])
    expect(life.statuses(id)).toEqual(['queued', 'delegated', 'in_progress', 'completed'])
    const task = life.task(id)
    expect(task).toMatchObject({ verdict: 'unverified', cleanup: 'done', error: null })
    expect(task.result).toMatchObject({ ahead: 1, salvaged: false })
    expect(out.results.refs.get(`refs/tdf/${id}/1`)).toBe(task.result?.commit)
    expect(out.agents.get('n1')?.workspaces.size).toBe(0)
  })
})
