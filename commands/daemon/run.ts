/** The daemon as a process: configuration, log, signals. The one crossing from the commands into the daemon. */
import path from 'node:path'
import process from 'node:process'
import { startDaemon } from '../../daemon/main.ts'
import { outwardFetch } from '../../src/clients/outward.ts'
import { loadConfig } from '../../src/config/load/load.ts'
import { asTdfError, ERRORS } from '../../src/core/errors.ts'
import { createLog, detectFormat, keptBounded, toStdout } from '../../src/platform/log.ts'
import { closeInheritedFiles } from '../../src/platform/process.ts'
import { realWorld } from '../../src/platform/world.ts'
import type { Cli } from '../cli/cli.ts'
import { logOf } from './start.ts'

const STOP_MS_MAX = 9_000

export async function runDaemon(cli: Cli): Promise<void> {
  closeInheritedFiles()
  const world = { ...realWorld(cli.env), fetch: outwardFetch(cli.env) }
  const paths = cli.paths()
  const loaded = loadConfig({ file: paths.configFile, env: cli.env })
  // systemd.exec(5): a start that is to be looked into, after one that failed.
  const level = cli.env.DEBUG_INVOCATION === '1' ? 'debug' : loaded.config.daemon.logLevel
  const write = keptBounded(logOf(cli), toStdout)
  const log = createLog({ level, ...detectFormat(), now: world.clock.now, write })
  log.debug({ node: process.version }, 'everything is logged')
  for (const warning of loaded.warnings) log.warn({}, warning)
  process.umask(0o077)
  const agentProgram = path.join(cli.programDir, 'tdf-agent.js')
  const daemon = await startDaemon({ world, paths, loaded, log, env: cli.env, agentProgram })
  let asked = 0
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      asked += 1
      // The second time is an order: nothing is lost by ending here, that is what the state is for.
      if (asked > 1) process.exit(1)
      daemon.stop()
      // What is committed is safe and what is not was never promised: a slow end is cut.
      world.clock.timer(STOP_MS_MAX, () => process.exit(daemon.exitCode()))
    })
  }
  process.on('SIGHUP', () => {
    try {
      daemon.reload()
    } catch (thrown) {
      log.error({ err: asTdfError(thrown).message }, 'the configuration was not taken over')
    }
  })
  daemon.fenced.then(why => {
    log.error({ why }, 'another daemon serves: this one ends, and stands by when it is started again')
    process.exit(ERRORS.FENCED.exit)
  })
  await daemon.ended
  process.exit(daemon.exitCode())
}
