/** Notices are answered from a phone: a real daemon, real agents that ask, and a model of ntfy whose buttons are pressed. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fakeNtfy, type Ntfy, type Published } from '../../../fakes/outward/ntfy.ts'
import { type Home, makeHome, makeRepository, root, tdf, until } from '../../../support/daemon/home.ts'

const TALKING = new URL('../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname
const LONG_MS = 240_000
const run = promisify(execFile)
const page = readFileSync('docs/doors.md', 'utf8')
const blockOf = (form: string) => new RegExp(`^\`\`\`${form} ntfy\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ?? ''
const topicOf = (block: string) => /https:\/\/ntfy\.sh\/([\w-]+)/.exec(block)?.[1] ?? ''
const [alerts, answers] = [topicOf(blockOf('toml')), topicOf(blockOf('sh'))]
const onOurServer = (block: string) => block.replaceAll('https://ntfy.sh', ntfy.url)
const AUTH = 'cmVhZGVy'

let ntfy: Ntfy
let home: Home
let repo: ReturnType<typeof makeRepository>
let daemon: Awaited<ReturnType<Home['start']>>
/** Tasks that ask, each for one test: they come to it together. */
let asking: string[] = []

const agent = (name: string, script: object) =>
  `[agents.${name}]\ntype = "claude"\ncommand = ${JSON.stringify([process.execPath, TALKING, JSON.stringify(script)])}\n`

const start = () => home.start()

/** What the page says is to be typed, for a topic that only a token reads. */
async function setUp(): Promise<void> {
  const bin = path.join(home.dir, 'bin')
  mkdirSync(bin)
  symlinkSync(path.join(root, 'bin/tdf'), path.join(bin, 'tdf'))
  const commands = onOurServer(blockOf('sh')).replace(answers, `${answers}?auth=${AUTH}`).trim().split('\n')
  expect(commands.length).toBe(3)
  const env = { ...home.env, PATH: `${bin}:${process.env.PATH}` }
  for (const command of commands) {
    // The server that it asks is in this process.
    expect([command, await run('sh', ['-c', command], { env })]).toEqual([
      command,
      { stdout: expect.any(String), stderr: '' },
    ])
  }
}

beforeAll(async () => {
  ntfy = await fakeNtfy()
  ntfy.guarded.set(answers, AUTH)
  home = makeHome(`
[runner]
reconcile_interval = "1s"
[nodes]
max_workspaces = 8
${onOurServer(blockOf('toml'))}
${agent('asks', { asks: { requestId: 'q1', tool: 'Bash', detail: 'rm -rf build' } })}
${agent('stops', { says: { outcome: 'error', summary: 'I stop here' }, exitCode: 1 })}
${agent('talks', {})}`)
  repo = makeRepository()
  daemon = await start()
  await setUp()
  asking = await Promise.all(Array.from({ length: 5 }, ask))
}, LONG_MS)
afterAll(async () => {
  await home.remove()
  await ntfy.stop()
  repo.remove()
})
beforeEach(async () => {
  Object.assign(ntfy.faults, { refuse: [], copies: 1, replayAll: false, holdBack: false })
  await until('the topic is followed', () => ntfy.open() > 0)
})

async function submit(...words: string[]): Promise<string> {
  const { out, err } = await tdf(home, 'submit', '-q', '--repo', repo.dir, 'clean up', ...words)
  expect(err).toBe('')
  return out.trim()
}
const nextAsking = () => String(asking.shift())
const ask = () => submit('--agent', 'asks', '--permissions', 'ask')

/** The notice about a task that carries a button, once it is there. */
async function noticeOf(id: string, label: string): Promise<Published> {
  const found = () =>
    ntfy.messages(alerts).findLast(({ title, actions }) => title.includes(id) && actions.some(a => a.label === label))
  await until(`${label} can be pressed for ${id}`, () => found() !== undefined, LONG_MS)
  return found() as Published
}

async function answersOf(id: string): Promise<unknown[]> {
  const events = await home.client.call<{ type: string; data: { verb: string } }[]>({ path: `/tasks/${id}/events` })
  return events.flatMap(({ type, data }) => (type === 'task.answered' ? [data.verb] : []))
}

/** Whether its agent was refused what it asked for, in its own words. */
async function wasDenied(id: string): Promise<boolean> {
  return (await tdf(home, 'logs', '--raw', id)).out.includes('"permission_denials":[{')
}

/** What became of messages over the topic since the daemon was started. */
async function counted(end: string): Promise<number> {
  const { body } = await home.client.raw({ path: '/metrics' })
  return Number(new RegExp(`^tdf_notice_replies_total\\{end="${end}"\\} (\\d+)`, 'm').exec(String(body))?.[1] ?? 0)
}
const ended = (id: string) => until(`${id} is over`, async () => (await home.task(id)).verdict !== null, LONG_MS)

