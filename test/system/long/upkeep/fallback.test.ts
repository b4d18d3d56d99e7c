/** Another agent goes on when one is at its limit, with real processes: models of Claude Code and of Codex, real git. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EventJson, TaskJson, WhyJson } from '../../../../src/protocol/control.ts'
import type { CredentialJson } from '../../../../src/protocol/upkeep.ts'
import { afterFile } from '../../../support/after-file.ts'
import { makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

const fake = new URL('../../../fakes/programs/limited-agent.mjs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-limits-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))

const NAMES = ['own', 'work', 'other', 'gone', 'priced']
const table = (name: string, type: string, more: string) => `
[agents.${name}]
type = "${type}"
command = ["${process.execPath}", "${fake}", "${type}", "${folder}", "${name}"]
${more}
`
const home = makeHome(
  [
    table('own', 'claude', 'fallback = ["other"]\nenv = { TOKEN = "OWN_TOKEN" }'),
    table('work', 'claude', 'env = { TOKEN = "WORK_TOKEN" }'),
    table('other', 'codex', 'env = ["OTHER_0"]'),
    table('gone', 'codex', 'env = []').replace(process.execPath, '/nonexistent/codex'),
  ].join(''),
)
const repo = makeRepository()
let daemon: Awaited<ReturnType<typeof home.start>>
beforeAll(async () => {
  daemon = await home.start()
}, 180_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
}, 60_000)

/** What an agent does from now on; one that is not named does its work. */
function plan(plans: Partial<Record<string, object>>): void {
  rmSync(path.join(folder, 'notes'), { force: true })
  for (const name of NAMES) {
    const doing = { writes: `${name}.txt`, ...plans[name] }
    writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(doing))
  }
}

interface Note {
  name: string
  argv: string[]
  prompt: string
  record: string | null
  told: string | null
  TOKEN: string | null
}
const notes = (): Note[] =>
  (existsSync(path.join(folder, 'notes')) ? readFileSync(path.join(folder, 'notes'), 'utf8') : '')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

const inHours = (hours: number) => Math.floor(Date.now() / 1000) + hours * 3600
const iso = (seconds: number) => new Date(seconds * 1000).toISOString()

