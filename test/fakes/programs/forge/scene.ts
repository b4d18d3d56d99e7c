/** A home of tdf whose daemon watches pull requests of the fake forge, and a repository of which the forge has a copy. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import {
  type Home,
  hasEnded,
  makeHome,
  makeRepository,
  type Ran,
  tdfWith,
  until,
} from '../../../support/daemon/home.ts'
import { type Forge, startForge } from './forge.ts'

/** Generous: a busy machine runs several of them. */
export const LONG_MS = 240_000

/** Writes down what it is told and commits a file with its own number, `run-N`, unless `idle` is there. Runs `meanwhile` before. */
const AGENT = (folder: string) => `#!/bin/sh
cat "$TDF_PROMPT_FILE" >> ${folder}/told
printf '\\n-- end --\\n' >> ${folder}/told
n=$(grep -c -- "^-- end --" ${folder}/told)
[ -e ${folder}/meanwhile ] && sh ${folder}/meanwhile $n
[ -e ${folder}/idle ] && exit 0
[ -e ${folder}/fails ] && exit 3
for file in *.txt; do [ -e "$file" ] && sed -i '/^[<=>|]\\{7\\}/d' "$file"; done
echo "$n" > run-$n
git add -A && git -c user.name=a -c user.email=a@localhost commit -qm "run $n"
`

export interface PullScene {
  home: Home
  forge: Forge
  /** Variables for the daemon. */
  env: Record<string, string>
  repo: { dir: string; git(...args: string[]): string }
  run(...args: string[]): Promise<Ran>
  /** Submits a task of which pull request NUMBER will be, on the branch `topicNUMBER`; the agent begins to count anew. */
  submit(number: number, ...options: string[]): Promise<Ran>
  task(id: string): Promise<TaskJson>
  /** Until the pull request of the task is as it is wanted. */
  isAt(id: string, holds: (pr: NonNullable<TaskJson['pr']>) => boolean): Promise<TaskJson>
  /** What the agent was told, each time that it ran. */
  told(): string[]
  /** Makes a file beside the agent, such as `idle`, or takes it away. */
  mark(name: string, isThere?: boolean): void
  /** A person puts a file on a branch of the forge while the agent works for the n-th time. */
  meanwhile(run: number, branch: string, file: string, onto?: string): void
  /** Somebody puts a commit on a branch of the forge; *onto*: what it stands on, else what is there. */
  commit(branch: string, files: Record<string, string>, onto?: string): string
  remove(): Promise<void>
}

export async function pullScene(config = ''): Promise<PullScene> {
  const forge = await startForge()
  const repo = makeRepository()
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', ...args], {
      cwd: repo.dir,
      stdio: 'pipe',
    })
      .toString()
      .trim()
  git('remote', 'add', 'origin', `file://${forge.bare}`)
  git('push', '--quiet', 'origin', 'main')
  const home = makeHome('')
  const folder = home.dir
  const agent = path.join(folder, 'agent.sh')
  writeFileSync(agent, AGENT(folder))
  chmodSync(agent, 0o755)
  const opens = ['sh', '-c', 'echo https://github.com/acme/web/pull/$(echo $TDF_BRANCH | tr -dc 0-9)']
  const tables = `[push]\npr_command = ${JSON.stringify(opens)}\n[agents.a]\ntype = "command"\ncommand = ["${agent}"]\n`
  writeFileSync(path.join(folder, 'config.toml'), `[pr]\npoll = "200ms"\nsettle = "0s"\n${config}\n${tables}`)
  const env = {
    PATH: `${forge.bin}:${process.env.PATH}`,
    XDG_CONFIG_HOME: forge.configHome,
  }
  const scene: PullScene = {
    ...{ home, forge, env },
    repo: { dir: repo.dir, git },
    run: (...args) => tdfWith(home, { cwd: repo.dir }, ...args),
    submit(number, ...options) {
      for (const name of ['told', 'idle', 'fails']) rmSync(path.join(folder, name), { force: true })
      forge.pull({ number, branch: `topic${number}` })
      const prompt = options.includes('--each') ? 'do it: {}' : 'do it'
      return scene.run('submit', prompt, '--agent', 'a', '--output-branch', `topic${number}`, ...options)
    },
    task: id => home.task(id),
    async isAt(id, holds) {
      let last: TaskJson | null = null
      const isThere = async () => {
        last = await home.task(id).catch(() => last)
        return last?.pr !== null && last?.pr !== undefined && holds(last.pr)
      }
      await until('its pull request is as wanted', isThere, LONG_MS).catch(error => {
        throw new Error(`${error.message}: ${JSON.stringify({ pr: last?.pr, push: last?.push, error: last?.error })}`)
      })
      return home.task(id)
    },
    told() {
      const file = path.join(folder, 'told')
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n-- end --\n').slice(0, -1) : []
    },
    mark(name, isThere = true) {
      if (isThere) writeFileSync(path.join(folder, name), '')
      else rmSync(path.join(folder, name), { force: true })
    },
    meanwhile(run, branch, file, onto = branch) {
      const clone = path.join(folder, `person-${branch}`)
      const as = '-c user.name=you -c user.email=you@localhost'
      const steps = [
        ...[`[ "$1" = ${run} ] || exit 0`, `git clone -q -b ${onto} file://${forge.bare} ${clone} && cd ${clone}`],
        ...[`echo mine > ${file} && git add -A && git ${as} commit -qm "by a person: ${file}"`],
        `git push -q --force origin HEAD:refs/heads/${branch} && rm ${folder}/meanwhile`,
      ]
      writeFileSync(path.join(folder, 'meanwhile'), `${steps.join('\n')}\n`)
    },
    commit(branch, files, onto = branch) {
      git('fetch', '--quiet', 'origin')
      git('checkout', '--quiet', '--detach', onto === branch ? `origin/${branch}` : onto)
      for (const [name, text] of Object.entries(files)) writeFileSync(path.join(repo.dir, name), text)
      git('add', '--all')
      git('commit', '--quiet', '--message', `by a person: ${Object.keys(files)}`)
      git('push', '--quiet', '--force', 'origin', `HEAD:refs/heads/${branch}`)
      const made = git('rev-parse', 'HEAD')
      git('checkout', '--quiet', 'main')
      return made
    },
    async remove() {
      await home.remove()
      await forge.close()
      repo.remove()
    },
  }
  return scene
}

