/** Who knows the topic over which notices are answered can write to it: whatever that is, no task changes and no word of it is kept. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fakeNtfy, type Ntfy } from '../../fakes/outward/ntfy.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../support/daemon/home.ts'
import { HOSTILE } from '../../support/daemon/hostile-proxy.ts'

const TALKING = new URL('../../fakes/programs/talking-agent.mjs', import.meta.url).pathname
const MARK = 'xyzzy'
const asks = JSON.stringify({ asks: { requestId: 'q1', tool: 'Bash', detail: 'ls' } })

let ntfy: Ntfy
let home: Home
let repo: ReturnType<typeof makeRepository>
let id: string
let daemon: Awaited<ReturnType<Home['start']>>

beforeAll(async () => {
  ntfy = await fakeNtfy()
  home = makeHome(`
[notify]
ntfy = "${ntfy.url}/alerts"
ntfy_replies = "REPLIES"
include_text = true
[agents.asks]
type = "claude"
command = ${JSON.stringify([process.execPath, TALKING, asks])}
`)
  repo = makeRepository()
  daemon = await home.start({ REPLIES: `${ntfy.url}/answers` })
  const words = ['--agent', 'asks', '--permissions', 'ask', '--repo', repo.dir]
  id = (await tdf(home, 'submit', '-q', 'look', ...words)).out.trim()
  await until('it asks', () => ntfy.messages('alerts').length > 0, 240_000)
  await until('the topic is followed', () => ntfy.open() > 0)
}, 300_000)
afterAll(async () => {
  await home.remove()
  await ntfy.stop()
  repo.remove()
})

/** Every file of the state and what the daemon said. */
function kept(folder = home.dir): string {
  return readdirSync(folder)
    .map(name => path.join(folder, name))
    .filter(file => !file.includes('/slots') && !statSync(file).isSocket())
    .map(file => (statSync(file).isDirectory() ? kept(file) : readFileSync(file, 'latin1')))
    .join('\n')
}

it('a message that is no code changes nothing, is counted, and is in no log and no row', async () => {
  let said = ''
  daemon.stdout?.on('data', chunk => (said += chunk))
  daemon.stderr?.on('data', chunk => (said += chunk))
  const before = JSON.stringify(await home.task(id))
  const [notice] = ntfy.messages('alerts')
  if (!notice) throw new Error('there is no notice')
  const [allow] = notice.actions
  const code = String(allow?.body)
  const texts = [
    ...['allow', `allow ${id}`, `tdf send ${id} allow`, `{"task":"${id}","verb":"allow"}`, `' or 1=1 --`],
    ...[code.slice(0, -1), code.toUpperCase(), `${code}${MARK}`, `${code}\n${code}`, `x${code}`, code.repeat(200)],
    ...[`$(touch ${home.dir}/canary)`, Object.values(HOSTILE).join(MARK), `${MARK}`.repeat(500), ''],
  ]
  for (const text of texts) expect(await ntfy.publish('answers', text)).toBe(200)
  ntfy.send(
    'answers',
    `{"event":"message","id":"../../${MARK}","message":"${MARK}"}\n{"__proto__":{"event":"message"}}\n`,
  )
  // As fast as they come.
  const flood = Array.from({ length: 2_000 }, (_, n) => `{"event":"message","id":"f${n}","message":"${MARK} ${n}"}\n`)
  ntfy.send('answers', flood.join(''))
  ntfy.send('answers', `{"event":"message","message":"${MARK.repeat(100_000)}`)
  // It ends that line, and is lost with it.
  await ntfy.publish('answers', 'the last')
  const counted = async (end: string) => {
    const { body } = await home.client.raw({ path: '/metrics' })
    return Number(new RegExp(`^tdf_notice_replies_total\\{end="${end}"\\} (\\d+)`, 'm').exec(String(body))?.[1] ?? 0)
  }
  await until('all are told', async () => (await counted('unknown')) >= texts.length + 2_001, 240_000)
  expect(JSON.stringify(await home.task(id))).toBe(before)
  expect([await counted('taken'), await counted('used'), await counted('late')]).toEqual([0, 0, 0])
  const all = said + kept()
  const lines = all.match(/changes nothing/g)?.length ?? 0
  expect([lines > 0, lines < 100]).toEqual([true, true])
  expect([all.includes(MARK), all.includes(code)]).toEqual([false, false])

  // And what it is for still works.
  expect(await ntfy.press(notice, 'Allow')).toBe(200)
  await until('its agent was answered', async () => (await home.task(id)).verdict !== null, 240_000)
  expect(await counted('taken')).toBe(1)
}, 300_000)