async function submit(...options: string[]): Promise<TaskJson> {
  const words = ['submit', 'write both files', '--repo', repo.dir, '--json', ...options]
  const { out, err } = await tdf(home, ...words)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

const why = (id: string) => home.client.call<WhyJson>({ path: `/tasks/${id}/why` })
const events = async (id: string) =>
  (await tdf(home, 'events', '-o', 'ndjson')).out
    .split('\n')
    .filter(Boolean)
    .map((line): EventJson => JSON.parse(line))
    .filter(event => event.taskId === id)

/** No limit of an earlier test holds: accounts are told apart by the names of their secrets. */
let tests = 0
beforeEach(async () => {
  tests += 1
  const accounts = { own: `OWN_${tests}`, work: `WORK_${tests}` }
  const config = path.join(home.dir, 'config.toml')
  const text = readFileSync(config, 'utf8')
    .replace(/TOKEN = "OWN_\w+"/, `TOKEN = "${accounts.own}"`)
    .replace(/TOKEN = "WORK_\w+"/, `TOKEN = "${accounts.work}"`)
    .replace(/"OTHER_\d+"/, `"OTHER_${tests}"`)
  writeFileSync(config, text)
  await home.client.call({ method: 'POST', path: '/reload' })
  for (const name of Object.values(accounts)) {
    await home.client.call({ method: 'PUT', path: `/secrets/${name}`, json: { value: `value of ${name}` } })
  }
})

describe('an agent that is at its limit for hours', () => {
  it('is followed by another type once, which goes on from its files and is told what was done', async () => {
    const reset = inHours(3)
    plan({ own: { resetsAt: reset } })
    const task = await submit('--agent', 'own', '-w')
    expect([task.status, task.verdict, task.agent, task.session?.agent]).toEqual([
      ...['completed', 'unverified', 'own', 'other'],
    ])
    expect(task.agentsUsed).toEqual([
      { agent: 'own', why: 'usage_limit', until: iso(reset) },
      { agent: 'other', why: null, until: null },
    ])
    const diff = (await tdf(home, 'diff', task.id)).out
    expect(diff).toContain('+++ b/own.txt')
    expect(diff).toContain('+++ b/other.txt')
    expect(diff).not.toContain('transcript')
    const [first, second, ...more] = notes() as [Note, Note]
    expect([first.name, second.name, more]).toEqual(['own', 'other', []])
    expect(first.record).toBeNull()
    expect(second.prompt).toMatch(/^write both files\n\nThis task was begun before.*\n\nWhat other agents said/s)
    expect(second.told).toContain('own wrote own.txt')
    const handed = (await events(task.id)).filter(({ type }) => type === 'task.agent')
    expect(handed.map(({ data }) => [data.from, data.to, data.until])).toEqual([['own', 'other', reset * 1000]])
    const log = (await tdf(home, 'events')).out
    expect(log).toMatch(/own at its limit until .*; goes on with other/)
    const pulled = (await tdf(home, 'show', task.id)).out
    expect(pulled).toMatch(/own at its limit until .*; then other/)
    const message = await messageOf(task)
    expect(message).toMatch(/^Assisted-by: own, other \(task/m)
  })

  it('is followed by another account of the same program, with its conversation', async () => {
    plan({ own: { resetsAt: inHours(3) } })
    const task = await submit('--agent', 'own', '--fallback', 'work,other', '-w')
    expect([task.verdict, task.agentsUsed.map(({ agent }) => agent)]).toEqual(['unverified', ['own', 'work']])
    const [first, second, ...more] = notes() as [Note, Note]
    expect(more).toEqual([])
    expect(wordAfter(second, '--resume')).toBe(wordAfter(first, '--session-id'))
    expect([first.TOKEN, second.TOKEN]).toEqual([`value of OWN_${tests}`, `value of WORK_${tests}`])
    expect([second.record, second.prompt.startsWith('Your work on this task was interrupted')]).toEqual([null, true])
  })

  it('holds up neither the tasks of another account nor those that another agent may do', async () => {
    const reset = inHours(3)
    plan({ own: { resetsAt: reset } })
    const limited = await submit('--agent', 'own', '--no-fallback')
    await until('it is parked', async () => (await home.task(limited.id)).status === 'parked')
    expect((await submit('--agent', 'work', '-w')).verdict).toBe('unverified')
    const queued = await submit('--agent', 'own', '--no-fallback')
    const second = await submit('--agent', 'own', '-w')
    expect([second.verdict, second.agentsUsed.map(({ agent }) => agent)]).toEqual(['unverified', ['other']])
    expect(notes().at(-1)).toMatchObject({ name: 'other', prompt: 'write both files', record: null })
    expect(await home.task(queued.id)).toMatchObject({ status: 'queued', agentsUsed: [] })
    const listed: CredentialJson[] = JSON.parse((await tdf(home, 'agent', 'ls', '--json')).out)
    const own = listed.find(({ agents }) => agents.includes('own'))
    expect(own).toMatchObject({ state: 'limited', limitedUntil: iso(reset), tasks: { parked: 1, queued: 1 } })
    expect(listed.find(({ agents }) => agents.includes('work'))).toMatchObject({ state: 'free' })
    await tdf(home, 'cancel', limited.id, queued.id)
  })

  it('waits as before with --no-fallback', async () => {
    const reset = inHours(3)
    plan({ own: { resetsAt: reset } })
    const task = await submit('--agent', 'own', '--no-fallback')
    await until('it is parked', async () => (await home.task(task.id)).status === 'parked')
    expect(notes().map(({ name }) => name)).toEqual(['own'])
    expect((await why(task.id)).sentence).toContain(
      'own has reached its usage limit. Then the same conversation goes on',
    )
    await tdf(home, 'cancel', task.id)
  })
})

describe('a daemon that is killed', () => {
  it.each([
    ['before', 1],
    ['in', 2],
  ])('%s the switch starts each agent once', async (_when, begun) => {
    plan({ own: { resetsAt: inHours(3), ms: 500 }, other: { ms: 500 } })
    const { id } = await submit('--agent', 'own')
    await until('the agent has its prompt', () => notes().length === begun)
    await home.kill(daemon)
    daemon = await home.start()
    await until('it is over', async () => (await home.task(id)).step === null)
    expect(await home.task(id)).toMatchObject({
      status: 'completed',
      agentsUsed: [{ agent: 'own' }, { agent: 'other' }],
    })
    expect(notes().map(({ name }) => name)).toEqual(['own', 'other'])
  })
})

describe('agents that are all at their limits', () => {
  it('leave the task parked until the earlier is lifted, and why names them both', async () => {
    const [late, early] = [inHours(3), inHours(2)]
    plan({ own: { resetsAt: late }, other: { resetsAt: early } })
    const task = await submit('--agent', 'own')
    await until('it is parked', async () => (await home.task(task.id)).status === 'parked')
    const { parkedUntil, agentsUsed } = await home.task(task.id)
    // Those that rest for the same limit come back one after the other.
    expect(Date.parse(parkedUntil ?? '')).toBeGreaterThanOrEqual(early * 1000)
    expect(Date.parse(parkedUntil ?? '')).toBeLessThanOrEqual(early * 1000 + 120_000)
    expect(agentsUsed).toEqual([
      { agent: 'own', why: 'usage_limit', until: iso(late) },
      { agent: 'other', why: 'usage_limit', until: iso(early) },
    ])
    const { sentence } = await why(task.id)
    expect(sentence).toContain(`own at its limit until ${iso(late)}, other at its limit until ${iso(early)}`)
    expect(notes().map(({ name }) => name)).toEqual(['own', 'other'])
    await tdf(home, 'cancel', task.id)
  })
})

describe('an agent that cannot go on', () => {
  it('is passed over when nobody knows what it costs and the task may cost so much, and that is said', async () => {
    plan({ own: { resetsAt: inHours(3) } })
    const { err } = await tdf(home, 'submit', 'x', '--repo', repo.dir, '--agent', 'own', '--max-cost', '5', '-q')
    expect(err).toContain('other is passed over: other does not report what it costs')
    const { out } = await tdf(home, 'ls', '-q', '--limit', '1')
    const id = out.trim()
    await until('it is parked', async () => (await home.task(id)).status === 'parked')
    expect((await why(id)).sentence).toContain('other is passed over: other does not report what it costs.')
    await tdf(home, 'cancel', id)
  })

  it.each([
    ['a race', ['x', '--n', '2', '--max-cost', '5']],
    ['tasks of a list', ['do {}', '--each', 'LIST', '--max-cost', '5']],
    ['tasks of a file', ['--file', 'FILE']],
    ['tasks of a file in a group', ['--file', 'FILE', '--group', 'g']],
  ])('is passed over and that said once, by who submits %s', async (_, words) => {
    plan({ own: { resetsAt: inHours(3) } })
    writeFileSync(path.join(folder, 'LIST'), 'a\nb\n')
    writeFileSync(path.join(folder, 'FILE'), `${JSON.stringify({ prompt: 'x', maxCost: 5 })}\n`.repeat(2))
    const given = words.map(word => (/^[A-Z]{4}$/.test(word) ? path.join(folder, word) : word))
    const { out, err } = await tdf(home, 'submit', ...given, '--repo', repo.dir, '--agent', 'own', '-q')
    expect(err.match(/^note: .*$/gm)).toEqual([
      expect.stringContaining('note: other is passed over: other does not report what it costs'),
    ])
    await tdf(home, 'cancel', ...out.trim().split('\n'))
  })

  it('is passed over when it cannot be started, for the next one', async () => {
    plan({ own: { resetsAt: inHours(3) } })
    const task = await submit('--agent', 'own', '--fallback', 'gone,other', '-w')
    expect([task.verdict, task.agentsUsed.map(({ agent }) => agent)]).toEqual(['unverified', ['own', 'other']])
  })

  it('is followed by another when its login is refused before it did anything, and never after an ordinary failure', async () => {
    plan({ own: { refused: true } })
    const task = await submit('--agent', 'own', '-w')
    expect([task.verdict, task.agentsUsed]).toEqual([
      'unverified',
      [
        { agent: 'own', why: 'auth', until: null },
        { agent: 'other', why: null, until: null },
      ],
    ])
    plan({ other: { refused: true } })
    const failed = await submit('--agent', 'other', '-w')
    expect([failed.verdict, failed.error?.code]).toEqual(['agent_error', 'AGENT_AUTH'])
  })
})

const wordAfter = ({ argv }: Note, option: string) => argv[argv.indexOf(option) + 1]

async function messageOf(task: TaskJson): Promise<string> {
  const { out } = await tdf(home, 'pull', task.id)
  return execFileSync('git', ['log', '-1', '--format=%B', task.result?.commit ?? out.trim()], {
    cwd: path.join(home.dir, 'state', 'results', storeOf()),
    encoding: 'utf8',
  })
}

const storeOf = () =>
  execFileSync('ls', [path.join(home.dir, 'state', 'results')], { encoding: 'utf8' }).split('\n')[0] ?? ''
