/** The agents on the PATH, with their versions. What lies in the repository is never run. */
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { findProgram } from '../../../src/platform/files.ts'
import { run } from '../../../src/platform/run.ts'
import { KNOWN_AGENTS } from '../../../src/text/agents.ts'
import type { Cli } from '../../cli/cli.ts'

export interface AgentHere {
  name: string
  /** Its program. */
  path: string
  /** Null when it did not tell. */
  version: string | null
}

const VERSION_MS = 10_000
const VERSION_TEXT = /\d+\.\d+[\w.+-]*/

/** In the order in which one of them would be taken. `repository` is null where there is none. */
export async function agentsHere({ env }: Cli, repository: string | null): Promise<AgentHere[]> {
  const isOurs = (file: string) => repository === null || !isWithin(realpathSync(file), realpathSync(repository))
  // A folder such as "." or node_modules/.bin would be one of the repository.
  const folders = (env.PATH ?? '').split(path.delimiter).filter(folder => path.isAbsolute(folder))
  const found = Object.keys(KNOWN_AGENTS).flatMap(name => {
    const program = folders.flatMap(folder => findProgram(name, folder) ?? []).find(isOurs)
    return program === undefined ? [] : [{ name, path: program }]
  })
  return Promise.all(found.map(async agent => ({ ...agent, version: await versionOf(agent.path, folders, env) })))
}

async function versionOf(program: string, folders: readonly string[], env: NodeJS.ProcessEnv): Promise<string | null> {
  const quiet = { DISABLE_AUTOUPDATER: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }
  const known = { PATH: folders.join(path.delimiter), HOME: env.HOME ?? '/', ...quiet }
  const { exitCode, stdout } = await run(program, ['--version'], { cwd: '/', env: known, timeoutMs: VERSION_MS })
  return exitCode === 0 ? (VERSION_TEXT.exec(stdout)?.[0] ?? null) : null
}

function isWithin(file: string, folder: string): boolean {
  return !path.relative(folder, file).startsWith('..')
}