export interface PullRun {
  /** Whether the plan's point was reached. */
  crashed: boolean
  attempts: number
  state: string | undefined
  round: number | undefined
  told: number
  /** Whether the branch of the forge is what the last attempt made, and each attempt stands on the one before. */
  isWhole: boolean
}

/**
 * A pull request that turns red while the first daemon is away; `plan` is a TDF_CRASH_AT of the one that finds it so. With a
 * person, who puts a commit on its branch while the agent works.
 */
export async function pullRun(plan: string, withPerson = false): Promise<PullRun> {
  const scene = await pullScene()
  const { home, forge, env } = scene
  try {
    forge.ci = () => [{ name: 'test', status: 'in_progress' }]
    const first = await home.start(env)
    const id = (await scene.submit(1, '--until', 'green', '-q')).out.trim()
    await scene.isAt(id, ({ waitingFor }) => waitingFor !== null)
    await home.kill(first)
    if (withPerson) scene.meanwhile(2, 'topic1', 'person.md')
    forge.ci = head => {
      const isMended = forge.git('ls-tree', '--name-only', head).split('\n').includes('run-2')
      return [{ name: 'test', conclusion: isMended ? 'success' : 'failure' }]
    }
    const daemon = await home.start({ ...env, TDF_CRASH_AT: plan })
    const isGreen = async () => (await home.task(id).catch(() => null))?.pr?.state === 'green'
    await until('it is green or the daemon is dead', async () => hasEnded(daemon) || isGreen(), LONG_MS)
    let crashed = hasEnded(daemon)
    if (crashed) await home.start(env)
    const last = () => scene.isAt(id, ({ state }) => state === 'green')
    const { pr, attempts, result } = await (crashed ? last() : home.task(id)).catch(async () => {
      // The point was the last thing that the daemon did: only now is it dead.
      await until('the daemon is dead', () => hasEnded(daemon))
      crashed = true
      await home.start(env)
      return last()
    })
    forge.git('merge-base', '--is-ancestor', attempts[0]?.commit ?? '', result?.commit ?? '')
    const head = forge.head('topic1')
    const isMerge = () =>
      forge.git('rev-parse', `${head}^1`) === result?.commit && forge.git('show', `${head}:person.md`)
    const isWhole = withPerson ? isMerge() === 'mine' : head === result?.commit
    return {
      crashed,
      attempts: attempts.length,
      state: pr?.state,
      round: pr?.round,
      told: scene.told().length,
      isWhole,
    }
  } finally {
    await scene.remove()
  }
}

/** What each of them ends in. */
export const MENDED_ONCE = { attempts: 2, state: 'green', round: 1, told: 2, isWhole: true }
