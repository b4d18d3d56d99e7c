/** How everything stands: `tdf top` and `tdf status`, with a real daemon, its node and what runs there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli, cliWith } from '../../../support/cli.ts'
import { makeHome, makeRepository, tdfWith, until } from '../../../support/daemon/home.ts'

const home = makeHome('[nodes]\nmax_workspaces = 2\n')
const repo = makeRepository()
let running = ''

const submit = async (title: string, script: string) =>
  (await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', '--title', title, '--', 'sh', '-c', script)).out.trim()

beforeAll(async () => {
  await home.start()
  const failing = await submit('fails', 'exit 3')
  await until('it failed', async () => (await home.task(failing)).step === null)
  running = await submit('runs for long', 'sleep 600')
  await until('it runs', async () => (await home.task(running)).step === 'running')
  await until('its node was heard', async () => {
    const [node] = JSON.parse((await cli(home, 'node', 'ls', '--json')).out)
    return node?.load !== null
  })
}, 240_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

describe('tdf top', () => {
  it('shows each machine with its load as bars, and what runs there', async () => {
    const { code, out } = await cliWith(home, { columns: 120 }, 'top', '--once')
    expect(code).toBe(0)
    expect(out).toContain('1 machine, 1 of 2 places taken')
    expect(out).toMatch(/local +ready +1\/2 ▮▯ +[▮▯]{8} +\d+ % +[▮▯]{8} +\d+ % +[▮▯]{8} +\d+ %/)
    expect(out).toMatch(new RegExp(`local +▶ running +${running} .* runs for long`))
  })

  it('fits a narrow terminal', async () => {
    const { out } = await cliWith(home, { columns: 50 }, 'top', '--once')
    for (const line of out.split('\n')) expect([...line].length).toBeLessThanOrEqual(50)
  })

  it('is data for programs: percents of the last heartbeat, and the tasks of each node', async () => {
    const [node] = JSON.parse((await cli(home, 'top', '--json')).out)
    const percent = expect.any(Number)
    const load = { cpuPercent: percent, memoryPercent: percent, diskPercent: percent, at: expect.any(String) }
    expect(node).toMatchObject({ name: 'local', workspaces: 1, maxWorkspaces: 2, load })
    expect(node.tasks).toEqual([expect.objectContaining({ id: running, title: 'runs for long', step: 'running' })])
  })
})

describe('tdf status', () => {
  it('is a few signs for a prompt, and words for people', async () => {
    expect(await cli(home, 'status', '--short')).toEqual({ code: 0, out: '1▶ 1✗\n', err: '' })
    const { out } = await cli(home, 'status')
    expect(out).toBe('▶ 1 running  ✗ 1 failed today\n')
  })

  it('is one task where one is named, as ever', async () => {
    const { code, out } = await cli(home, 'status', running)
    expect([code, out]).toEqual([0, expect.stringContaining('runs for long')])
  })

  it('keeps a prompt empty and quiet where there is no daemon', async () => {
    const nowhere = makeHome()
    expect(await cli(nowhere, 'status', '--short')).toEqual({ code: 69, out: '', err: '' })
    expect(await cli(nowhere, 'status')).toMatchObject({ code: 69, err: expect.stringContaining('error:') })
    await nowhere.remove()
  })
})

it('the cost of today is what agents and machines cost since it began', async () => {
  const since = Date.now() - 3_600_000
  expect(await home.client.call({ path: `/spent?since=${since}` })).toEqual({
    since: new Date(since).toISOString(),
    costUsd: 0,
    machineUsd: 0,
    budget: null,
    resting: 0,
  })
  await expect(home.client.call({ path: '/spent' })).rejects.toThrow('since')
})
