/**
 * What a login shell of the agent's user would have. An agent that was started by ssh(1) or systemd has the environment of a
 * system, without `~/.local/bin` and the like, which stand in the user's profile. Installers of Node and of agents write
 * theirs where shells look only when a person sits at them: the shell is asked as that one, and as the plain one at the same
 * time for when nothing comes of it, such as where a profile replaces the shell by another program.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../../platform/files.ts'
import { NETWORK_VARIABLES, pickVariables, run } from '../../platform/run.ts'

const ASK_SECONDS = 4
const ANSWER_BYTES_MAX = 64 * 1024
const ASKED = ['PATH', 'LANG', 'LC_ALL', 'XDG_RUNTIME_DIR', ...NETWORK_VARIABLES]
/** A shell that lets nobody in (nologin(8)) has no profile: that of the machine is what is left. */
const NO_SHELL = /\/(?:nologin|false)$/

/**
 * Asks once, for a few seconds at most, with its answer in a file: a profile may print what it likes, and leave programs
 * behind that keep a pipe open. Answers what is to be set beyond `env`; nothing when the shell says nothing of use.
 */
export async function loginEnvironment(state: string, env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  makeFolder(state)
  const [asPerson, plain] = await Promise.all(['-ilc', '-lc'].map(how => ask(how, join(state, `login${how}`), env)))
  return beyond(env, asPerson?.PATH === undefined ? (plain ?? {}) : asPerson)
}

/** Empty when the shell says nothing of use. */
async function ask(how: string, file: string, env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  try {
    rmSync(file, { force: true })
    writeFileSync(file, '', { mode: 0o600, flag: 'wx' })
    const { shell, homedir } = userInfo()
    const usable = shell && !NO_SHELL.test(shell) ? shell : '/bin/sh'
    const names = ASKED.join('|')
    const words = ['-k', '1', String(ASK_SECONDS), 'sh', '-c', 'exec "$0" "$1" "$2" > /dev/null 2>&1', usable, how]
    await run('timeout', [...words, `env -0 | grep -zE '^(${names})=' > "$TDF_LOGIN_FILE"`], {
      cwd: '/',
      env: {
        HOME: homedir,
        ...pickVariables(env, [...ASKED, 'HOME', 'USER', 'LOGNAME', 'SHELL']),
        TDF_LOGIN_FILE: file,
      },
      timeoutMs: (ASK_SECONDS + 2) * 1_000,
    })
    return parse(readFileSync(file))
  } catch {
    return {}
  } finally {
    rmSync(file, { force: true })
  }
}

/** NAME=value, each with a NUL behind it; what is cut off, not asked for or has control characters does not count. */
function parse(answer: Buffer): Record<string, string> {
  const entries = answer.subarray(0, ANSWER_BYTES_MAX).toString('utf8').split('\0').slice(0, -1)
  const found = Object.fromEntries(
    entries.map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
  return Object.fromEntries(
    Object.entries(pickVariables(found, ASKED)).filter(([, value]) => value !== '' && !/\p{Cc}/u.test(value)),
  )
}

/** The folders of the login shell come first, those that were there stay. Anything else that is set is left as it is. */
function beyond(env: NodeJS.ProcessEnv, { PATH, ...found }: Record<string, string>): Record<string, string> {
  const more = Object.fromEntries(Object.entries(found).filter(([name]) => env[name] === undefined))
  if (PATH === undefined) return more
  const folders = [...PATH.split(':'), ...(env.PATH ?? '').split(':')].filter(folder => folder.startsWith('/'))
  return { ...more, PATH: [...new Set(folders)].join(':') }
}
