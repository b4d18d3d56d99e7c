/** What an agent can leave, how its run can end, and the judge of both: everything is at home, blob by blob, or named. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import type { TaskJson } from '../../src/protocol/control.ts'
import { type Home, tdf, until } from '../support/daemon/home.ts'

const commit = (name: string) => `echo ${name} > ${name}; git add ${name}; git commit -qm ${name}`

/** Leaves one of each, and HEAD where it began. A user of a slot has no room beside its work tree but in its home. */
export const LEAVE = [
  `git checkout -q -b side; ${commit('on-side')}; git checkout -q -`,
  'echo s > README.md; echo new > in-stash; git stash -q -u',
  `git checkout -q --detach; ${commit('detached')}; git checkout -q -`,
  `${commit('undone')}; git reset -q --hard HEAD~1`,
  `printf '.claude/\\n*.log\\n' >> .git/info/exclude`,
  `git worktree add -q .claude/worktrees/deep -b deep; (cd .claude/worktrees/deep; ${commit('deep')}; echo l > loose)`,
  '[ -w .. ] && outside=../outside || outside=$HOME/outside',
  'git worktree add -q --detach $outside; (cd $outside; echo o > outer)',
  'echo f > shut; chmod 000 shut; mkdir closed; echo c > closed/in; chmod 000 closed; echo d > plain',
  'mkfifo pipe; echo printed',
].join('\n')

/** Each blob that has to be at home, by what holds it; `path` is by what it would be named. */
const BLOBS: { holder: RegExp; file: string; text: string; path: RegExp }[] = [
  { holder: /^result$/, file: 'shut', text: 'f\n', path: /^shut$/ },
  { holder: /^result$/, file: 'closed/in', text: 'c\n', path: /^closed\/(in)?$/ },
  { holder: /^result$/, file: 'plain', text: 'd\n', path: /^plain$/ },
  { holder: /^side$/, file: 'on-side', text: 'on-side\n', path: /^side$/ },
  { holder: /^stash@\{0\}$/, file: 'README.md', text: 's\n', path: /^stash@\{0\}$/ },
  { holder: /^untracked of stash@\{0\}$/, file: 'in-stash', text: 'new\n', path: /^stash@\{0\}$/ },
  { holder: /^left-behind-\d$/, file: 'detached', text: 'detached\n', path: /^left-behind-\d$/ },
  { holder: /^left-behind-\d$/, file: 'undone', text: 'undone\n', path: /^left-behind-\d$/ },
  { holder: /^deep$/, file: 'deep', text: 'deep\n', path: /^deep$/ },
  { holder: /deep$/, file: 'loose', text: 'l\n', path: /deep(\/loose)?$/ },
  { holder: /outside$/, file: 'outer', text: 'o\n', path: /outside(\/outer)?$/ },
]

const RESULT = `printf '%s\\n' '${JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'ok', session_id: 'c', total_cost_usd: 9, usage: {} })}'`

export interface End {
  end: string
  verdict: string
  script: string
  options: readonly string[]
  /** The run is that of the agent `costly`, which runs this script itself. */
  isAgent?: boolean
}

/** `timeLimit` has to be long enough for everything to be left. */
export const ends = (timeLimit: string): End[] => [
  { end: 'done', verdict: 'unverified', script: LEAVE, options: [] },
  { end: 'failed', verdict: 'agent_error', script: `${LEAVE}\nexit 3`, options: [] },
  { end: 'a check that failed', verdict: 'check_failed', script: LEAVE, options: ['--check', 'false'] },
  { end: 'cancelled', verdict: 'cancelled', script: `${LEAVE}\nexec sleep 600`, options: [] },
  { end: 'a time limit', verdict: 'timeout', script: `${LEAVE}\nexec sleep 600`, options: ['--timeout', timeLimit] },
  { end: 'a budget', verdict: 'budget', script: COSTLY, options: ['--max-cost', '1'], isAgent: true },
]

const COSTLY = `${LEAVE}\n${RESULT}\nexec sleep 600`

/** For a configuration: the agent that a run with `isAgent` needs. */
export const COSTLY_AGENT = `[agents.costly]
type = "claude"
command = ["sh", "-c", ${JSON.stringify(COSTLY)}]
install = "true"
`

/** The id of the task. `more` are options of `submit`. */
export async function submitRun(home: Home, repo: string, run: End, ...more: string[]): Promise<string> {
  const words = ['submit', 'x', '--repo', repo, '-q', ...run.options, ...more]
  const how = run.isAgent ? ['--agent', 'costly'] : ['--', 'sh', '-c', run.script]
  const { out, err } = await tdf(home, ...words, ...how)
  expect(err).not.toContain('error')
  return out.trim()
}

export const untilLeft = (home: Home, id: string) =>
  until(`${id} has left everything`, async () => (await tdf(home, 'logs', id)).out.includes('printed'), 120_000)

/** What all of a task shows in the end, in JSON and to people. */
export async function expectAllHome(home: Home, task: TaskJson, verdict: string): Promise<void> {
  expect(task).toMatchObject({ verdict, result: { ahead: 1, salvaged: true } })
  expect(unaccounted(home, task)).toEqual([])
  expect(task.leftOut).toEqual([{ path: 'pipe', bytes: null, reason: expect.any(String) }])
  expect((await tdf(home, 'logs', task.id)).out).toContain('printed')
  const shown = (await tdf(home, 'show', task.id)).out
  for (const word of ['side (1 commit)', 'stash@{0}', `tdf pull ${task.id} --all`, 'pipe: ']) {
    expect(shown).toContain(word)
  }
}

/** Files that are neither at home nor named. */
export function unaccounted(home: Home, { result, saved, leftOut }: TaskJson): string[] {
  const stash = saved.find(({ kind }) => kind === 'stash')
  const holders = [{ name: 'result', commit: result?.commit ?? '' }, ...saved]
  // git-stash(1): its third parent holds what was not tracked.
  if (stash) holders.push({ ...stash, name: `untracked of ${stash.name}`, commit: `${stash.commit}^3` })
  gitOfResults(home, 'fsck', '--connectivity-only')
  const isHome = ({ holder, file, text }: (typeof BLOBS)[number]) =>
    holders.some(({ name, commit }) => holder.test(name) && contentOf(home, `${commit}:${file}`) === text)
  const isNamed = (blob: (typeof BLOBS)[number]) => leftOut.some(left => blob.path.test(left.path))
  return BLOBS.filter(blob => !isHome(blob) && !isNamed(blob)).map(({ file }) => file)
}

/** Null when there is no such object. */
export function contentOf(home: Home, object: string): string | null {
  try {
    return gitOfResults(home, 'show', object)
  } catch {
    return null
  }
}

/** In the repository of results of a home that knows one repository. */
function gitOfResults(home: Home, ...args: string[]): string {
  const results = path.join(home.dir, 'state', 'results')
  const [repository = ''] = readdirSync(results).filter(name => name.endsWith('.git'))
  const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
  return execFileSync('git', ['--git-dir', path.join(results, repository), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}
