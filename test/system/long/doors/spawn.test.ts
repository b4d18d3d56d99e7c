/** `--may-spawn` with real processes: the agent of a task hands tasks over through its node, whatever becomes of the daemon. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

const LONG_MS = 240_000
const program = new URL('../../../fakes/programs/spawning-agent.mjs', import.meta.url).pathname
const folder = mkdtempSync(path.join(tmpdir(), 'tdf-spawn-'))
afterFile(() => rmSync(folder, { recursive: true, force: true }))

let home: Home
let repo: ReturnType<typeof makeRepository>
let daemon: Awaited<ReturnType<Home['start']>>
beforeAll(async () => {
  home = makeHome('[nodes]\nmax_workspaces = 4\n')
  repo = makeRepository()
  daemon = await home.start()
}, LONG_MS)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

type Calls = [string, Record<string, unknown>][]

async function lead(calls: Calls, ...words: string[]): Promise<string> {
  const prompt = JSON.stringify({ calls })
  const { out, err } = await tdf(
    home,
    ...['submit', '-q', '--repo', repo.dir, ...words, '--prompt', prompt, '--', process.execPath, program],
  )
  expect(err).toBe('')
  return out.trim()
}
const over = (id: string) => until(`${id} is over`, async () => (await home.task(id)).cleanup === 'done', LONG_MS)
const children = async (id: string): Promise<TaskJson[]> =>
  JSON.parse((await tdf(home, 'ls', '--all', '--json', '--label', `parent=${id}`)).out)

interface Told {
  answers: { isError: boolean; text: string }[]
  ids: string[]
}
/** What the agent was answered, from its result. */
async function toldTo(id: string): Promise<Told> {
  const { out } = await tdf(home, 'diff', id)
  return JSON.parse(/^\+(\{"answers".*)$/m.exec(out)?.[1] ?? '{}')
}
const submit = (prompt: string, more: object = {}): Calls[number] => ['submit_task', { prompt, ...more }]

describe('an agent that may hand two tasks over', () => {
  it(
    'gets each once, also while the daemon is killed, waits for them and reads what they changed; a third is refused',
    async () => {
      const [file, go] = [path.join(folder, 'mark'), path.join(folder, 'go')]
      const id = await lead(
        [
          submit('write a.txt', { title: 'the first' }),
          ['mark', { file, until: go }],
          submit('write b.txt', { check: 'test -f b.txt' }),
          submit('write b.txt', { check: 'test -f b.txt' }),
          submit('write c.txt'),
          ['wait_tasks', { tasks: ['$0', '$1'] }],
          ['get_diff', { task: '$0' }],
          ['get_diff', { task: 'nonesuch' }],
          ['list_tasks', {}],
        ],
        ...['--may-spawn', '2', '--label', 'team=web', '--check', 'test -f answers.json || test -f a.txt'],
      )
      await until('the first is there', () => existsSync(file), LONG_MS)
      await home.kill(daemon)
      writeFileSync(go, '')
      daemon = await home.start()
      await over(id)
      const { answers, ids } = await toldTo(id)
      const [name, first, second, again, third, waited, diff, none, list] = answers
      expect(name).toBe('tdf')
      expect([first, second, again, third].map(one => one?.isError)).toEqual([false, false, false, true])
      expect(third?.text).toBe(`task ${id} may hand over 2 tasks in all, and has handed over 2`)
      expect(ids[1]).toBe(ids[2])
      expect(JSON.parse(waited?.text ?? '')).toMatchObject({ allEnded: true, waiting: [] })
      expect(diff?.text).toMatch(/^bytes 0 to \d+ of \d+\n(\| .*\n)*\| \+made here\n\| \+alone\n/)
      expect([none?.isError, none?.text]).toEqual([true, 'you have handed over no task nonesuch'])
      expect(JSON.parse(list?.text ?? '').tasks.map((one: TaskJson) => one.title)).toEqual(['the first', 'write b.txt'])
      const made = await children(id)
      expect(made).toHaveLength(2)
      for (const child of made) {
        expect(child).toMatchObject({
          parent: id,
          maySpawn: null,
          verdict: 'verified',
          labels: { team: 'web', parent: id },
        })
      }
      expect(await home.task(id)).toMatchObject({ maySpawn: { count: 2, depth: 1 }, parent: null })
    },
    LONG_MS,
  )

  it(
    'is asked about when its task is cancelled: an option says what becomes of the others where there is no terminal',
    async () => {
      const [file, go] = [path.join(folder, 'mark2'), path.join(folder, 'never')]
      const sleeps = JSON.stringify({ calls: [['mark', { file: path.join(folder, 'mark3'), until: go }]] })
      const id = await lead([submit(sleeps), ['mark', { file, until: go }]], '--may-spawn', '3,2')
      await until('it has handed over', () => existsSync(file), LONG_MS)
      const [child] = await children(id)
      expect(child).toMatchObject({ parent: id, maySpawn: { count: 3, depth: 1 } })
      const refused = await tdf(home, 'cancel', id)
      expect([refused.code, refused.err]).toEqual([
        2,
        expect.stringContaining(`1 task that its agent has handed over would go on (${child?.id})`),
      ])
      expect((await home.task(id)).verdict).toBeNull()
      expect((await tdf(home, 'cancel', id, '--no-children')).code).toBe(0)
      expect([(await home.task(id)).status, (await home.task(child?.id ?? '')).verdict]).toEqual(['cancelled', null])
      expect((await tdf(home, 'cancel', id, child?.id ?? '', '--children')).code).toBe(5)
      await over(child?.id ?? '')
      expect((await home.task(child?.id ?? '')).status).toBe('cancelled')
    },
    LONG_MS,
  )
})

it(
  'without --may-spawn there is no way to hand anything over',
  async () => {
    const words = ['--repo', repo.dir, '--prompt', 'write here.txt', '--', process.execPath, program]
    const id = (await tdf(home, 'submit', '-q', ...words)).out.trim()
    await over(id)
    expect((await tdf(home, 'diff', id)).out).toContain('+alone')
    const wrong = await tdf(home, 'submit', '--may-spawn', '0', ...words)
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('it must be a number from 1 to 100')])
  },
  LONG_MS,
)
