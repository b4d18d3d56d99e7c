/** `tdf-agent`: reads the command line, runs the agent or one session, and is the only place that ends the process. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import { TdfError } from '../core/errors.ts'
import { refuseForeign } from '../platform/paths.ts'
import { closeInheritedFiles } from '../platform/process.ts'
import { VERSION } from '../platform/version.ts'
import { realWorld } from '../platform/world.ts'
import { type Command, HELP, parseArguments, UsageError } from './arguments.ts'
import { announce, logToStderr, Misconfigured, messageOf, StateInUse } from './errors.ts'

const EXIT = { ok: 0, failed: 1, usage: 2, temporary: 75, configuration: 78 }

async function main(argv: readonly string[]): Promise<number | null> {
  const command = parseArguments(argv)
  switch (command.kind) {
    case 'help':
      process.stdout.write(HELP)
      return EXIT.ok
    case 'version':
      process.stdout.write(`tdf-agent ${VERSION}\n`)
      return EXIT.ok
    case 'run-session': {
      // Each part is loaded only where it runs: a session's start waits for its runner, which needs no server.
      const { runSession } = await import('./sessions/runner/run-session.ts')
      return runSession(realWorld(), resolve(command.folder))
    }
    case 'serve':
      return serve(command)
  }
}

/** Null: the agent is up, and a signal will end the process. */
async function serve(command: Extract<Command, { kind: 'serve' }>): Promise<null> {
  const state = resolve(command.state)
  if (/\p{Cc}/u.test(state)) throw new Misconfigured('the state folder has control characters in its name')
  for (const place of [state, resolve(command.tokenFile)]) refuseForeign(place)
  if (process.env.TDF_LOGIN_SHELL) {
    const { loginEnvironment } = await import('./state/login-shell.ts')
    Object.assign(process.env, await loginEnvironment(state, process.env))
  }
  const { startAgent } = await import('./start.ts')
  let isEnding = false
  const end = () => {
    if (isEnding) return
    isEnding = true
    running.stop().then(
      () => process.exit(EXIT.ok),
      error => fail(error),
    )
  }
  const running = await startAgent(realWorld(), logToStderr, {
    listen: command.listen,
    state,
    token: readToken(command.tokenFile),
    name: command.name,
    slotUsers: command.slotUsers,
    program: [process.execPath, resolve(process.argv[1] ?? '')],
    env: process.env,
    onIdle: () => {
      announce('ended', { reason: 'nothing has needed this agent for a while' })
      end()
    },
  })
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  announce('listening', { address: running.address })
  return null
}

function readToken(file: string): string {
  let token: string
  try {
    token = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new Misconfigured(`cannot read the token file: ${messageOf(error)}`)
  }
  if (!/^[\x21-\x7E]{1,4096}$/.test(token)) throw new Misconfigured(`${file} does not hold a token`)
  return token
}

function fail(error: unknown): void {
  process.stderr.write(`error: ${messageOf(error)}\n`)
  if (error instanceof UsageError) process.stderr.write('  hint: tdf-agent --help\n')
  process.exit(exitCodeOf(error))
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof StateInUse || isPortTaken(error)) return EXIT.temporary
  if (error instanceof Misconfigured || isForeign(error)) return EXIT.configuration
  return EXIT.failed
}

const isForeign = (error: unknown) => error instanceof TdfError && error.code === 'PLACE_UNTRUSTED'

const isPortTaken = (error: unknown) => error instanceof TdfError && error.code === 'PORT_TAKEN'

closeInheritedFiles()
main(process.argv.slice(2)).then(code => {
  if (code !== null) process.exit(code)
}, fail)
