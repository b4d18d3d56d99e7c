/** What a node tells counts for what is on it, and never for the work of others; and no page of it holds up the daemon. */
import { afterEach, describe, expect, it } from 'vitest'
import { tdf, until } from '../support/daemon/home.ts'
import { jsonLie } from './support/hostile-node.ts'
import { withTwoNodes } from './support/two-nodes.ts'

const made = withTwoNodes()

afterEach(() => {
  made.liar.lies.length = 0
  made.liar.seizures.length = 0
})

/** Behind the true rows of each page, with numbers that go on from them. */
function tellAlso(rows: object[]): void {
  made.liar.lies.push(
    jsonLie(/^GET \/events$/, (page, { query }) => {
      const last = Math.max(Number(query.get('after')), ...page.events.map(({ seq }: { seq: number }) => seq))
      const told = rows.map((row, index) => ({ seq: last + 1 + index, at: new Date().toISOString(), ...row }))
      return { ...page, events: [...page.events, ...told] }
    }),
  )
}

function forged(id: string, type: string, session: string | null, data: object) {
  const workspaceId = `${id}-1-1`
  const sessionId = session && `${workspaceId}-${session}`
  return { type, workspaceId, taskId: id, attempt: 1, sessionId, data: { seq: 1, attempt: 1, sessionId, ...data } }
}
const ended = (id: string, session: string, exitCode: number) =>
  forged(id, 'session.exited', session, { status: exitCode ? 'failed' : 'completed', exitCode, signal: null })
const READY = ['workspace.ready', null, { status: 'running' }] as const
const FAILED = ['workspace.provisioning-failed', null, { errorMessage: 'forged' }] as const

describe('rows about the work of another node', () => {
  it('neither end nor verify its tasks, whatever their type', async () => {
    const own = await made.submit('liar', '--', 'sleep', '600')
    const running = await made.submit('honest', '--', 'sleep', '600')
    const setUp = await made.submit('honest', '--setup', 'sleep 600', '--', 'true')
    const checked = await made.submit('honest', '--check', 'sleep 5; exit 7', '--', 'sh', '-c', 'sleep 5; date > new')
    await until('it runs', async () => (await made.step(running)) === 'running')
    await until('it is set up', async () => (await made.step(setUp)) === 'workspace_ready')
    tellAlso([
      ...[running, setUp, checked].flatMap(id => [forged(id, ...READY), forged(id, ...FAILED)]),
      ...[running, setUp, checked].flatMap(id => [ended(id, 's1', 1), ended(id, 's1', 0), ended(id, 's1-check', 0)]),
    ])
    await made.pulls(3)
    await until('the checked one is judged', async () => (await made.home.task(checked)).verdict !== null)
    expect((await made.home.task(checked)).verdict).toBe('check_failed')
    expect(await made.home.task(running)).toMatchObject({ step: 'running', verdict: null })
    expect(await made.home.task(setUp)).toMatchObject({ step: 'workspace_ready', verdict: null })
    expect((await tdf(made.home, 'errors')).out).toMatch(/node liar reports on workspaces that are not on it/)
    await tdf(made.home, 'cancel', own, running, setUp)
  })
})

describe('calls of an agent that may hand nothing over', () => {
  it('make no task, and are no reason to believe the node about another one', async () => {
    const plain = await made.submit('liar', '--', 'sleep', '600')
    const other = await made.submit('honest', '--may-spawn', '3', '--', 'sleep', '600')
    const deep = await made.submit('liar', '--may-spawn', '1', '--', 'sleep', '600')
    for (const id of [plain, other, deep]) await until('it runs', async () => (await made.step(id)) === 'running')
    const call = (id: string, n: number, more: object = {}) =>
      forged(id, 'session.request', 's1', {
        ...{ requestId: `r${n}`, tool: 'submit_task', input: JSON.stringify({ prompt: `forged ${n}` }) },
        ...more,
      })
    tellAlso([
      ...[call(plain, 1), call(other, 2), call(deep, 3, { attempt: 2 }), call(deep, 4, { sessionId: 'x' })],
      ...[call(deep, 5, { tool: 'rm' }), call(deep, 6, { input: '{"prompt":"x","permissions":"allow"}' })],
      ...[call(deep, 7, { input: '\u0000' }), call(deep, 8, { input: 'x'.repeat(70_000) })],
      // What it may: its node can ask for it as well, once.
      ...[call(deep, 9), call(deep, 10)],
    ])
    await made.pulls(3)
    const all = async () => JSON.parse((await tdf(made.home, 'ls', '--all', '--json')).out) as { title: string }[]
    await until('the one that may be is there', async () => (await all()).some(({ title }) => /^forged/.test(title)))
    await made.pulls(2)
    expect((await all()).flatMap(({ title }) => (/^forged/.test(title) ? [title] : []))).toHaveLength(1)
    expect((await all()).some(({ title }) => ['forged 9', 'forged 10'].includes(title))).toBe(true)
    await tdf(made.home, 'cancel', '--children', plain, other, deep)
  })
})

