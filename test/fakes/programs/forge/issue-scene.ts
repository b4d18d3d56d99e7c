/** A home of tdf whose daemon makes tasks of the issues of the fake forge, in a repository that a git server has. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import type { IssueJson, SourceDetailsJson } from '../../../../src/protocol/upkeep.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome, makeRepository, type Ran, tdf, until } from '../../../support/daemon/home.ts'
import { gitIn } from '../../../unit/daemon/results/node.ts'
import { type Forge, startForge } from './forge.ts'

export const LONG_MS = 240_000

/** Writes down what it is told and commits a file of its own, unless `idle` is there. Goes on as long as `hold` is there. */
const AGENT = (folder: string) => `#!/bin/sh
cp "$TDF_PROMPT_FILE" "${folder}/told/$TDF_TASK_ID-$$"
while [ -e ${folder}/hold ]; do sleep 0.1; done
[ -e ${folder}/idle ] && exit 0
echo $$ > run-$$
git add -A && git -c user.name=a -c user.email=a@localhost commit -qm "run"
`

export interface IssueScene {
  home: Home
  forge: Forge
  server: GitServer
  /** Of the repository that the git server has. */
  url: string
  /** Variables for the daemon. */
  env: Record<string, string>
  run(...args: string[]): Promise<Ran>
  template(name: string, text: string): void
  /** Until the source shows it so. */
  sees(name: string, holds: (source: SourceDetailsJson) => boolean): Promise<SourceDetailsJson>
  issue(name: string, id: string): Promise<IssueJson | undefined>
  /** Until the task of an issue is over, and its push with it. */
  over(id: string): Promise<TaskJson>
  tasks(): Promise<TaskJson[]>
  /** What the agents were told, by task. */
  told(task: string): string[]
  /** What pull requests were opened with. */
  body(task: string): string
  mark(name: string, isThere?: boolean): void
  remove(): Promise<void>
}

/** `sources`: tables of the configuration; REPO in a template stands for the repository. */
export async function issueScene(sources: string): Promise<IssueScene> {
  const forge = await startForge()
  const repo = makeRepository()
  gitIn(repo.dir, 'push', '-q', forge.bare, 'main')
  forge.git('config', 'http.receivepack', 'true')
  const server = await gitServer(path.dirname(forge.bare), null)
  const url = `${server.url}/${path.basename(forge.bare)}`
  const home = makeHome('')
  const folder = home.dir
  const agent = path.join(folder, 'agent.sh')
  for (const name of ['told', 'bodies', 'templates']) mkdirSync(path.join(folder, name))
  writeFileSync(agent, AGENT(folder))
  chmodSync(agent, 0o755)
  const opens = ['sh', '-c', `cat > ${folder}/bodies/$TDF_TASK_ID; echo https://github.com/acme/web/pull/7`]
  const tables = [
    '[runner]\nagent = "a"',
    `[push]\npr_command = ${JSON.stringify(opens)}`,
    `[agents.a]\ntype = "command"\ncommand = ["${agent}"]`,
    sources,
  ]
  writeFileSync(path.join(folder, 'config.toml'), `${tables.join('\n')}\n`)
  const env = { PATH: `${forge.bin}:${process.env.PATH}`, XDG_CONFIG_HOME: forge.configHome }
  const shown = (name: string) => home.client.call<SourceDetailsJson>({ path: `/sources/${name}` })
  return {
    ...{ home, forge, server, url, env },
    run: (...args) => tdf(home, ...args),
    template(name, text) {
      writeFileSync(path.join(folder, 'templates', `${name}.md`), text.replaceAll('REPO', url))
    },
    async sees(name, holds) {
      let last: SourceDetailsJson | null = null
      const isThere = async () => {
        last = await shown(name).catch(() => last)
        return last !== null && holds(last)
      }
      await until(`source ${name} is as wanted`, isThere, LONG_MS).catch(error => {
        throw new Error(`${error.message}: ${JSON.stringify(last)}`)
      })
      return shown(name)
    },
    issue: async (name, id) => (await shown(name)).issues.find(one => one.id === id),
    async over(id) {
      await until(
        `task ${id} is over`,
        async () => {
          const { step, push } = await home.task(id)
          return step === null && push?.state !== 'pending'
        },
        LONG_MS,
      )
      return home.task(id)
    },
    tasks: () => home.client.call<TaskJson[]>({ path: '/tasks?all=true' }),
    told(task) {
      const names = readdirSync(path.join(folder, 'told')).filter(name => name.startsWith(`${task}-`))
      return names.map(name => readFileSync(path.join(folder, 'told', name), 'utf8'))
    },
    body: task => readFileSync(path.join(folder, 'bodies', task), 'utf8'),
    mark(name, isThere = true) {
      if (isThere) writeFileSync(path.join(folder, name), '')
      else if (existsSync(path.join(folder, name))) rmSync(path.join(folder, name))
    },
    async remove() {
      await home.remove()
      await server.close()
      await forge.close()
      repo.remove()
    },
  }
}

export const sourceTable = (name: string, more: string) =>
  `[[sources]]\nname = "${name}"\nproject = "acme/web"\ntemplate = "fix"\npoll = "200ms"\n${more}`
