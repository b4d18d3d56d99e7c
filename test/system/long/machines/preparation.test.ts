/** What runs before an agent, from the command line to the node: the repository's own file, and an agent's install. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository } from '../../../support/daemon/home.ts'

let home: Home
let repo: ReturnType<typeof makeRepository>
beforeEach(() => {
  repo = makeRepository()
  home = makeHome(`
[agents.prepared]
type = "command"
command = ["sh", "-c", "cat $HOME/installed > installed.txt"]
install = "echo once >> $HOME/installed"
`)
})
afterEach(async () => {
  await home.remove()
  repo.remove()
})

async function submit(...words: string[]): Promise<{ code: number | null; task: TaskJson }> {
  const { code, out } = await cli(home, 'submit', '--repo', repo.dir, '--wait', '--json', ...words)
  return { code, task: JSON.parse(out) }
}

it('the setup of a repository of yours runs, unless it is not wanted or another is', async () => {
  writeFileSync(path.join(repo.dir, '.tdf.toml'), 'setup = "echo own > prepared.txt"\n')
  const as = ['-c', 'user.name=you', '-c', 'user.email=you@localhost']
  for (const args of [
    ['add', '-A'],
    ['commit', '-qm', 'prepared'],
  ])
    execFileSync('git', [...as, ...args], { cwd: repo.dir })
  await home.start()
  const run = ['--', 'sh', '-c', 'cat prepared.txt; true']
  const said = async ({ task }: { task: TaskJson }) => (await cli(home, 'logs', task.id)).out
  expect(await said(await submit('--allow-setup', ...run))).toBe('own\n')
  expect(await said(await submit('--setup', 'echo asked > prepared.txt', ...run))).toBe('asked\n')
  expect(await said(await submit('--no-setup', ...run))).toMatch(/No such file/)
  writeFileSync(path.join(repo.dir, '.tdf.toml'), 'setup = "echo it is broken; exit 9"\n')
  execFileSync('git', [...as, 'commit', '-qam', 'broken'], { cwd: repo.dir })
  const { code, task } = await submit('--allow-setup', ...run)
  expect([code, task.status, task.error?.code]).toEqual([10, 'failed', 'WORKSPACE_FAILED'])
  expect(task.error?.message).toContain('it is broken')
})

it('the install of an agent has run once when two of its tasks are done', async () => {
  await home.start()
  const both = await Promise.all([submit('--agent', 'prepared', 'one'), submit('--agent', 'prepared', 'two')])
  expect(both.map(({ code, task }) => [code, task.result?.filesChanged])).toEqual([
    [0, 1],
    [0, 1],
  ])
  const installed = path.join(home.dir, 'installed')
  expect(existsSync(installed) && readFileSync(installed, 'utf8')).toBe('once\n')
})

describe('the trailer', () => {
  const script =
    'echo 1 > a && git add a && git commit -qm "Add a" && git commit -q --amend -m "Add a, better"; echo 2 > b'
  async function messages(): Promise<string[]> {
    const { task } = await submit('--', 'sh', '-c', script)
    await cliWith(home, { cwd: repo.dir }, 'pull', task.id)
    const log = ['log', '--format=%an%n%B%x00', `main..${task.outputBranch}`]
    const shown = execFileSync('git', log, { cwd: repo.dir, encoding: 'utf8' })
    return shown.split('\0').map(text => text.trim().replaceAll(task.id, 'ID'))
  }

  it('says at the end of each commit what made it, once, and leaves the author alone', async () => {
    for (const [key, value] of [
      ['name', 'Ann Author'],
      ['email', 'ann@example.com'],
    ]) {
      execFileSync('git', ['config', `user.${key}`, value ?? ''], { cwd: repo.dir })
    }
    await home.start()
    expect(await messages()).toEqual([
      'Ann Author\nWork of task ID that was not committed\n\nSaved by tdf at the end of attempt 1.\n\nAssisted-by: sh (task ID of tdf)',
      'Ann Author\nAdd a, better\n\nAssisted-by: sh (task ID of tdf)',
      '',
    ])
  })

  it('is another, or none, as the configuration says', async () => {
    await home.start({ TDF_RESULTS__TRAILER: '' })
    expect((await messages()).join()).not.toContain('Assisted-by')
  })
})
