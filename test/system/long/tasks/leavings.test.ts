/**
 * What an agent can leave × how its run ends, through the real daemon, as whoever runs the tests and as an ordinary user: all
 * of it is at home, blob by blob, or named. The machine that is lost after a checkpoint is in checkpoints.test.ts.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { COSTLY_AGENT, type End, ends, expectAllHome, LEAVE, submitRun, untilLeft } from '../../leavings.ts'

const isRoot = process.getuid?.() === 0
const ORDINARY = 65_534
const WHO = [
  { who: 'whoever runs the tests', uid: undefined },
  ...(isRoot ? [{ who: 'an ordinary user', uid: ORDINARY }] : []),
]

const TALKER = [
  process.execPath,
  'test/fakes/programs/talking-agent.mjs',
  '{"ms":20,"says":{"resumeRef":"conversation-1"}}',
].map(word => (word.endsWith('.mjs') ? path.join(import.meta.dirname, '../../../..', word) : word))

describe.each(WHO)('what an agent of $who left', ({ uid }) => {
  let home: Home
  let repo: ReturnType<typeof makeRepository>

  beforeAll(async () => {
    const agents = `${COSTLY_AGENT}[agents.talker]\ntype = "claude"\ncommand = ${JSON.stringify(TALKER)}\nenv = ["CLAUDE_CONFIG_DIR"]\n`
    home = makeHome(`[runner]\nreconcile_interval = "1s"\n${agents}`, uid === undefined ? {} : { uid })
    repo = makeRepository(uid)
    await home.start({ CLAUDE_CONFIG_DIR: path.join(home.dir, 'conversations') })
  }, 180_000)
  afterAll(async () => {
    await home.remove()
    repo.remove()
  }, 60_000)

  const submit = (run: End) =>
    submitRun(home, repo.dir, run, '--output-branch', `result-${run.end.replaceAll(' ', '-')}`)

  async function ended(id: string): Promise<TaskJson> {
    await until('it is over', async () => (await home.task(id)).cleanup === 'done', 120_000)
    return home.task(id)
  }

  it.each(ends('15s'))('is at home or named when the run ends by: $end', async run => {
    const id = await submit(run)
    if (run.end === 'cancelled') {
      await untilLeft(home, id)
      await tdf(home, 'cancel', id)
    }
    await expectAllHome(home, await ended(id), run.verdict)
  })

  it('is fetched by its name, or all at once', async () => {
    const id = await submit({ end: 'pulled', verdict: 'unverified', script: LEAVE, options: [] })
    await ended(id)
    const one = await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', 'side')
    expect([one.code, one.out.trim()]).toEqual([0, 'side'])
    const all = await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--all', '--json')
    expect(all.code).toBe(0)
    expect(JSON.parse(all.out).pulled.branches).toEqual(
      expect.arrayContaining(['result-pulled', 'result-pulled-side', 'result-pulled-stash-0', 'result-pulled-deep']),
    )
    const plain = await tdfWith(home, { cwd: repo.dir }, 'pull', id)
    expect(plain.err).toContain(`tdf pull ${id} --all`)
  })

  it('has its conversation with it, also when no file was changed: retry --resume goes on with it', async () => {
    const words = ['submit', 'talk', '--repo', repo.dir, '-q', '--agent', 'talker', '--output-branch', 'result-talk']
    const id = (await tdf(home, ...words)).out.trim()
    expect(await ended(id)).toMatchObject({ verdict: 'no_change', result: { summary: 'done' } })
    expect((await tdf(home, 'retry', id, '--resume')).code).toBe(0)
    await until('it is at its second attempt', async () => (await home.task(id)).attempt === 2)
    expect(await ended(id)).toMatchObject({ verdict: 'no_change', result: { summary: 'I remember' } })
  })

  it('is nothing at all when nothing was made, and what is ignored is a hint', async () => {
    const nothing = await submit({ end: 'nothing', verdict: 'no_change', script: 'true', options: [] })
    expect(await ended(nothing)).toMatchObject({ verdict: 'no_change', saved: [], leftOut: [] })
    const script = `echo '*.log' >> .git/info/exclude; printf '*.tmp\\n' > .gitignore; git add .gitignore; git commit -qm i; git reset -q --hard HEAD~1; true`
    expect(await ended(await submit({ end: 'undone', verdict: 'unverified', script, options: [] }))).toMatchObject({
      verdict: 'unverified',
      saved: [{ kind: 'branch', ahead: 1 }],
    })
  })
})

describe.each(isRoot ? ['another user'] : [])('what %s owns in a workspace', () => {
  const home = makeHome('[runner]\nretry_max_delay = "2s"\n', { uid: ORDINARY })
  const repo = makeRepository(ORDINARY)
  beforeAll(async () => void (await home.start()), 180_000)
  afterAll(async () => {
    await home.remove()
    repo.remove()
  }, 60_000)

  it('is named, its workspace stays, and it comes home beside the result once it can be read', async () => {
    const script = 'echo w > work; touch ../ready; while [ ! -e ../go ]; do sleep 0.1; done'
    const id = (await tdf(home, 'submit', 'x', '--repo', repo.dir, '-q', '--', 'sh', '-c', script)).out.trim()
    const folder = path.join(home.dir, 'state', 'agent', 'workspaces', `${id}-1-1`)
    await until('it is at work', () => existsSync(path.join(folder, 'ready')))
    // As a container leaves it: a file that the agent's user may not read.
    const theirs = path.join(folder, 'work', 'of-root')
    writeFileSync(theirs, 'r\n', { mode: 0o600 })
    writeFileSync(path.join(folder, 'go'), '')
    await until('it is over', async () => (await home.task(id)).cleanup === 'failed', 120_000)
    const task = await home.task(id)
    expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', result: { ahead: 1 } })
    expect(task.leftOut).toEqual([{ path: 'of-root', bytes: 2, reason: expect.stringContaining('cannot be read') }])
    expect((await tdf(home, 'why', id)).out).toContain('could not be read')
    expect(existsSync(theirs)).toBe(true)
    chownSync(theirs, ORDINARY, ORDINARY)
    await until('all is home', async () => (await home.task(id)).cleanup === 'done', 180_000)
    const later = await home.task(id)
    expect(later).toMatchObject({ verdict: 'unverified', result: { commit: task.result?.commit }, leftOut: [] })
    const late = later.saved.find(({ name }) => name === 'late')
    expect(late).toMatchObject({ kind: 'branch', ahead: 1 })
    expect((await tdfWith(home, { cwd: repo.dir }, 'pull', id, '--branch', 'late')).code).toBe(0)
    const show = ['-c', `safe.directory=${repo.dir}`, 'show', 'late:of-root']
    expect(execFileSync('git', show, { cwd: repo.dir, encoding: 'utf8' })).toBe('r\n')
    expect(existsSync(folder)).toBe(false)
  })
})
