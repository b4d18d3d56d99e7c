/**
 * What an agent can leave × how its run ends, through the real daemon, as whoever runs the tests and as an ordinary user: all
 * of it is at home, blob by blob, or named. The machine that is lost after a checkpoint is in checkpoints.test.ts.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'

const isRoot = process.getuid?.() === 0
const ORDINARY = 65_534
const WHO = [
  { who: 'whoever runs the tests', uid: undefined },
  ...(isRoot ? [{ who: 'an ordinary user', uid: ORDINARY }] : []),
]

const commit = (name: string) => `echo ${name} > ${name}; git add ${name}; git commit -qm ${name}`

/** Leaves one of each, and HEAD where it began. */
const LEAVE = [
  `git checkout -q -b side; ${commit('on-side')}; git checkout -q -`,
  'echo s > README.md; echo new > in-stash; git stash -q -u',
  `git checkout -q --detach; ${commit('detached')}; git checkout -q -`,
  `${commit('undone')}; git reset -q --hard HEAD~1`,
  `printf '.claude/\\n*.log\\n' >> .git/info/exclude`,
  `git worktree add -q .claude/worktrees/deep -b deep; (cd .claude/worktrees/deep; ${commit('deep')}; echo l > loose)`,
  'git worktree add -q --detach ../outside; (cd ../outside; echo o > outer)',
  'echo f > shut; chmod 000 shut; mkdir closed; echo c > closed/in; chmod 000 closed; echo d > plain',
  'mkfifo pipe; echo printed',
].join('\n')

/** Each blob that has to be at home, by what holds it. */
const BLOBS: [name: RegExp, file: string, text: string][] = [
  [/^result$/, 'shut', 'f\n'],
  [/^result$/, 'closed/in', 'c\n'],
  [/^result$/, 'plain', 'd\n'],
  [/^side$/, 'on-side', 'on-side\n'],
  [/^stash@\{0\}$/, 'README.md', 's\n'],
  [/^left-behind-\d$/, 'detached', 'detached\n'],
  [/^left-behind-\d$/, 'undone', 'undone\n'],
  [/^deep$/, 'deep', 'deep\n'],
  [/deep$/, 'loose', 'l\n'],
  [/outside$/, 'outer', 'o\n'],
]

const TALKER = [
  process.execPath,
  'test/fakes/talking-agent.mjs',
  '{"ms":20,"says":{"resumeRef":"conversation-1"}}',
].map(word => (word.endsWith('.mjs') ? path.join(import.meta.dirname, '../../../..', word) : word))

const RESULT = (outcome: object) =>
  `printf '%s\\n' '${JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'ok', session_id: 'c', total_cost_usd: 9, usage: {}, ...outcome })}'`

const ENDS: { end: string; verdict: string; script: string; options?: string[]; agent?: boolean; cancel?: boolean }[] =
  [
    { end: 'done', verdict: 'unverified', script: LEAVE },
    { end: 'failed', verdict: 'agent_error', script: `${LEAVE}\nexit 3` },
    { end: 'a check that failed', verdict: 'check_failed', script: LEAVE, options: ['--check', 'false'] },
    { end: 'cancelled', verdict: 'cancelled', script: `${LEAVE}\ntouch ../left; exec sleep 600`, cancel: true },
    { end: 'a time limit', verdict: 'timeout', script: `${LEAVE}\nexec sleep 600`, options: ['--timeout', '15s'] },
    {
      end: 'a budget',
      verdict: 'budget',
      script: `${LEAVE}\n${RESULT({})}\nexec sleep 600`,
      options: ['--max-cost', '1'],
      agent: true,
    },
  ]

