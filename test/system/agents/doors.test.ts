/** Real agents hand work over by `tdf mcp`, set up as docs/doors.md says. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { afterFile } from '../../support/after-file.ts'
import { root, until, workingRepository } from '../../support/daemon/home.ts'
import { installAgents } from './install.ts'
import { sceneOf } from './scene.ts'

const LONG_MS = 300_000
const page = readFileSync('docs/doors.md', 'utf8')
/** The commands, or the file, that the page has for an agent. */
const blockOf = (form: string, agent: string) =>
  new RegExp(`^\`\`\`${form} ${agent}\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ?? ''

const run = (file: string, args: readonly string[], options: { cwd: string; env: Record<string, string> }) =>
  new Promise<{ code: number; text: string }>(resolve => {
    execFile(file, args, { ...options, timeout: LONG_MS }, (error, out, err) => {
      resolve({ code: Number(error ? (error.code ?? 1) : 0), text: `${out}${err}` })
    }).stdin?.end()
  })

describe('the page on doors', () => {
  it.each([
    ['claude', /Connected/],
    ['codex', /command: tdf\n\s*args: mcp/],
    ['opencode', /tdf.*connected/],
  ])(
    'has commands that set up %s',
    async (agent, said) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'tdf-doors-'))
      afterFile(() => rmSync(folder, { recursive: true, force: true }))
      mkdirSync(path.join(folder, 'bin'))
      symlinkSync(path.join(root, 'bin/tdf'), path.join(folder, 'bin', 'tdf'))
      writeFileSync(path.join(folder, 'opencode.json'), blockOf('json', 'opencode'))
      const PATH = `${path.join(folder, 'bin')}:${installAgents()}:${process.env.PATH}`
      const env = { PATH, HOME: folder, TDF_HOME: folder, OPENCODE_DISABLE_MODELS_FETCH: '1' }
      const commands = blockOf('sh', agent).trim()
      expect(commands).toContain(`${agent} mcp`)
      const { code, text } = await run('sh', ['-ec', commands], { cwd: folder, env })
      expect([code, text]).toEqual([0, expect.stringMatching(said)])
    },
    LONG_MS,
  )
})

const worker = path.join(root, 'test/fakes/programs/remembering-agent.mjs')
const WORKER = `[agents.worker]\ntype = "claude"\ncommand = ${JSON.stringify([process.execPath, worker, '/dev/null'])}`
const tdf = path.join(root, 'bin/tdf')

/** `add`: the words by which it learns of a server that is called so, for all its folders. */
describe.each([
  ['claude', ['mcp', 'add', '--scope', 'user']],
  ['codex', ['mcp', 'add']],
])('the real %s in a task', (name, add) => {
  const scene = sceneOf(name, WORKER)
  const { dir, git } = workingRepository()

  it(
    'hands two tasks over, waits for them while the daemon is killed, reads their diffs and lands one',
    async () => {
      const { home } = scene
      const host = ['--host', path.join(home.dir, 'run', 'tdf.sock')]
      const env = { PATH: process.env.PATH ?? '', HOME: home.dir }
      const words = [...add, 'tdf', '--', tdf, 'mcp', ...host, '--label', 'mcp=lead']
      const added = await run(path.join(installAgents(), name), words, { cwd: home.dir, env })
      expect([added.code, added.text]).toEqual([0, expect.stringMatching(/added/i)])

      const { out, err } = await scene.run(
        'submit',
        '-q',
        '--repo',
        dir,
        `[[delegate]] repo=${dir} tdf=${tdf} ${host.join('=')}`,
      )
      expect(err).toBe('')
      const id = out.trim()
      const own = async () => JSON.parse((await scene.run('ls', '--all', '--label', 'mcp=lead', '--json')).out)
      await until('both are there', async () => (await own()).length === 2, LONG_MS)
      await scene.restart()
      await until('it is over', async () => (await home.task(id)).verdict !== null, LONG_MS)
      const task = await home.task(id)
      expect([task.error, task.result?.summary]).toEqual([null, expect.stringMatching(/^Done: \w+ and \w+$/)])
      const children = await own()
      expect(children.map(({ verdict }: { verdict: string }) => verdict)).toEqual(['verified', 'verified'])
      expect(git('log', '--format=%s', '--name-only')).toContain('a.txt')
      const told = JSON.stringify(scene.model.asked.at(-1)?.turns)
      expect(told).toMatch(/\+\+\+ b\/a\.txt[\s\S]*\+\+\+ b\/b\.txt/)
    },
    LONG_MS,
  )
})

describe('the real claude in a task with --may-spawn', () => {
  const scene = sceneOf('claude')

  it(
    'is told of the way to hand a task over, and does, while the daemon is killed',
    async () => {
      const id = await scene.submitted('handover', '--may-spawn', '1')
      const children = async () => JSON.parse((await scene.run('ls', '--all', '--label', `parent=${id}`, '--json')).out)
      await until('it has handed one over', async () => (await children()).length === 1, LONG_MS)
      await scene.restart()
      await until('it is over', async () => (await scene.home.task(id)).verdict !== null, LONG_MS)
      const [child] = await children()
      const { error, result } = await scene.home.task(id)
      expect([error, result?.summary]).toEqual([null, `Done: ${child.id} made +++ b/left.txt`])
      expect(child).toMatchObject({ parent: id, verdict: 'unverified' })
    },
    LONG_MS,
  )
})
