/** `tdf ls` for people: what matters first, a verdict of its own, and an empty list that says why it is empty. */
import { describe, expect, it } from 'vitest'
import { cli } from '../../../support/cli.ts'
import { until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon('[nodes]\nmax_workspaces = 1\n')

async function submit(title: string, script: string, ...options: string[]): Promise<string> {
  const words = ['submit', '--repo', repo.dir, '--title', title, '-q', ...options, '--', 'sh', '-c', script]
  return (await cli(home, ...words)).out.trim()
}

describe('an empty list', () => {
  it('says what it lists none of', async () => {
    expect((await cli(home, 'ls')).err).toMatch(/^no tasks; hand one over with: tdf submit/)
    await submit('one', 'true', '--wait')
    expect(await cli(home, 'ls', '--status', 'parked')).toMatchObject({
      code: 0,
      out: '',
      err: 'there is no task that is parked; every one: tdf ls --all\n',
    })
    const { err } = await cli(home, 'ls', '--status', 'failed', '--label', 'team=web', '--since', '2h')
    expect(err).toBe(
      'there is no task that is failed, with the label team=web, submitted within 2h; every one: tdf ls --all\n',
    )
    expect((await cli(home, 'ls', '--status', 'parked', '--json')).out).toBe('[]\n')
  }, 60_000)
})

describe('a list of tasks', () => {
  it('begins with what runs and what failed, and has the verdict in a column of its own', async () => {
    const failed = await submit('goes wrong', 'exit 3', '--wait')
    const done = await submit('goes well', 'echo hi > hi.txt', '--wait')
    const running = await submit('goes on', 'sleep 600')
    await until('it runs', async () => (await home.task(running)).step === 'running', 60_000)
    const queued = await submit('waits', 'true')
    const { out } = await cli(home, 'ls', '--columns', 'id,step,verdict', '--no-header')
    const rows = out
      .trimEnd()
      .split('\n')
      .map(line => line.split(/ {2,}/))
    expect(rows.slice(0, 4)).toEqual([
      [running, 'running', '-'],
      [failed, '-', 'agent_error'],
      [queued, 'queued', '-'],
      [done, '-', 'unverified'],
    ])
    const json = JSON.parse((await cli(home, 'ls', '--json')).out).map(({ id }: { id: string }) => id)
    expect(json.slice(0, 4)).toEqual([queued, running, done, failed])
  }, 90_000)

  it('of a full queue: why names what makes it go on', async () => {
    const waiting = await submit('waits too', 'true')
    const { out } = await cli(home, 'why', waiting)
    for (const way of ['max_workspaces', 'tdf node add', '--priority']) expect(out).toContain(way)
    expect(out).toMatch(/^to change it +tdf node add --help$/m)
    expect(out).not.toMatch(/\d{4}-\d\d-\d\dT|node_selection/)
  }, 60_000)
})
