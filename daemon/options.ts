/** What a daemon is started with. */
import type { LoadedConfig } from '../src/config/index.ts'
import type { RootLog } from '../src/observe/log.ts'
import type { Paths } from '../src/paths.ts'
import type { World } from '../src/world.ts'

export interface DaemonOptions {
  world: World
  paths: Paths
  loaded: LoadedConfig
  log: RootLog
  env: NodeJS.ProcessEnv
  /** The agent program, one file. */
  agentProgram: string
}
