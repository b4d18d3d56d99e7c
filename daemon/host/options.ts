/** What a daemon is started with. */
import type { LoadedConfig } from '../../src/config/index.ts'
import type { RootLog } from '../../src/platform/log.ts'
import type { Paths } from '../../src/platform/paths.ts'
import type { World } from '../../src/platform/world.ts'

export interface DaemonOptions {
  world: World
  paths: Paths
  loaded: LoadedConfig
  log: RootLog
  env: NodeJS.ProcessEnv
  /** The agent program, one file. */
  agentProgram: string
}
