/** `tdf cost` with real processes: what agents say that they cost is there once, whatever is killed, retried or removed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CostJson } from '../../../../src/protocol/upkeep.ts'
import { afterFile } from '../../../support/after-file.ts'
import { makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

const AGENT = new URL('../../../fakes/programs/remembering-agent.mjs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-cost-test-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))
const home = makeHome(`
[runner]
agent = "worker"
reconcile_interval = "1s"
[agents.worker]
type = "claude"
command = ${JSON.stringify([process.execPath, AGENT, path.join(folder, 'notes')])}
`)
const repo = makeRepository()
let daemon: Awaited<ReturnType<typeof home.start>>
beforeAll(async () => {
  daemon = await home.start()
}, 180_000)
afterAll(() => home.remove(), 60_000)

const submit = async (...args: string[]) => (await tdfWith(home, { cwd: repo.dir }, 'submit', '-q', ...args)).out.trim()
const isOver = (id: string) => until(`${id} is over`, async () => (await home.task(id)).step === null, 120_000)
const costs = async (...args: string[]) => JSON.parse((await tdf(home, 'cost', '--json', ...args)).out) as CostJson[]

describe('tdf cost', () => {
  it('equals what the agents said, over kill -9 of the daemon, a continue, and rm', async () => {
    const web = ['--label', 'team=web']
    const first = await submit('cost 1\nwrite a.txt', ...web)
    await isOver(first)
    const second = await submit('sleep 4000\ncost 0.5\nwrite b.txt')
    await until('the agent works', async () => (await home.task(second)).step === 'running')
    await home.kill(daemon)
    daemon = await home.start()
    await isOver(second)
    await tdf(home, 'continue', first, 'cost 2', '--wait')
    await isOver(first)
    const [all] = await costs()
    expect(all).toMatchObject({ key: null, tasks: 2, costUsd: 3.5, machineUsd: 0, inputTokens: 3, unpriced: 0 })
    expect(await costs('--by', 'label')).toMatchObject([
      { key: 'team=web', tasks: 1, costUsd: 3 },
      { key: null, tasks: 1, costUsd: 0.5 },
    ])
    expect(await costs('--by', 'agent')).toMatchObject([{ key: 'worker', tasks: 2, costUsd: 3.5 }])
    await tdf(home, 'rm', first, '--yes')
    expect(await costs()).toEqual([all])
  }, 300_000)

  it('is a table with its sum for people, and a file of values for programs', async () => {
    const { out } = await tdf(home, 'cost', '--by', 'label')
    expect(out.split('\n').map(line => line.split(/ +/))).toEqual([
      ['LABEL', 'TASKS', 'INPUT', 'OUTPUT', 'AGENTS', 'MACHINES', 'TOTAL'],
      ['team=web', '1', '2', '2', '$3.00', '$0.00', '$3.00'],
      ['-', '1', '1', '1', '$0.50', '$0.00', '$0.50'],
      ['total', '3', '3', '$3.50', '$0.00', '$3.50'],
      [''],
    ])
    expect((await tdf(home, 'cost', '--by', 'label', '-o', 'csv')).out).toBe(
      'label,tasks,input,output,agents,machines,total\nteam=web,1,2,2,3,0,3\n-,1,1,1,0.5,0,0.5\n',
    )
    expect(await tdf(home, 'cost', '--since', 'yesterday')).toMatchObject({ code: 2 })
    expect(await tdf(home, 'cost', '--by', 'colour')).toMatchObject({ code: 2 })
  }, 60_000)
})
