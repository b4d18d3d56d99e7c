/** `[notify]` with real processes: a command, a webhook and a topic get one message for each piece of news. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NoticeJson } from '../../../../daemon/reporting/notices/message.ts'
import { type Receiver, receiver } from '../../../fakes/outward/receiver.ts'
import { cli } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

const SECRET = 'xyzzy-nobody-may-read-this'

let home: Home
let repo: ReturnType<typeof makeRepository>
let hook: Receiver
let topic: Receiver
let daemon: Awaited<ReturnType<Home['start']>>

beforeAll(async () => {
  ;[hook, topic] = [await receiver(), await receiver()]
  repo = makeRepository()
  home = makeHome(configOf(''))
  daemon = await home.start({ TDF_NOTIFY__COMMAND: JSON.stringify(['sh', '-c', SCRIPT(home.dir)]) })
})
afterAll(async () => {
  await home.remove()
  await hook.stop()
  await topic.stop()
  repo.remove()
})

const configOf = (more: string) =>
  `[push]\nretry_for = "0s"\n[notify]\nwebhook = "${hook.url}/hook?key=k1"\nntfy = "${topic.url}/mine"\n${more}`
const SCRIPT = (dir: string) => `echo "$TDF_EVENT $TDF_TASK_ID $TDF_STATUS [$TDF_TITLE] $(cat)" >> ${dir}/told`
const noticesOf = (id: string) =>
  hook.got.map(({ body }) => JSON.parse(body) as NoticeJson).filter(({ taskId }) => taskId === id)
const toldBy = (id: string) => {
  const file = path.join(home.dir, 'told')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  return text.split('\n').filter(line => line.includes(` ${id} `))
}
const topicOf = (id: string) => topic.got.filter(({ headers }) => String(headers.title).includes(id))

async function submit(script: string, ...more: string[]): Promise<string> {
  const words = ['--repo', repo.dir, '--title', SECRET, '--label', `why=${SECRET}`, '-q', ...more]
  const { out } = await cli(home, 'submit', SECRET, ...words, '--', 'sh', '-c', script)
  return out.trim()
}

describe('a task', () => {
  it('that is done is told once on each way, without a word that anybody wrote', async () => {
    const id = await submit(`echo ${SECRET} > N; git add -A; git commit -qm ${SECRET}; echo ${SECRET}`)
    await until('all are told', () => [noticesOf(id), toldBy(id), topicOf(id)].every(({ length }) => length > 0))
    expect(noticesOf(id)).toMatchObject([
      { schema: 'tdf.notice.v1', event: 'done', attempt: 1, status: 'completed', verdict: 'unverified', text: null },
    ])
    expect(noticesOf(id)[0]?.result).toMatchObject({ ahead: 1, filesChanged: 1, insertions: 1 })
    expect(hook.got[0]?.path).toBe('/hook?key=k1')
    expect(toldBy(id)).toHaveLength(1)
    expect(toldBy(id)[0]).toContain(`done ${id} completed []`)
    expect(topicOf(id)).toHaveLength(1)
    expect(topicOf(id)[0]?.body).toMatch(new RegExp(`unverified, after .*, on local, 1 files, \\+1 -0\ntdf show ${id}`))
    expect(topicOf(id)[0]?.headers).toMatchObject({ priority: 'default', tags: 'white_check_mark' })
    const everything = JSON.stringify([hook.got, topic.got, toldBy(id)])
    expect(everything).not.toContain('xyzzy')
  })

  it('that failed is told while the endpoint is down, after a kill of the daemon, and once', async () => {
    hook.faults.push(500, 'cut', 503)
    const before = hook.requests()
    const id = await submit('exit 3')
    await until('the other way is told', () => topicOf(id).length === 1)
    await until('it was tried', () => hook.requests() > before)
    await home.kill(daemon)
    daemon = await home.start()
    await until('it is told by both', () => noticesOf(id).length > 0 && topicOf(id).length > 0)
    expect(noticesOf(id).map(({ event, errorCode }) => [event, errorCode])).toEqual([['failed', 'AGENT_FAILED']])
    expect(topicOf(id)[0]?.headers).toMatchObject({ title: `task ${id} failed`, priority: 'high' })
  })

  it('whose branch is not pushed is done, and that too is told, with the command that pushes it', async () => {
    execFileSync('git', ['remote', 'add', 'origin', path.join(repo.dir, 'nowhere.git')], { cwd: repo.dir })
    const id = await submit('echo 1 > P; git add -A; git commit -qm P', '--push')
    await until('both are told', () => noticesOf(id).length > 1 && topicOf(id).length > 1)
    expect(noticesOf(id).map(({ event, status, errorCode }) => [event, status, errorCode])).toEqual([
      ['done', 'completed', null],
      ['push-failed', 'completed', 'PUSH_FAILED'],
    ])
    expect(JSON.stringify(noticesOf(id))).not.toContain('nowhere')
    expect(topicOf(id)[1]?.headers).toMatchObject({
      title: `the branch of task ${id} was not pushed`,
      priority: 'high',
    })
    expect(topicOf(id)[1]?.body).toContain(`tdf push ${id}`)
  })

  it('that waits for somebody says so, with the text when that is wanted', async () => {
    await restart('include_text = true\nevents = ["needs-you", "cancelled"]')
    const id = await submit('true', '--interactive')
    await until('it is told by every way', () => noticesOf(id).length > 0 && topicOf(id).length > 0)
    expect(noticesOf(id)).toMatchObject([{ event: 'needs-you', text: { title: SECRET, labels: { why: SECRET } } }])
    expect(topicOf(id)[0]?.body).toContain(`tdf send ${id}`)
    expect((await cli(home, 'send', id, '--close')).code).toBe(0)
    await until('it is over', async () => (await home.task(id)).step === null)
    expect(noticesOf(id)).toHaveLength(1)
  })
})

/** Another daemon over the same state, with other settings. */
async function restart(settings: string): Promise<void> {
  await cli(home, 'daemon', 'stop')
  writeFileSync(path.join(home.dir, 'config.toml'), configOf(settings), { mode: 0o600 })
  daemon = await home.start()
}
