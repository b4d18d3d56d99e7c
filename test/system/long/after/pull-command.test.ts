/** `[pr] command` with a real script: a forge that gh does not know, whose merge requests are looked at by one JSON. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { LONG_MS, type PullScene, pullScene } from '../../../fakes/programs/forge/scene.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'

const place = mkdtempSync(path.join(tmpdir(), 'tdf-look-'))
const bare = path.join(place, 'bare')
const asked = path.join(place, 'asked')
const away = path.join(place, 'away')
const MERGE_REQUEST = 'https://git.test/acme/web/-/merge_requests/7'

/** Red until the agent has run; then a reviewer and a bot have each a thread open. */
const LOOK = `
[ -e ${away} ] && { echo the forge is away >&2; exit 1; }
echo "$TDF_PR_URL|$TDF_REMOTE|$TDF_BRANCH|$TDF_TASK_ID" >> ${asked}
read bare remote < ${bare}
head=$(git --git-dir "$bare" rev-parse refs/heads/topic7)
git --git-dir "$bare" cat-file -e "$head:run-1" 2> /dev/null && state=passed || state=failed
said='{"id":"1","mayWrite":true,"text":"say more"'
cat << JSON
{"state":"open", "head":"$head", "base":"main", "title":"change seven", "branch":"topic7", "remote":"$remote",
 "checks":[{"name":"test", "state":"$state", "log":"line one\\nline two\\n"}],
 "threads":[{"id":"t1", "path":"a.md", "line":1, "comments":[$said, "author":"alice"}]},
            {"id":"t2", "comments":[$said, "author":"noisy-bot"}]}]}
JSON
`

let scene: PullScene
let server: GitServer
beforeAll(async () => {
  const script = path.join(place, 'look')
  writeFileSync(script, LOOK)
  scene = await pullScene(`command = ["sh", "${script}"]\nreact = ["ci"]\nignore_authors = ["noisy-bot"]`)
  server = await gitServer(path.dirname(scene.forge.bare), null)
  scene.forge.git('config', 'http.receivepack', 'true')
  writeFileSync(bare, `${scene.forge.bare} ${server.url}/${path.basename(scene.forge.bare)}\n`)
  await scene.home.start(scene.env)
}, LONG_MS)
afterAll(async () => {
  await scene.remove()
  await server.close()
  rmSync(place, { recursive: true, force: true })
}, LONG_MS)

it(
  'is watched by what the script prints, mended as far as [pr] react says, and left to its user beyond that',
  async () => {
    const theirs = scene.commit('topic7', { 'a.md': 'a\n' }, 'main')
    const adopted = await scene.run('pr', 'adopt', MERGE_REQUEST, '--agent', 'a', '--json')
    expect([adopted.code, adopted.err]).toEqual([0, ''])
    const { id, title }: TaskJson = JSON.parse(adopted.out)
    const task = await scene.isAt(id, ({ waitingFor }) => /\[pr\] react leaves/.test(waitingFor ?? ''))
    expect([title, task.pr?.number, task.attempts.length, task.pr?.round]).toEqual(['change seven', 7, 2, 1])
    // The thread of the reviewer alone: the bot's counts for nothing.
    expect(task.pr?.waitingFor).toContain('is red (1 review thread)')
    const [given = '', ...more] = scene.told()
    expect([given, more]).toEqual([expect.stringMatching(/"test" fails\n\n> line one\n> line two\n/), []])
    expect(given).not.toContain('say more')
    scene.forge.git('merge-base', '--is-ancestor', theirs, scene.forge.head('topic7'))
    const calls = readFileSync(asked, 'utf8').trim().split('\n')
    const remote = `${server.url}/${path.basename(scene.forge.bare)}`
    expect([calls[0], calls.at(-1)]).toEqual([`${MERGE_REQUEST}|||`, `${MERGE_REQUEST}|${remote}|topic7|${id}`])
  },
  LONG_MS,
)

it(
  'that fails is said with its words, and looked at again',
  async () => {
    const [watched]: TaskJson[] = JSON.parse((await scene.run('pr', 'ls', '--json')).out)
    const id = watched?.id ?? ''
    writeFileSync(away, '')
    await scene.isAt(id, ({ error }) => error === '[pr] command: the forge is away')
    expect((await scene.run('why', id)).out).toContain('cannot be looked at: [pr] command: the forge is away')
    rmSync(away)
    const before = existsSync(asked) ? readFileSync(asked, 'utf8').length : 0
    const task = await scene.isAt(id, ({ error }) => error === null)
    expect([task.attempts.length, readFileSync(asked, 'utf8').length > before]).toEqual([2, true])
  },
  LONG_MS,
)
