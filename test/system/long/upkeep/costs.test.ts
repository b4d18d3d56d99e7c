/** `tdf cost` with real processes: what agents say that they cost is there once, whatever is killed, retried or removed. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
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

/** What docs/many.md says of budgets: its configuration, and its commands without their comments. */
function pageOfBudgets(): { config: string; commands: string[][] } {
  const [, page = ''] = /## A monthly budget\n([\s\S]*?)\n## /.exec(readFileSync('docs/many.md', 'utf8')) ?? []
  const [, config = ''] = /```toml\n([\s\S]*?)```/.exec(page) ?? []
  const [, shell = ''] = /```\n(tdf [\s\S]*?)```/.exec(page) ?? []
  const lines = shell.split('\n').filter(line => line.startsWith('tdf '))
  const words = (line: string) => (line.replace(/\s+#.*$/, '').match(/"[^"]*"|\S+/g) ?? []).slice(1)
  return { config, commands: lines.map(line => words(line).map(word => word.replaceAll('"', ''))) }
}

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

  it('keeps to a monthly budget by the commands of its page', async () => {
    const { config, commands } = pageOfBudgets()
    appendFileSync(path.join(home.dir, 'config.toml'), config)
    expect(commands.map(([word]) => word)).toEqual(['daemon', 'submit', 'cost', 'cost', 'doctor'])
    for (const command of commands) {
      const { code, out, err } = await tdfWith(home, { cwd: repo.dir }, ...command)
      if (command[0] === 'doctor') expect(out).toMatch(/of the day budget of \$20 \$3\.50 are spent/)
      else expect([command, code, err.includes('error')]).toEqual([command, 0, false])
    }
  }, 120_000)
})