describe('a permission that is asked for', () => {
  it(
    'is given by a button, once, although the answer comes twice, and no token goes to who reads the notices',
    async () => {
      const id = nextAsking()
      const notice = await noticeOf(id, 'Allow')
      expect(notice.actions.map(({ label, url, clear }) => [label, url, clear])).toEqual([
        ['Allow', `${ntfy.url}/${answers}`, true],
        ['Deny', `${ntfy.url}/${answers}`, true],
        ['Cancel', `${ntfy.url}/${answers}`, true],
      ])
      expect(notice.message).toContain('may it use Bash (rm -rf build)?')
      expect(JSON.stringify(ntfy.messages(alerts))).not.toContain(AUTH)
      const before = await counted('used')
      ntfy.faults.copies = 2
      expect(await ntfy.press(notice, 'Allow')).toBe(200)
      await ended(id)
      expect([(await home.task(id)).status, await wasDenied(id)]).toEqual(['completed', false])
      await until('the second was told', async () => (await counted('used')) === before + 1)
      expect(await answersOf(id)).toEqual(['allow'])
    },
    LONG_MS,
  )

  it(
    'is refused by a button; the other buttons are worth nothing then',
    async () => {
      const id = nextAsking()
      const notice = await noticeOf(id, 'Deny')
      await ntfy.press(notice, 'Deny')
      await ntfy.press(notice, 'Allow')
      await ended(id)
      expect([await answersOf(id), await wasDenied(id)]).toEqual([['deny'], true])
    },
    LONG_MS,
  )

  it(
    'that was answered at the terminal is not answered by an old button, nor is its task cancelled by one',
    async () => {
      const id = nextAsking()
      const notice = await noticeOf(id, 'Allow')
      expect((await tdf(home, 'send', id, 'deny')).code).toBe(0)
      await ended(id)
      const before = await counted('late')
      await ntfy.press(notice, 'Allow')
      await ntfy.press(notice, 'Cancel')
      await until('they were told', async () => (await counted('late')) === before + 2)
      const { verdict } = await home.task(id)
      expect([await answersOf(id), await wasDenied(id), verdict]).toEqual([[], true, 'no_change'])
    },
    LONG_MS,
  )

  it(
    'is answered once while the daemon is killed, whether the message comes late or again',
    async () => {
      const id = nextAsking()
      const notice = await noticeOf(id, 'Allow')
      await home.kill(daemon)
      await ntfy.press(notice, 'Allow')
      daemon = await start()
      await ended(id)
      expect(await home.task(id)).toMatchObject({ status: 'completed' })
      await home.kill(daemon)
      ntfy.faults.replayAll = true
      daemon = await start()
      await until('all of it came again', async () => (await counted('used')) > 0)
      expect([await answersOf(id), (await home.task(id)).attempt]).toEqual([['allow'], 1])
    },
    LONG_MS,
  )
})

describe('a task', () => {
  it(
    'is cancelled by a button while its agent waits for words, or goes on',
    async () => {
      const [one, two] = [
        await submit('--agent', 'talks', '--interactive'),
        await submit('--agent', 'talks', '--interactive'),
      ]
      await ntfy.press(await noticeOf(one, 'Cancel'), 'Cancel')
      await ended(one)
      expect(await home.task(one)).toMatchObject({ verdict: 'cancelled' })
      const first = await noticeOf(two, 'Continue')
      await ntfy.press(first, 'Continue')
      await until('it is asked anew', async () => (await noticeOf(two, 'Continue')).id !== first.id, LONG_MS)
      const before = await counted('late')
      await ntfy.press(first, 'Cancel')
      await until('the old one is told', async () => (await counted('used')) + (await counted('late')) > before)
      expect([await answersOf(two), (await home.task(two)).step]).toEqual([['continue'], 'awaiting_followup'])
      await tdf(home, 'send', two, '--close')
    },
    LONG_MS,
  )

  it(
    'that failed goes on by a button, in one attempt more',
    async () => {
      const id = await submit('--agent', 'stops')
      const notice = await noticeOf(id, 'Continue')
      await until('all of it is home', async () => (await home.task(id)).step === null, LONG_MS)
      ntfy.faults.copies = 3
      await ntfy.press(notice, 'Continue')
      await until('it goes on', async () => (await home.task(id)).attempt === 2, LONG_MS)
      await ended(id)
      expect([await answersOf(id), (await home.task(id)).attempt]).toEqual([['continue'], 2])
    },
    LONG_MS,
  )
})

describe('a topic that misbehaves', () => {
  it(
    'is followed on after refusals, cuts and lines that are none; what was held back meanwhile is taken',
    async () => {
      const id = nextAsking()
      const notice = await noticeOf(id, 'Allow')
      ntfy.send(
        answers,
        `${'x'.repeat(200_000)}\n{"event":"message"}\nnull\n[]\n{"event":"message","message":{"a":1}}\n\n`,
      )
      ntfy.send(answers, `{"event":"message","id":"${'i'.repeat(5_000)}","message":"${'a'.repeat(20_000)}"}\n`)
      ntfy.faults.holdBack = true
      ntfy.faults.refuse.push(500, 429)
      await ntfy.press(notice, 'Allow')
      ntfy.cut()
      await ended(id)
      expect(await home.task(id)).toMatchObject({ status: 'completed' })
      expect(ntfy.subscriptions.at(-1)?.query.get('auth')).toBe(AUTH)
    },
    LONG_MS,
  )
})

it(
  'doctor has published to the topic and read it, and says what is missing',
  async () => {
    const said = async () => {
      const { out } = await tdf(home, 'doctor')
      return out.split('\n').find(line => line.startsWith('answers'))
    }
    expect(await said()).toMatch(/^answers +ok +they come back over 127\.0\.0\.1:\d+/)
    ntfy.guarded.set(answers, 'of-another')
    expect(await said()).toMatch(/^answers +FAILED .*it may not be read: the server answered 403/)
    ntfy.guarded.set(answers, AUTH)
  },
  LONG_MS,
)
