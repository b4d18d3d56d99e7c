/**
 * A conversation that is resumed is written into folders that an agent has shaped: with a link in the place of each of
 * them. From `tdf retry --resume`, confined and not.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdf } from '../support/daemon/home.ts'
import { WHO } from './who.ts'

const FAKES = path.join(import.meta.dirname, '..', 'fakes')
const SCRIPT = JSON.stringify({ ms: 20, says: { resumeRef: 'conversation-1', outcome: 'error' } })

let home: Home
let repo: ReturnType<typeof makeRepository>
afterEach(async () => {
  await home.remove()
  repo.remove()
})

const at = (...parts: string[]) => path.join(home.dir, ...parts)

/** One failed attempt with a conversation; answers its id and where the conversation of the next will be. */
async function firstAttempt(kind: string, uid: number | undefined): Promise<{ id: string; folder: string }> {
  repo = makeRepository(uid)
  home = makeHome('', uid === undefined ? {} : { uid })
  const config = `[runner]
retry_base_delay = "1s"
retry_max_delay = "2s"
[providers.local]
sandbox = "${kind}"
sandbox_readable = ["${FAKES}"]
[agents.talker]
type = "claude"
command = ["sh", "${at('talker.sh')}"]
`
  writeFileSync(at('config.toml'), config)
  writeFileSync(
    at('talker.sh'),
    `date +%N > made.txt; CLAUDE_CONFIG_DIR=$HOME/.claude exec node ${FAKES}/programs/talking-agent.mjs '${SCRIPT}' "$@"\n`,
  )
  mkdirSync(at('.claude'))
  mkdirSync(at('victim'))
  own()
  await home.start()
  const submitted = await tdf(home, 'submit', '--repo', repo.dir, '--agent', 'talker', '--json', '--wait', 'talk')
  const task = JSON.parse(submitted.out)
  expect(task.verdict).toBe('agent_error')
  const next = at('state', 'agent', 'workspaces', `${task.id}-2-1`, 'work')
  return { id: task.id, folder: next.replace(/[^A-Za-z0-9]/g, '-') }
}

/** What the test makes for the user of the daemon; the daemon's own files come and go meanwhile. */
function own(): void {
  if (home.uid === undefined) return
  const made = ['config.toml', 'talker.sh', '.claude', '.bash_profile', 'victim']
    .map(name => at(name))
    .filter(place => existsSync(place))
  execFileSync('chown', ['-R', '-h', `${home.uid}:${home.uid}`, ...made])
}

/** A link in the place of one component; where it leads to is there, or not. */
const LINKS: Record<string, (folder: string) => void> = {
  'the file, to one that is not there'(folder) {
    mkdirSync(at('.claude', 'projects', folder))
    symlinkSync(at('.bash_profile'), at('.claude', 'projects', folder, 'conversation-1.jsonl'))
  },
  'the file, to one that is there'(folder) {
    mkdirSync(at('.claude', 'projects', folder))
    writeFileSync(at('victim', 'there'), '')
    symlinkSync(at('victim', 'there'), at('.claude', 'projects', folder, 'conversation-1.jsonl'))
  },
  'the folder of the workspace': folder => symlinkSync(at('victim'), at('.claude', 'projects', folder)),
  'the folder of the workspace, to one that is not there': folder =>
    symlinkSync(at('victim', 'fresh'), at('.claude', 'projects', folder)),
  'the folder of all conversations'() {
    rmSync(at('.claude', 'projects'), { recursive: true })
    symlinkSync(at('victim'), at('.claude', 'projects'))
  },
}

const canConfine = spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status === 0

for (const kind of canConfine ? ['off', 'bubblewrap'] : ['off']) {
  describe.each(WHO)(`a conversation that is resumed (sandbox ${kind}, as $name)`, { timeout: 240_000 }, ({ uid }) => {
    it('is there when nothing is in its way', async () => {
      const { id } = await firstAttempt(kind, uid)
      expect((await tdf(home, 'retry', id, '--resume', '--wait')).code).toBe(10)
      expect((await tdf(home, 'logs', id)).out).toContain('I remember')
    })

    it.each(Object.keys(LINKS))('is not written through a link in the place of %s', async name => {
      const { id, folder } = await firstAttempt(kind, uid)
      mkdirSync(at('.claude', 'projects'), { recursive: true })
      LINKS[name]?.(folder)
      own()
      const before = readdirSync(home.dir).sort()
      await tdf(home, 'retry', id, '--resume', '--wait')
      // The agent itself, where it is not confined, may write where its user may: it says something else.
      const written = spawnSync('grep', ['-rlc', 'was said', at('victim'), at('.bash_profile')], {
        encoding: 'utf8',
      }).stdout
      const lines = written
        .split('\n')
        .filter(Boolean)
        .map(file => readFileSync(file, 'utf8'))
      expect(lines.filter(text => text.split('\n').length > 2)).toEqual([])
      if (kind === 'bubblewrap') expect(lines).toEqual([])
      expect(existsSync(at('.bash_profile')) && kind === 'bubblewrap').toBe(false)
      expect(
        readdirSync(home.dir)
          .sort()
          .filter(entry => entry !== '.bash_profile'),
      ).toEqual(before)
      expect(lstatSync(at('victim')).isDirectory()).toBe(true)
    })
  })
}
