/** What keys of the dashboard do by the functions of the commands of the same names. */
import { existsSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import type { TaskJson } from '../../src/protocol/control.ts'
import { oneLine } from '../../src/text/sanitize.ts'
import type { Verbs } from '../../src/tui/input/perform.ts'
import type { NewTask } from '../../src/tui/state/prompt.ts'
import { editedPrompt } from '../cli/ask.ts'
import type { Cli } from '../cli/cli.ts'

export function verbsOf(cli: Cli, command: Command): Verbs {
  return {
    async pull(id) {
      const { pull } = await import('../results/pull-run.ts')
      return heard(await inRepository(cli, id), quiet => pull(quiet, id, {}, 'table'))
    },
    async apply(id) {
      const { apply } = await import('../results/results-run.ts')
      return heard(await inRepository(cli, id), quiet => apply(quiet, id, false, 'table'))
    },
    async push(id) {
      const { push } = await import('../results/push-run.ts')
      return heard(cli, quiet => push(quiet, id, {}, 'table'))
    },
    async goOn(id, text) {
      const { continueTask } = await import('../tasks/submit/continue.ts')
      // A dash alone would be read from stdin, which is the keyboard of the dashboard.
      const words = text.trim() === '-' ? ' -' : text
      return heard(cli, quiet => continueTask(quiet, id, words, {}, command))
    },
    async shell(id) {
      const { shell } = await import('../results/results-run.ts')
      await shell(cli, id)
      // The exit code of the shell is not that of the dashboard.
      cli.exitCode = 0
    },
    submit: task => submit(cli, command, task),
    edit: text => editedPrompt(cli, text),
  }
}

/** Where the repository of the task is, as long as it is here; else the current folder. */
async function inRepository(cli: Cli, id: string): Promise<Cli> {
  const { repo } = await cli.client().call<TaskJson>({ path: `/tasks/${id}` })
  return existsSync(repo.url) ? { ...cli, cwd: repo.url } : cli
}

/** The first line that it says; nothing reaches the terminal. */
async function heard(cli: Cli, act: (quiet: Cli) => Promise<void>): Promise<string> {
  const said = new PassThrough()
  // What the commands use of a stream.
  const stderr = said as unknown as NodeJS.WriteStream
  const stdout = new PassThrough().resume() as unknown as NodeJS.WriteStream
  await act({ ...cli, stdout, stderr })
  const [first = ''] = String(said.read() ?? '').split('\n')
  return oneLine(first)
}

/** On the terminal itself, since the set-up of a repository may have to be asked for. */
async function submit(cli: Cli, command: Command, task: NewTask): Promise<string> {
  const { handOver } = await import('../tasks/submit/run.ts')
  const chosen = Object.entries({ agent: task.agent, check: task.check, repo: task.repo })
  const given = Object.fromEntries(chosen.filter(([, text]) => text.trim() !== ''))
  const { id, title } = await handOver(cli, command, task.prompt, { label: {}, priority: 0, ...given })
  return `submitted ${id}: ${oneLine(title)}`
}
