/** One task on real processes with the daemon killed on the way, and what the outside looks like afterwards. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type Home, hasEnded, makeHome, makeRepository, tdf, until } from './home.ts'

export interface CrashRun {
  /** Whether the plan's point was reached; false once a journey has no such point. */
  crashed: boolean
  status: string
  verdict: string | null
  ahead: number | undefined
  /** Lines that the agent command wrote: once for each time it ran. */
  ran: number
  workspacesLeft: string[]
  /** Files in the result, from the daemon's own copy. */
  changed: string[]
  artifacts: string[]
}

const TERMINAL = ['completed', 'failed', 'cancelled']

/** `plan` is a TDF_CRASH_AT of the first daemon; the ones after it run undisturbed. `more`: options of the submit. */
export async function crashRun(plan: string, more: readonly string[] = []): Promise<CrashRun> {
  const home = makeHome()
  const repository = makeRepository()
  const counter = path.join(home.dir, 'ran')
  try {
    let daemon = await home.start({ TDF_CRASH_AT: plan })
    const command = `echo once >> ${counter}; sleep 0.2; echo hi > NOTES.md; git add -A; git commit -qm notes`
    const options = ['--repo', repository.dir, '--idempotency-key', 'the-one', '-q', ...more]
    const submit = ['submit', ...options, '--', 'sh', '-c', command]
    let isSubmitted = false
    const submitting = tdf(home, ...submit).finally(() => {
      isSubmitted = true
    })
    // An upload waits for the daemon to come back.
    await until('the submit has ended or the daemon is dead', () => isSubmitted || hasEnded(daemon), WAIT_MS)
    let crashed = hasEnded(daemon)
    if (crashed) daemon = await home.start()
    let submitted = await submitting
    if (!crashed) {
      await until(
        'the task is done or the daemon is dead',
        async () => hasEnded(daemon) || isDone(await peek(home, submitted.out)),
        WAIT_MS,
      )
      crashed = hasEnded(daemon)
      if (crashed) daemon = await home.start()
    }
    if (crashed) {
      // Whoever got no answer sends again; the key makes it the same task.
      if (submitted.code !== 0) submitted = await tdf(home, ...submit)
      await until('the task is done after the restart', async () => isDone(await peek(home, submitted.out)), WAIT_MS)
    }
    const id = submitted.out.trim()
    const result = await Promise.all([home.task(id), home.client.raw({ path: `/tasks/${id}/diff?stat=true` })]).catch(
      async () => {
        // The point was the last thing that the daemon did: only now is it dead.
        await until('the daemon is dead', () => hasEnded(daemon), WAIT_MS)
        crashed = true
        await home.start()
        return Promise.all([home.task(id), home.client.raw({ path: `/tasks/${id}/diff?stat=true` })])
      },
    )
    const [task, diff] = [result[0], result[1].body.toString()]
    const workspaces = path.join(home.dir, 'state', 'agent', 'workspaces')
    return {
      crashed,
      status: task.status,
      verdict: task.verdict,
      ahead: task.result?.ahead,
      ran: existsSync(counter) ? readFileSync(counter, 'utf8').split('\n').length - 1 : 0,
      workspacesLeft: existsSync(workspaces) ? readdirSync(workspaces) : [],
      artifacts: task.artifacts.map(({ path, from }) => `${path} ${from}`),
      changed: [...diff.matchAll(/^ (\S+)\s+\|/gm)].map(match => match[1] ?? ''),
    }
  } finally {
    await home.remove()
    repository.remove()
  }
}

/** Generous: several of them run at once. */
const WAIT_MS = 240_000

export interface ContinueRun {
  crashed: boolean
  attempts: number
  verdicts: (string | null)[]
  /** The first attempt has the commit that it had. */
  isKept: boolean
  ahead: number | undefined
  ran: number
  workspacesLeft: string[]
}

