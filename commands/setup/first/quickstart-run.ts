/** A daemon in a temporary home, a small repository, one task: shown step by step, then everything is taken away. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { controlClient } from '../../../src/clients/control.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { isOver } from '../../../src/core/task.ts'
import type { DaemonStatusJson, TaskJson } from '../../../src/protocol/control.ts'
import { narrator, toldText } from '../../../src/text/progress/narration.ts'
import { exitCodeOf } from '../../cli/came-to.ts'
import { type Cli, print, say } from '../../cli/cli.ts'
import { userGit } from '../../cli/git.ts'
import { startInBackground } from '../../daemon/start.ts'
import { waitForEnd } from '../../daemon/status.ts'
import { diff } from '../../results/results-run.ts'
import { takeRepository } from '../../tasks/submit/repository.ts'
import { submitBody } from '../../tasks/submit/request.ts'
import { taskLine } from '../../tasks/task-text.ts'
import { awaitTasks, catchInterrupt } from '../../tasks/wait-run.ts'
import { programName } from './program-name.ts'

const TASK_MS_MAX = 120_000

/** The stand-in for a coding agent: no account is needed to see the journey. */
const AGENT = ['sh', '-c', 'echo "hello from an agent" > HELLO.md && git add HELLO.md && git commit -qm "Say hello"']

export async function quickstart(cli: Cli, keep: boolean): Promise<void> {
  const home = await mkdtemp(path.join(tmpdir(), 'tdf-quickstart-'))
  const there = inHome(cli, home)
  const own = programName(cli)
  if (!keep) cli.leave = () => takeAway(there, home)
  try {
    say(cli, `A daemon and a repository of their own, in ${home}`)
    await startInBackground(there, path.join(home, 'daemon.log'))
    await makeRepository(there, path.join(home, 'repo'))
    await runTask(cli, there)
    if (keep) {
      const look = `export TDF_HOME=${home}; ${own} ls; ${own} node ls`
      print(cli, `It goes on; look around:  ${look}\nEnd it:  ${own} daemon stop`)
    }
  } finally {
    if (!keep) await takeAway(there, home)
  }
  if (!keep && cli.exitCode === 0) {
    print(cli, 'Stopped, and nothing is left. On your own repository:')
    print(cli, `  cd REPOSITORY && ${own} init\n  ${own} submit --wait "fix the flaky test"`)
  }
}

/** The same program with another home: what belongs to the user's own daemon stays out of it. */
function inHome(cli: Cli, home: string): Cli {
  const own = Object.entries(cli.env).filter(([name]) => !name.startsWith('TDF_') || name === 'TDF_DEBUG')
  const env = { ...Object.fromEntries(own), TDF_HOME: home, TDF_CALLBACKS__LISTEN: '127.0.0.1:0' }
  const client = controlClient({ socket: path.join(home, 'run', 'tdf.sock') })
  return { ...cli, env, cwd: path.join(home, 'repo'), client: () => client }
}

async function makeRepository(cli: Cli, folder: string): Promise<void> {
  const made = await userGit(cli, path.dirname(folder))(['init', '--quiet', '--template=', folder])
  if (made.exitCode !== 0) throw new TdfError('NO_REPOSITORY', `git init failed: ${made.stderr.trim()}`)
  await writeFile(path.join(folder, 'README.md'), '# A small repository\n')
  const git = userGit(cli, folder)
  await git(['add', '--all'])
  const who = ['-c', 'user.name=tdf', '-c', 'user.email=tdf@localhost', '-c', 'commit.gpgSign=false']
  const committed = await git([...who, 'commit', '--quiet', '--no-verify', '--message', 'Begin'])
  if (committed.exitCode !== 0) throw new TdfError('NO_REPOSITORY', `git commit failed: ${committed.stderr.trim()}`)
}

async function runTask(cli: Cli, there: Cli): Promise<void> {
  const check = 'test -f HELLO.md'
  say(
    cli,
    `$ tdf submit --check ${JSON.stringify(check)} --wait -- ${AGENT.slice(0, 2).join(' ')} ${JSON.stringify(AGENT[2])}`,
  )
  const { repo, author } = await takeRepository(there, {}, 'table')
  const json = submitBody({ prompt: '', command: AGENT, repo, author, timeoutMs: null, options: { check } })
  const submitted = await there.client().call<TaskJson>({ method: 'POST', path: '/tasks', json })
  const interrupt = catchInterrupt()
  const tell = narrator()
  try {
    const tasks = await awaitTasks(there, {
      ids: [submitted.id],
      isThere: task => isOver(task) && task.step === null,
      keepsOn: true,
      timeoutMs: TASK_MS_MAX,
      signal: interrupt.signal,
      onEvent(event) {
        const told = tell(event, null)
        if (told) print(cli, toldText(told))
      },
    })
    const task = tasks?.[0]
    if (!task) {
      cli.exitCode = 130
      return
    }
    print(cli, `\n${taskLine(task)}\n`)
    await diff({ ...there, stdout: cli.stdout }, task.id, false, 'table')
    print(cli, '\n')
    cli.exitCode = exitCodeOf(task)
  } finally {
    interrupt.done()
  }
}

async function takeAway(cli: Cli, home: string): Promise<void> {
  const status = await cli
    .client()
    .call<DaemonStatusJson>({ method: 'POST', path: '/stop' })
    .catch(() => null)
  if (status) await waitForEnd(status.pid)
  await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
