/** An agent that is started on a box by ssh has what a login shell of its user has, whatever the profile does. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { START_AGENT } from '../../../../../src/machines/setup/install.ts'
import { afterFile } from '../../../../support/after-file.ts'
import { TOKEN } from '../../agent/support/agent.ts'
import { type Client, clientOf } from '../../agent/support/client.ts'
import { tempFolder } from '../../agent/support/temp.ts'
import { logOf, readyWorkspace, repository, sessionBody, sessionEnd } from '../../agent/support/work.ts'

const PROGRAM = path.join(import.meta.dirname, '../../../../../dist/tdf-agent.js')
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'

/** The script that the daemon runs by ssh, in the environment that sshd gives a command. */
function startOnBox(profile: string): { home: string; client: Client } {
  const home = tempFolder()
  const [base, state] = [path.join(home, '.tdf'), path.join(home, 'state')]
  mkdirSync(base)
  mkdirSync(state, { mode: 0o700 })
  mkdirSync(path.join(home, '.local', 'bin'), { recursive: true })
  writeFileSync(path.join(home, '.local', 'bin', 'my-agent'), '#!/bin/sh\necho "found with $LANG"\n', { mode: 0o755 })
  writeFileSync(path.join(home, '.profile'), profile)
  copyFileSync(PROGRAM, path.join(base, 'hash.mjs'))
  const env = { HOME: home, PATH: `${path.dirname(process.execPath)}:${SYSTEM_PATH}` }
  const words = [base, state, 'hash', '1.0.0', 'no', 'box', 'TDF_LOG_MAX_BYTES=1000 TDF_SALVAGE_MAX_BYTES=2000']
  execFileSync('sh', ['-c', START_AGENT, 'tdf', ...words], { env, input: TOKEN })
  const { address, pid } = JSON.parse(readFileSync(path.join(state, 'listen.json'), 'utf8'))
  afterFile(() => process.kill(pid, 'SIGKILL'))
  return { home, client: clientOf({ url: `http://${address}`, token: TOKEN }) }
}

async function outputOf(client: Client, command: string[]): Promise<string> {
  const id = await readyWorkspace(client, `file://${repository()}`)
  const body = sessionBody(command)
  const { status, bytes } = await client.post(`/workspaces/${id}/agent-sessions`, body)
  expect(status, String(bytes)).toBe(201)
  await sessionEnd(client, id, body.sessionId)
  return logOf(client, id, body.sessionId)
}

it('finds programs of the profile and has its locale and proxy, though the profile prints and leaves a program behind', async () => {
  const { home, client } = startOnBox(`
    echo PATH=/evil; sleep 20 &
    export PATH="$HOME/.local/bin:$PATH" LANG=de_DE.UTF-8 XDG_RUNTIME_DIR=/run/user/7 https_proxy=http://proxy.example:3128
  `)
  expect(await outputOf(client, ['my-agent'])).toBe('found with de_DE.UTF-8\n')
  const script = 'echo "$PATH"; echo "$XDG_RUNTIME_DIR $https_proxy $TDF_LOGIN_FILE"'
  const [search = '', rest] = (await outputOf(client, ['sh', '-c', script])).split('\n')
  expect(search.split(':')).toEqual(expect.arrayContaining([path.join(home, '.local', 'bin'), '/usr/bin']))
  expect(search).not.toContain('evil')
  expect(rest).toBe('/run/user/7 http://proxy.example:3128 ')
})

it.each([
  [
    'what a profile keeps for people',
    'case $- in *i*) ;; *) return 0;; esac; PATH="$HOME/.local/bin:$PATH" LANG=de_DE.UTF-8',
  ],
  [
    'the plain profile, where for people it becomes another program',
    'case $- in *i*) exec cat /dev/zero;; esac; PATH="$HOME/.local/bin:$PATH" LANG=de_DE.UTF-8',
  ],
])('has %s', async (_, profile) => {
  const { client } = startOnBox(`export LANG\n${profile}`)
  expect(await outputOf(client, ['my-agent'])).toBe('found with de_DE.UTF-8\n')
})

it.each(['exit 3', 'sleep 60', 'exec cat /dev/zero'])(
  'starts with what the system has when the profile says: %s',
  async profile => {
    const { client } = startOnBox(profile)
    const search = (await outputOf(client, ['sh', '-c', 'echo "$PATH"'])).trim().split(':')
    expect(search).toEqual(expect.arrayContaining(SYSTEM_PATH.split(':')))
  },
)
