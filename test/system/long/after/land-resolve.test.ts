/** `tdf land --resolve` with real processes: a result that conflicts goes back to the agent that made it, once, and lands then. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { root, tdf, until, workingRepository } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const fake = new URL('../../../fakes/programs/remembering-agent.mjs', import.meta.url).pathname
const place = mkdtempSync(path.join(tmpdir(), 'tdf-resolve-'))
afterFile(() => rmSync(place, { recursive: true, force: true }))
const notes = path.join(place, 'notes')
const { home } = withDaemon(`
[agents.claude]
type = "claude"
command = ["${process.execPath}", "${fake}", "${notes}"]
`)

async function made(repo: string, ...words: string[]): Promise<TaskJson> {
  const { out, err } = await tdf(home, 'submit', '--repo', repo, '-w', '--json', ...words)
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}
const script = (text: string) => ['--', 'sh', '-ec', text]

async function land(...words: string[]): Promise<{ code: number | null; landings: TaskJson['landing'][] }> {
  const { code, out, err } = await tdf(home, 'land', ...words, '--json')
  if (out === '') throw new Error(err)
  return { code, landings: (JSON.parse(out) as TaskJson[]).map(({ landing }) => landing) }
}

it('continues the conversation with the files in conflict while the next of the lane lands, and lands what comes of it', async () => {
  const repo = workingRepository()
  const one = await made(repo.dir, 'write README.md', '--agent', 'claude', '--check', 'test ! -f broken')
  const two = await made(repo.dir, ...script('echo two > two.txt'))
  repo.commit({ 'README.md': 'theirs\n' })
  const { code, landings } = await land(one.id, two.id, '--resolve')
  expect([code, landings.map(landing => [landing?.state, landing?.resolvedIn])]).toEqual([
    0,
    [
      ['landed', 2],
      ['landed', null],
    ],
  ])
  expect(repo.git('show', 'main:README.md').split('\n').sort()).toEqual(['README.md', 'theirs'])
  expect(repo.git('log', '--first-parent', '--format=%s', '-2', 'main').split('\n')).toEqual([
    expect.stringContaining(`Merge task ${one.id}`),
    expect.stringContaining(`Merge task ${two.id}`),
  ])
  const task = await home.task(one.id)
  expect(task.attempts.map(({ verdict }) => verdict)).toEqual(['verified', 'verified'])
  expect([task.continued, task.landing?.state]).toEqual([{ of: 1, resumed: 'conversation' }, 'landed'])
  const told = readFileSync(notes, 'utf8').trim().split('\n')
  const given = JSON.parse(told.at(-1) ?? '')
  expect([told.length, given.argv.includes('--resume')]).toEqual([2, true])
  expect(given.prompt).toMatch(/merged into main, which has changed since[\s\S]*\n- README\.md\n/)
})

const MARKED = `grep -q '^<<<<<<<' README.md`
it('leaves the lane where its agent leaves the marks, changes nothing or fails, with the branch as it was', async () => {
  const repo = workingRepository()
  const ends = {
    'left the marks of it in README.md': 'echo o > other.txt',
    'changed nothing': 'exit 0',
    'ended: ': 'exit 3',
  }
  const tasks: TaskJson[] = []
  for (const end of Object.values(ends)) {
    const text = `if ${MARKED}; then ${end}; else echo mine > README.md; fi`
    tasks.push(await made(repo.dir, ...script(text)))
  }
  const tip = repo.commit({ 'README.md': 'theirs\n' })
  const { code, landings } = await land(...tasks.map(({ id }) => id), '--resolve')
  expect([code, landings.map(landing => [landing?.state, landing?.error?.code])]).toEqual([
    10,
    tasks.map(() => ['left', 'CONFLICT']),
  ])
  for (const [at, how] of Object.keys(ends).entries()) {
    const why = `it conflicts in README.md, and attempt 2, which was to resolve that, ${how}`
    expect(landings[at]?.error?.message).toContain(why)
  }
  expect(repo.git('rev-parse', 'main')).toBe(tip)
})

it('is asked once: a branch that moved into another conflict meanwhile, or a task that was continued, leaves the lane', async () => {
  const repo = workingRepository()
  const move = `cd ${repo.dir}; echo later > README.md; git -c user.name=a -c user.email=a@x commit -qam later`
  const text = `if ${MARKED}; then echo both > README.md; (${move}); else echo mine > README.md; fi`
  const task = await made(repo.dir, ...script(text))
  repo.commit({ 'README.md': 'theirs\n' })
  const plain = await land(task.id)
  expect(plain.landings[0]?.error?.message).toBe('it conflicts in README.md')
  expect((await tdf(home, 'why', task.id)).out).toContain(`tdf land ${task.id} --resolve`)
  const { landings } = await land(task.id, '--resolve')
  expect(landings[0]?.error?.message).toBe(
    'it conflicts in README.md with what came since attempt 2 resolved its conflict',
  )
  expect((await home.task(task.id)).attempts).toHaveLength(2)
  const former = await land(`${task.id}@1`, '--resolve')
  expect(former.landings[0]?.error?.message).toContain('it was continued or retried since attempt 1')
  expect((await home.task(task.id)).attempts).toHaveLength(2)
})

it('holds up no other while its agent is at it, and goes on by the same command again when the first is broken off', async () => {
  const repo = workingRepository()
  const go = path.join(place, 'go')
  const wait = `touch ${go}-waits; while [ ! -f ${go} ]; do sleep 0.1; done; echo both > README.md`
  const task = await made(repo.dir, ...script(`if ${MARKED}; then ${wait}; else echo mine > README.md; fi`))
  const other = await made(repo.dir, ...script('echo other > other.txt'))
  repo.commit({ 'README.md': 'theirs\n' })
  const words = [path.join(root, 'dist/tdf.js'), 'land', task.id, '--resolve']
  const first = spawn(process.execPath, words, { env: home.env, stdio: 'ignore' })
  await until('its agent is at it', () => existsSync(`${go}-waits`))
  expect((await home.task(task.id)).landing).toMatchObject({ state: 'resolving', resolvedIn: 2, error: null })
  first.kill('SIGINT')
  await once(first, 'exit')
  expect((await land(other.id)).landings[0]?.state).toBe('landed')
  const second = land(task.id, '--resolve')
  writeFileSync(go, '')
  const { code, landings } = await second
  expect([code, landings[0]?.state]).toEqual([0, 'landed'])
  expect([repo.git('show', 'main:README.md'), repo.git('show', 'main:other.txt')]).toEqual(['both', 'other'])
  expect((await home.task(task.id)).attempts).toHaveLength(2)
})