describe.each(WHO)('what an agent of $who left', ({ uid }) => {
  let home: Home
  let repo: ReturnType<typeof makeRepository>

  beforeAll(async () => {
    const agents = `[agents.fake]\ntype = "claude"\ncommand = ["sh", "-c", "exec sh $HOME/script"]
[agents.talker]\ntype = "claude"\ncommand = ${JSON.stringify(TALKER)}\nenv = ["CLAUDE_CONFIG_DIR"]\n`
    home = makeHome(`[runner]\nreconcile_interval = "1s"\n${agents}`, uid === undefined ? {} : { uid })
    repo = makeRepository(uid)
    await home.start({ CLAUDE_CONFIG_DIR: path.join(home.dir, 'conversations') })
  }, 180_000)
  afterAll(async () => {
    await home.remove()
    repo.remove()
  }, 60_000)

  async function submit({ script, options = [], agent, end }: (typeof ENDS)[number]): Promise<string> {
    const branch = `result-${end.replaceAll(' ', '-')}`
    const words = ['submit', 'x', '--repo', repo.dir, '-q', '--output-branch', branch, ...options]
    writeFileSync(path.join(home.dir, 'script'), script, { mode: 0o644 })
    const how = agent ? ['--agent', 'fake'] : ['--', 'sh', '-c', script]
    const { out, err } = await tdf(home, ...words, ...how)
    expect(err).not.toContain('error')
    return out.trim()
  }

  async function ended(id: string): Promise<TaskJson> {
    await until('it is over', async () => (await home.task(id)).cleanup === 'done', 120_000)
    return home.task(id)
  }

  function atHome(task: TaskJson): string[] {
    const results = path.join(home.dir, 'state', 'results')
    const [repository = ''] = readdirSync(results).filter(name => name.endsWith('.git'))
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'safe.directory=*', '--git-dir', path.join(results, repository), ...args], {
        encoding: 'utf8',
        env: { ...process.env, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    const holders = [{ name: 'result', commit: task.result?.commit ?? '' }, ...task.saved]
    git('fsck', '--connectivity-only')
    const found = (name: RegExp, file: string, text: string) =>
      holders
        .filter(holder => name.test(holder.name))
        .some(holder => {
          try {
            return git('show', `${holder.commit}:${file}`) === text
          } catch {
            return false
          }
        })
    const missing = BLOBS.filter(([name, file, text]) => !found(name, file, text)).map(([, file]) => file)
    const stash = task.saved.find(({ kind }) => kind === 'stash')
    const untracked = stash ? git('show', `${stash.commit}^3:in-stash`) : ''
    return untracked === 'new\n' ? missing : [...missing, 'in-stash']
  }

  it.each(ENDS)('is at home or named when the run ends by: $end', async row => {
    const id = await submit(row)
    if (row.cancel) {
      const workspaces = path.join(home.dir, 'state', 'agent', 'workspaces')
      const isLeft = () =>
        readdirSync(workspaces).some(name => readdirSync(path.join(workspaces, name)).includes('left'))
      await until('it has left everything', isLeft)
      await tdf(home, 'cancel', id)
    }
    const task = await ended(id)
    expect(task).toMatchObject({ verdict: row.verdict, result: { ahead: 1, salvaged: true } })
    expect(atHome(task)).toEqual([])
    expect(task.leftOut).toEqual([{ path: 'pipe', bytes: null, reason: expect.any(String) }])
    expect((await tdf(home, 'logs', id)).out).toContain('printed')
    const shown = (await tdf(home, 'show', id)).out
    for (const word of ['side (1 commit)', 'stash@{0}', `tdf pull ${id} --all`, 'pipe: ']) expect(shown).toContain(word)
  })

  it('is fetched by its name, or all at once', async () => {
    const id = await submit({ end: 'pulled', verdict: 'unverified', script: LEAVE })
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
    const nothing = await submit({ end: 'nothing', verdict: 'no_change', script: 'true' })
    expect(await ended(nothing)).toMatchObject({ verdict: 'no_change', saved: [], leftOut: [] })
    const script = `echo '*.log' >> .git/info/exclude; printf '*.tmp\\n' > .gitignore; git add .gitignore; git commit -qm i; git reset -q --hard HEAD~1; true`
    expect(await ended(await submit({ end: 'undone', verdict: 'unverified', script }))).toMatchObject({
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