/** The same for `tdf continue` of a task that was over before: `plan` is of the daemon that is asked to continue it. */
export async function continueRun(plan: string): Promise<ContinueRun> {
  const home = makeHome()
  const repository = makeRepository()
  const counter = path.join(home.dir, 'ran')
  try {
    const first = await home.start()
    const command = `echo once >> ${counter}; wc -l < ${counter} > NOTES.md; git add -A; git commit -qm notes`
    const id = (await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', command)).out.trim()
    await until('the first attempt is over', async () => isDone(await peek(home, id)), WAIT_MS)
    const before = await home.task(id)
    await home.kill(first)
    const daemon = await home.start({ TDF_CRASH_AT: plan })
    const goOn = () => tdf(home, 'continue', id, 'more', '--idempotency-key', 'the-one', '-q')
    const isThere = async () => {
      const task = await peek(home, id)
      return isDone(task) && task?.attempt === 2
    }
    const asked = hasEnded(daemon) ? null : await goOn()
    if (asked?.code === 0)
      await until('it is done or the daemon is dead', async () => hasEnded(daemon) || isThere(), WAIT_MS)
    const crashed = hasEnded(daemon) || asked?.code !== 0
    if (crashed) {
      await until('the daemon is dead', () => hasEnded(daemon))
      await home.start()
      // Sent again, whether there was an answer or not: the key makes it the same attempt.
      await goOn()
      await until('it is done after the restart', isThere, WAIT_MS)
    }
    const task = await home.task(id)
    const workspaces = path.join(home.dir, 'state', 'agent', 'workspaces')
    return {
      crashed,
      attempts: task.attempts.length,
      verdicts: task.attempts.map(({ verdict }) => verdict),
      isKept: task.attempts[0]?.commit === before.result?.commit,
      ahead: task.result?.ahead,
      ran: readFileSync(counter, 'utf8').split('\n').length - 1,
      workspacesLeft: existsSync(workspaces) ? readdirSync(workspaces) : [],
    }
  } finally {
    await home.remove()
    repository.remove()
  }
}

/** What each of them ends in. */
export const CONTINUED_ONCE = {
  attempts: 2,
  verdicts: ['unverified', 'unverified'],
  isKept: true,
  ahead: 2,
  ran: 2,
  workspacesLeft: [],
}

async function peek(home: Home, id: string): Promise<TaskJson | null> {
  return id.trim() === '' ? null : home.task(id.trim()).catch(() => null)
}

function isDone(task: TaskJson | null): boolean {
  return task !== null && TERMINAL.includes(task.status) && task.step === null
}

/** What every run ends in, wherever the power failed. */
export const THE_SAME_END = {
  status: 'completed',
  verdict: 'unverified',
  ahead: 1,
  ran: 1,
  workspacesLeft: [],
  changed: ['NOTES.md'],
  artifacts: [],
}

/** For `crashRun`, and what it ends in: a check that leaves a report. */
export const WITH_REPORT = ['--artifacts', '*.txt', '--check', 'echo again >> ran.txt']
export const REPORTED_END = { ...THE_SAME_END, verdict: 'verified', artifacts: ['ran.txt check'] }

export interface LandRun {
  crashed: boolean
  state: string | undefined
  /** Titles of the commits of the branch, the newest first. */
  titles: string[]
  checks: (string | null)[]
}

/** Two commits of a branch on a server, and a result that lands on it with the daemon killed on the way: `plan` is of that daemon. */
export async function landRun(plan: string, url: string, bare: string): Promise<LandRun> {
  const home = makeHome()
  try {
    const first = await home.start()
    const command = 'echo x > x.txt'
    const options = ['--repo', url, '--check', 'test -f x.txt', '-q', '--', 'sh', '-c', command]
    const id = (await tdf(home, 'submit', ...options)).out.trim()
    await until('the task is over', async () => isDone(await peek(home, id)), WAIT_MS)
    await home.kill(first)
    const git = (...args: string[]) => execFileSync('git', ['--git-dir', bare, ...args], { encoding: 'utf8' }).trim()
    const author = {
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@x',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@x',
    }
    const made = execFileSync('git', ['--git-dir', bare, 'commit-tree', 'main^{tree}', '-p', 'main', '-m', 'theirs'], {
      env: { ...process.env, ...author },
      encoding: 'utf8',
    })
    git('update-ref', 'refs/heads/main', made.trim())
    const daemon = await home.start({ TDF_CRASH_AT: plan })
    const landed = hasEnded(daemon) ? null : await tdf(home, 'land', id, '--json')
    const list = () => home.client.call<TaskJson[]>({ path: '/tasks?limit=50' })
    const isQuiet = () =>
      list().then(
        tasks => tasks.every(({ step }) => step === null),
        () => false,
      )
    // Also what comes behind the landing is written, by the task that checked.
    if (landed?.code === 0)
      await until('all is done or the daemon is dead', async () => hasEnded(daemon) || isQuiet(), WAIT_MS)
    const crashed = hasEnded(daemon) || landed?.code !== 0
    if (crashed) {
      await until('the daemon is dead', () => hasEnded(daemon), WAIT_MS)
      await home.start()
      const again = await tdf(home, 'land', id, '--json')
      if (again.code !== 0) throw new Error(`${plan}: ${again.err}`)
    }
    await until('all is done', isQuiet, WAIT_MS)
    const tasks = await list()
    const checks = tasks.filter(({ labels }) => labels.landing === id).map(({ verdict }) => verdict)
    const titles = git('log', '--topo-order', '--format=%s', 'main').split('\n')
    return {
      crashed,
      state: (await home.task(id)).landing?.state,
      titles: titles.map(title => title.split(' ')[0] ?? ''),
      checks,
    }
  } finally {
    await home.remove()
  }
}

/** What each of them ends in. */
export const LANDED_ONCE = { state: 'landed', titles: ['Merge', 'Work', 'theirs', 'first'], checks: ['verified'] }