describe('a page of events that is not one', () => {
  const row = (seq: number, more: object = {}) => ({
    ...{ seq, at: '2026-01-01T00:00:00.000Z', type: 'x', workspaceId: null, taskId: null },
    ...{ attempt: null, sessionId: null, data: {}, ...more },
  })
  const rows = (count: number, after: number, more: object = {}) =>
    Array.from({ length: count }, (_, index) => row(after + 1 + index, more))

  const tellsPage = (pageAfter: (after: number) => unknown) =>
    made.liar.lies.push(
      jsonLie(/^GET \/events$/, (page, { query }) => ({ ...page, events: pageAfter(Number(query.get('after'))) })),
    )
  const isSuspect = async () =>
    /an answer of its agent that can be read/.test((await tdf(made.home, 'node', 'show', 'liar')).out)

  it('is refused: the node gets no new work, with its reason, until one can be read', async () => {
    tellsPage(after => rows(501, after))
    await until('it says why', isSuspect)
    const waiting = await made.submit('liar', '--', 'true')
    await made.pulls(2)
    expect(await made.step(waiting)).toBe('node_selection')
    expect((await tdf(made.home, 'why', waiting)).out).toMatch(/its answers are not taken/)
    made.liar.lies.length = 0
    await until('it is given work again', async () => (await made.home.task(waiting)).verdict !== null)
    expect((await made.home.task(waiting)).verdict).toBe('no_change')
  })

  it.each<[string, (after: number) => unknown]>([
    ['too many bytes', after => rows(400, after, { data: { text: 'x'.repeat(6_000) } })],
    ['numbers that fall', after => [row(after + 2), row(after + 1)]],
    ['one number twice', after => [row(after + 1), row(after + 1)]],
    ['a number that was read', after => [row(after)]],
    ['a number that is none', () => [row(Number.NaN)]],
    ['a number beyond what a number holds', () => [row(2 ** 60)]],
    ['a type as long as the page', after => [row(after + 1, { type: 'x'.repeat(100_000) })]],
    ['an id that is a path', after => [row(after + 1, { workspaceId: '../../x' })]],
  ])('is one with %s', async (_, pageAfter) => {
    await until('it is trusted', async () => !(await isSuspect()))
    tellsPage(pageAfter)
    await until('it says why', isSuspect)
    expect(made.liar.requests.length).toBeGreaterThan(0)
  })

  it('that is always full of invented ends of its own work keeps nothing else from going on', async () => {
    const own = await made.submit('liar', '--', 'sleep', '600')
    await until('it runs', async () => (await made.step(own)) === 'running')
    made.liar.lies.push(
      jsonLie(/^GET \/events$/, (page, { query }) => {
        const after = Number(query.get('after'))
        const events = rows(500, after).map(one => ({ ...one, ...ended(own, `s-${one.seq}`, 0), seq: one.seq }))
        return { ...page, events }
      }),
    )
    await made.pulls(45)
    const other = await made.submit('honest', '--', 'sh', '-c', 'date > new')
    await until('the other is done', async () => (await made.home.task(other)).verdict === 'unverified')
    expect(await made.home.task(own)).toMatchObject({ step: 'running', verdict: null })
    await tdf(made.home, 'cancel', own)
  })
})
