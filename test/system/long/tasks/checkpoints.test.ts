/** A machine that is lost for good under a run, or under a task that rests: what was done until the last checkpoint is kept. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { type AgentProcess, startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

const BOXES = ['box1', 'box2']

let boxes: AgentProcess[]
let home: Home
let repo: ReturnType<typeof makeRepository>

beforeAll(async () => {
  boxes = await Promise.all(BOXES.map(name => startAgentProcess({ name })))
  const tables = boxes.map(
    ({ url, token }, at) => `[[providers.static.nodes]]\nname = "${BOXES[at]}"\nurl = "${url}"\ntoken = "${token}"\n`,
  )
  home = makeHome(`[results]
checkpoint_interval = "1s"
[runner]
reconcile_interval = "1s"
salvage_timeout = "20s"
[nodes]
heartbeat_interval = "1s"
heartbeat_stale = "5s"
lost_after = "10s"
cpu_threshold_percent = 100
memory_threshold_percent = 100
[providers.local]
enabled = false
${tables.join('')}`)
  repo = makeRepository()
  await home.start()
}, 120_000)
afterAll(async () => {
  for (const box of boxes) lose(box)
  await home.remove()
  repo.remove()
})

/** With everything on it. */
function lose({ pid, state }: AgentProcess): void {
  const sessions = `grep -lz "TDF_PROMPT_FILE=${state}/" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3`
  spawnSync('sh', ['-c', `kill -KILL ${pid} $(pgrep -f "run-session ${state}/") $(${sessions})`])
  rmSync(state, { recursive: true, force: true, maxRetries: 10 })
}

async function submit(script: string, ...options: string[]): Promise<string> {
  const words = ['submit', 'x', '--repo', repo.dir, '-q', '--output-branch', `result-${options[1]}`, ...options]
  const { out, err } = await tdf(home, ...words, '--', 'sh', '-c', script)
  expect(err).not.toContain('error')
  return out.trim()
}

async function ended(id: string): Promise<TaskJson> {
  await until('the attempt has ended', async () => (await home.task(id)).verdict !== null, 120_000)
  await until('there is a result', async () => (await home.task(id)).result !== null, 120_000)
  return home.task(id)
}

/** `refs` of every repository of results. */
const checkpointsOf = (id: string) =>
  spawnSync(
    'sh',
    [
      '-c',
      `for r in ${home.dir}/state/results/*.git; do git --git-dir $r log --format=%H --name-only refs/tdf-checkpoint/${id}/1; done`,
    ],
    {
      encoding: 'utf8',
    },
  ).stdout

it('loses no more of a run than what came after it', async () => {
  const beside =
    'git checkout -q -b side; echo s > s.txt; git add -A; git commit -qm s; git checkout -q -; echo w > README.md; git stash -q'
  const linked = 'git worktree add -q ../linked -b linked; echo l > ../linked/l.txt; mkfifo pipe'
  const script = `${beside}; ${linked}; echo one > one.txt; git add one.txt; git commit -qm one; echo two > two.txt; sleep 1; echo $PWD; exec sleep 600`
  const id = await submit(script, '--node', 'box1')
  await until('a checkpoint is home', () => checkpointsOf(id).includes('two.txt'), 120_000)
  // It goes on meanwhile, as if nothing were.
  expect(await home.task(id)).toMatchObject({ status: 'in_progress', result: null, session: { status: 'running' } })
  const [box] = boxes
  if (!box) throw new Error('no box')
  lose(box)
  const task = await ended(id)
  expect(task).toMatchObject({
    ...{ status: 'failed', verdict: 'infrastructure' },
    result: { ahead: 2, filesChanged: 2, salvaged: true },
  })
  expect((await tdf(home, 'diff', id)).out).toContain('+two')
  expect(task.saved.map(({ kind, ahead }) => `${kind} ${ahead}`)).toEqual(
    expect.arrayContaining(['branch 1', 'stash 2', 'worktree 1']),
  )
  expect(task.leftOut).toMatchObject([{ path: 'pipe' }])
  const pulled = await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', 'side')
  expect(pulled).toMatchObject({ code: 0, out: 'side\n' })
  expect((await tdfWith(home, { cwd: repo.dir }, 'pull', id)).code).toBe(0)
})

it('loses nothing of a task that rests', async () => {
  const id = await submit('echo rest > rest.txt', '--node', 'box2', '--interactive')
  await until('it rests', async () => (await home.task(id)).step === 'awaiting_followup', 120_000)
  await until('a checkpoint is home', () => checkpointsOf(id).includes('rest.txt'), 120_000)
  const [, box] = boxes
  if (!box) throw new Error('no box')
  lose(box)
  await tdf(home, 'send', id, 'go on')
  expect(await ended(id)).toMatchObject({ verdict: 'infrastructure', result: { filesChanged: 1, salvaged: true } })
  expect((await tdf(home, 'diff', id)).out).toContain('+rest')
})
