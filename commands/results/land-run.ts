/** `tdf land`: results onto their branch, one after the other. The branch of a folder is moved here, as its user. */

import { existsSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { isTerminal } from '../../src/core/task.ts'
import { realWorld, sleep } from '../../src/platform/world.ts'
import type { LandingJson, TaskJson } from '../../src/protocol/control.ts'
import { oneLine, sanitize } from '../../src/text/sanitize.ts'
import { type Cli, print, printJson, type Shape, say } from '../cli/cli.ts'
import { type Git, userGit } from '../cli/git.ts'
import { bySource, isFolder, named, tipOf } from './fit-run.ts'
import { broken, fetchObjects } from './pull-run.ts'
import { attemptOf } from './taken.ts'

export interface LandOptions {
  onto?: string
  check?: string | false
  squash?: boolean
  resolve?: boolean
  push?: boolean
  dryRun?: boolean
}

const LAND_MS = 600_000
const LOOK_MS = 300
const INDEX_MS_MAX = 10_000
const TASK_FAILED = 10

/** Waits until each has landed or has left its lane; the exit code is 10 when one has left. Throws NO_RESULT or WRONG_STATE. */
export async function land(cli: Cli, references: string[], options: LandOptions, shape: Shape): Promise<void> {
  const tasks = await named(cli, references)
  const open = tasks.find(({ status, landing }) => !isTerminal(status) && landing?.state !== 'resolving')
  if (open) {
    throw new TdfError('WRONG_STATE', `task ${open.id} is not over: it is ${open.status}`, {
      hint: `tdf wait ${open.id}`,
    })
  }
  const asked: TaskJson[] = []
  for (const group of bySource(tasks)) asked.push(...(await ask(cli, group, options, shape)))
  const landed = await watch(cli, asked, options, shape)
  if (shape.format === 'json' || shape.format === 'ndjson') printJson(cli, landed)
  else for (const { id, landing } of landed) if (landing?.state === 'landed') print(cli, id)
  if (landed.some(({ landing }) => landing?.state === 'left')) cli.exitCode = TASK_FAILED
}

async function ask(cli: Cli, group: TaskJson[], options: LandOptions, shape: Shape): Promise<TaskJson[]> {
  const [first] = group
  const json = {
    tasks: group.map(attemptOf),
    ref: options.onto ?? null,
    tip: first && isFolder(first) ? await tipOf(cli, first, options.onto, shape) : null,
    check: typeof options.check === 'string' ? options.check : null,
    isChecked: options.check !== false,
    squash: options.squash === true,
    resolve: options.resolve === true,
  }
  return cli.client().call<TaskJson[]>({ method: 'POST', path: '/landings', json, timeoutMs: LAND_MS })
}

async function watch(cli: Cli, asked: TaskJson[], options: LandOptions, shape: Shape): Promise<TaskJson[]> {
  const { clock } = realWorld()
  const told = new Map<string, string>()
  const isText = shape.format === 'table' || shape.format === 'wide'
  for (;;) {
    const query = new URLSearchParams(asked.map((task): [string, string] => ['task', attemptOf(task)]))
    const path = `/landings?${query}`
    const { tasks, ready } = await cli.client().call<{ tasks: TaskJson[]; ready: TaskJson[] }>({ path })
    for (const task of tasks) {
      const text = task.landing ? landingText(task, task.landing) : ''
      if (isText && told.get(task.id) !== text) say(cli, text)
      told.set(task.id, text)
    }
    if (tasks.every(({ landing }) => landing === null || landing.place === null)) return tasks
    // Also one that an earlier command left behind: it stands before ours.
    for (const task of ready) await moveFolder(cli, task, options, shape)
    if (ready.length === 0) await sleep(clock, LOOK_MS)
  }
}

function landingText({ id }: TaskJson, landing: LandingJson): string {
  const { state, onto, place, commit, checkTask, resolvedIn, error } = landing
  const branch = oneLine(onto.replace(/^refs\/heads\//, ''))
  if (state === 'landed') return `${id} landed: ${branch} is at ${commit?.slice(0, 12)}`
  if (state === 'left') return `${id} is not landed: ${oneLine(error?.message ?? '')}`
  if (state === 'resolving') return `${id} conflicts with ${branch}; attempt ${resolvedIn} of it resolves that`
  if (state === 'checking') return `${id} is being checked on ${branch}, by task ${checkTask}`
  return state === 'ready' ? `${id} can land on ${branch}` : `${id} waits for ${branch}, number ${place}`
}

/** Throws WRONG_STATE when the branch is checked out with changes: it lands by the same command again. */
async function moveFolder(cli: Cli, task: TaskJson, { push }: LandOptions, shape: Shape): Promise<void> {
  const { landing, repo } = task
  if (!landing?.commit || !landing.tip) return
  const { onto, commit, tip } = landing
  const git = userGit(cli, repo.url)
  const at = (await git(['rev-parse', '--verify', '--quiet', onto])).stdout.trim()
  const isIn = at !== '' && (await git(['merge-base', '--is-ancestor', commit, at])).exitCode === 0
  const isMoved = isIn || (at === tip && (await fastForward(cli, git, task, { onto, commit, tip })))
  const told = isMoved ? { state: 'landed' } : { state: 'moved', tip: await tipOf(cli, task, onto, shape) }
  await cli.client().call({ method: 'POST', path: `/landings/${attemptOf(task)}`, json: { commit, ...told } })
  if (isMoved && push) await pushFolder(git, onto)
}

/** What ends this command, such as Ctrl-C, does not end the git that moves branch and files: it would leave one without the other. */
const GOES_ON = { ownGroup: true }

async function fastForward(
  cli: Cli,
  git: Git,
  task: TaskJson,
  { onto, commit, tip }: { onto: string; commit: string; tip: string },
): Promise<boolean> {
  const branch = onto.replace(/^refs\/heads\//, '')
  const ref = `refs/tdf/${task.id}/${task.attempt}-landing`
  await fetchObjects({ ...cli, cwd: task.repo.url }, git, task, [{ branch, commit, ref }])
  const tree = await treeWith(git, onto)
  if (tree === null) {
    const words = ['update-ref', '--create-reflog', '-m', `tdf: land task ${task.id}`, onto, commit, tip]
    return (await git(words, {}, GOES_ON)).exitCode === 0
  }
  const inTree = userGit(cli, tree)
  await indexIsFree(inTree, tree)
  if ((await inTree(['status', '--porcelain', '--untracked-files=no'])).stdout !== '') {
    const message = `${branch} is checked out in ${tree} with changes that are not committed; nothing was touched`
    throw new TdfError('WRONG_STATE', message, { hint: `git -C ${tree} stash` })
  }
  const moved = await inTree(['merge', '--ff-only', '--quiet', commit], {}, GOES_ON)
  if (moved.exitCode === 0) return true
  if ((await git(['rev-parse', '--verify', '--quiet', onto])).stdout.trim() !== tip) return false
  const why = sanitize(moved.stderr).trim().split('\n').slice(0, 5).join('\n')
  throw new TdfError('WRONG_STATE', `git does not move ${branch} in ${tree}: ${why}`, { hint: `git -C ${tree} status` })
}

/** A git that an earlier command has left at work is waited for; one that never ends is named by the next git. */
async function indexIsFree(inTree: Git, tree: string): Promise<void> {
  const { clock } = realWorld()
  const lock = path.resolve(tree, (await inTree(['rev-parse', '--git-path', 'index.lock'])).stdout.trim())
  for (let waitedMs = 0; existsSync(lock) && waitedMs < INDEX_MS_MAX; waitedMs += LOOK_MS) await sleep(clock, LOOK_MS)
}

/** The work tree that has the branch checked out. Throws RESULT_BROKEN where git does not say so. */
async function treeWith(git: Git, onto: string): Promise<string | null> {
  const { exitCode, stdout, stderr } = await git(['worktree', 'list', '--porcelain'])
  if (exitCode !== 0) throw broken(stderr)
  const trees = stdout.split('\n\n').map(block => block.split('\n'))
  const found = trees.find(lines => lines.includes(`branch ${onto}`))
  return found?.[0]?.replace(/^worktree /, '') ?? null
}

/** Where its user pushes it. Throws PUSH_FAILED. */
async function pushFolder(git: Git, onto: string): Promise<void> {
  const branch = onto.replace(/^refs\/heads\//, '')
  const set = (await git(['config', '--get', `branch.${branch}.remote`])).stdout.trim()
  const remote = set === '' ? 'origin' : set
  const pushed = await git(['push', '--quiet', remote, `${onto}:${onto}`])
  if (pushed.exitCode === 0) return
  const why = sanitize(pushed.stderr).trim()
  throw new TdfError('PUSH_FAILED', `${branch} moved here and was not pushed to ${remote}: ${why}`, {
    hint: `git push ${remote} ${branch}`,
  })
}
