/** The archive for a bug report: it says what happened, and nothing that anybody wrote or keeps secret. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdfWith } from '../../../support/daemon/home.ts'

/** Each stands in a place of its own; none may leave. */
const CANARIES = [
  ...['prompt', 'title', 'label', 'output', 'failure', 'branch', 'setup', 'environment', 'node-token', 'argument'],
  ...['commit-message', 'file-name', 'kept'],
].map(place => [place, `canary-${place}-5e0c`] as const)
const canary = Object.fromEntries(CANARIES)

let home: Home
let repository: ReturnType<typeof makeRepository>
beforeEach(() => {
  home = makeHome(`[agents.mine]
type = "command"
command = ["sh", "-c"]
args = ["${canary.argument}"]
env = ["SOME_API_KEY"]
[runner]
max_attempts = 2
idle_timeout = "7m"
[[providers.static.nodes]]
name = "box"
url = "http://127.0.0.1:1"
token = "${canary['node-token']}"
`)
  repository = makeRepository()
})
afterEach(async () => {
  await home.remove()
  repository.remove()
})

const env = { SOME_API_KEY: canary.environment ?? '' }
const run = (...words: string[]) => tdfWith(home, { env, cwd: home.dir }, ...words)

/** File name → text. */
function unpacked(file: string): Record<string, string> {
  const folder = path.join(home.dir, 'unpacked')
  mkdirSync(folder)
  execFileSync('tar', ['-xzf', file, '-C', folder])
  const inside = path.join(folder, 'tdf-bundle')
  return Object.fromEntries(readdirSync(inside).map(name => [name, readFileSync(path.join(inside, name), 'utf8')]))
}

it('holds what tdf knows of its tasks, and no canary', async () => {
  await home.start(env)
  const command = [
    `echo ${canary.output}; echo ${canary.failure} >&2; echo x > ${canary['file-name']}`,
    `git add --all; git commit -qm ${canary['commit-message']}; exit 3`,
  ].join('; ')
  await tdfWith(home, { input: `${canary.kept}` }, 'secret', 'set', 'KEPT')
  const about = ['--title', `${canary.title}`, '--label', `k=${canary.label}`, '--output-branch', `${canary.branch}`]
  const where = ['--repo', repository.dir, '--node', 'local', '--setup', `true ${canary.setup}`]
  const words = ['submit', '-', ...where, ...about, '--wait', '--json', '--', 'sh', '-c', command]
  const submitted = await tdfWith(home, { env, input: `${canary.prompt}` }, ...words)
  const task: TaskJson = JSON.parse(submitted.out)
  expect(task).toMatchObject({ verdict: 'agent_error', result: { filesChanged: 1 } })

  const { code, out } = await run('doctor', '--bundle', '-q')
  const file = out.trim()
  expect([code, path.dirname(file), statSync(file).mode & 0o777]).toEqual([0, home.dir, 0o600])
  const parts = unpacked(file)
  expect(Object.keys(parts).sort()).toEqual([
    ...['about.json', 'config.json', 'doctor.json', 'errors.json', 'events.json', 'metrics.txt', 'nodes.json'],
    ...['status.json', 'tasks.json'],
  ])
  const json = (name: string) => JSON.parse(parts[name] ?? '')
  expect(json('tasks.json')).toMatchObject([
    {
      id: task.id,
      status: 'failed',
      verdict: 'agent_error',
      error: { code: 'AGENT_FAILED' },
      session: { exitCode: 3 },
    },
  ])
  expect(json('errors.json')).toMatchObject([{ taskId: task.id, code: 'AGENT_FAILED', step: 'running' }])
  expect(json('events.json').at(-1)).toMatchObject({ type: 'task.step', data: { from: 'cleanup', to: null } })
  expect(json('config.json')).toContainEqual({ key: 'runner.idle_timeout', value: '"7m"' })
  expect(json('nodes.json').map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['local', 'box']))
  expect(json('doctor.json')).toContainEqual(expect.objectContaining({ check: 'database', state: 'ok' }))
  expect(parts['metrics.txt']).toContain('tdf_tasks{state="failed"} 1')

  const everything = Object.values(parts).join('\n')
  const { key } = JSON.parse(readFileSync(path.join(home.dir, 'state', 'install.json'), 'utf8'))
  const token = readFileSync(path.join(home.dir, 'state', 'agent-token'), 'utf8').trim()
  for (const secret of [...Object.values(canary), key, token, home.dir, repository.dir]) {
    expect([secret, everything.includes(secret)]).toEqual([secret, false])
  }
}, 120_000)

it('is made without a daemon and with a configuration that is wrong, and never over another file', async () => {
  writeFileSync(path.join(home.dir, 'config.toml'), `[runner]\nagent = ${canary.argument}\n`)
  const file = path.join(home.dir, 'report.tar.gz')
  expect((await run('doctor', '--bundle', file)).out).toContain('look at it before you send it')
  const parts = unpacked(file)
  expect(JSON.parse(parts['tasks.json'] ?? '')).toEqual({ missing: 'DAEMON_UNREACHABLE' })
  expect(JSON.parse(parts['config.json'] ?? '')).toEqual({ missing: 'CONFIG_INVALID' })
  expect(Object.values(parts).join('\n')).not.toContain(canary.argument)
  const again = await run('doctor', '--bundle', file)
  expect([again.code, again.err]).toEqual([5, expect.stringContaining('is there already')])
  expect(existsSync(file)).toBe(true)
}, 60_000)
