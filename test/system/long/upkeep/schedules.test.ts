/** `tdf schedule`: the nightly upkeep of docs/many.md as it stands there, and what is refused. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ScheduleJson } from '../../../../src/protocol/upkeep.ts'
import { cliWith } from '../../../support/cli.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { root, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon(`
[runner]
agent = "a"
[agents.a]
type = "command"
command = ["sh", "-c", "echo done >> upkeep.txt"]
`)
const place = mkdtempSync(path.join(tmpdir(), 'tdf-upkeep-'))
let server: GitServer
beforeAll(async () => {
  execFileSync('git', ['clone', '--quiet', '--bare', repo.dir, path.join(place, 'shop.git')])
  server = await gitServer(place, null)
})
afterAll(async () => {
  await server.close()
  rmSync(place, { recursive: true, force: true })
})

const url = () => `${server.url}/shop.git`
const run = (...words: string[]) => cliWith(home, { cwd: repo.dir }, ...words)
const [, chapter = ''] = readFileSync(path.join(root, 'docs/many.md'), 'utf8').split('## A nightly upkeep')
const blocks = [...(chapter.split('\n## ')[0] ?? '').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]

describe('the nightly upkeep of the page', () => {
  it('is what its commands say, in their order', async () => {
    const template = blocks.find(([, language]) => language === 'markdown')?.[2] ?? ''
    mkdirSync(path.join(home.dir, 'templates'))
    writeFileSync(path.join(home.dir, 'templates', 'upkeep.md'), template.replace('npm test', 'test -f upkeep.txt'))
    const commands = blocks.flatMap(([, language, block = '']) => (language === '' ? block.trim().split('\n') : []))
    expect(commands).toHaveLength(7)
    let id = ''
    for (const line of commands) {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
      const own = words.slice(1).map(word => (word.endsWith('/shop.git') ? url() : word))
      const { code, out, err } = await run(...own)
      expect([line, code, code === 0 ? '' : err]).toEqual([line, 0, ''])
      if (own[1] === 'ls')
        expect(out).toMatch(/^NAME +NEXT +LAST +STREAK +WHEN\nnightly +20.* 30 2 \* \* 1-5 Europe\/Berlin$/m)
      if (own[1] === 'pause') expect(out).toBe('nightly is paused\n')
      if (own[1] !== 'run') continue
      id = out.trim()
      await until('its end is counted', async () => (await show()).streak === 1, 120_000)
      const told = /^schedule +nightly \(30 2 \* \* 1-5 Europe\/Berlin\), planned for 20.*, by hand; next 20/m
      for (const verb of ['show', 'why']) expect((await run(verb, id)).out).toMatch(told)
      expect((await run('ls', '--schedule', 'nightly', '--columns', 'id,schedule', '--no-header')).out).toMatch(
        `${id}  nightly`,
      )
      expect((await run('ls', '--schedule', 'weekly')).err).toContain('there is no task of a schedule weekly')
    }
    expect(await home.task(id)).toMatchObject({
      schedule: 'nightly',
      verdict: 'verified',
      labels: { job: 'upkeep', schedule: 'nightly' },
      repo: { url: url() },
    })
    expect((await run('schedule', 'show', 'nightly')).code).toBe(3)
  })

  const show = () => home.client.call<ScheduleJson>({ path: '/schedules/nightly' })
})

describe('a schedule', () => {
  it('needs a URL: for a folder its origin is proposed, as a command to paste', async () => {
    const none = await run('schedule', 'add', 'n', '@daily', 'tidy up')
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('is a folder; --repo names it')])
    execFileSync('git', ['remote', 'add', 'origin', url()], { cwd: repo.dir })
    const { code, err } = await run('schedule', 'add', 'n', '@daily', 'tidy up')
    expect([code, err]).toEqual([1, expect.stringContaining(`the origin of this one is ${url()}`)])
    expect(err).toContain(`hint: tdf schedule add n @daily 'tidy up' --repo ${url()}`)
    expect(await run('schedule', 'ls', '--json')).toMatchObject({ code: 0, out: '[]\n' })
  })

  it('is shown by a dry run and not stored; as JSON it has what scripts need', async () => {
    const words = ['schedule', 'add', 'n', '@daily', 'tidy up', '--repo', url(), '--tz', 'UTC']
    const dry = await run(...words, '--dry-run')
    expect([dry.code, dry.out]).toEqual([0, expect.stringContaining('nothing is stored; this would be:')])
    expect((await run('schedule', 'ls', '-q')).out).toBe('')
    expect((await run(...words, '-q')).out).toBe('n\n')
    const [listed] = JSON.parse((await run('schedule', 'ls', '--json')).out)
    expect(listed).toMatchObject({ name: 'n', cron: '@daily', tz: 'UTC', last: null, state: 'active' })
    expect(listed.next).toMatch(/T00:00:00.000Z$/)
  })

  it('with a pattern that is none, or another one under its name, is refused', async () => {
    const add = (...words: string[]) => run('schedule', 'add', 'n', ...words, '--repo', url(), '--tz', 'UTC')
    expect(await add('61 * * * *', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('is no pattern') })
    expect(await add('@hourly', 'x')).toMatchObject({ code: 5, err: expect.stringContaining('tdf schedule rm n') })
    expect(await add('@hourly')).toMatchObject({ code: 2, err: expect.stringContaining('EMPTY_PROMPT') })
    expect(await run('schedule', 'add', 'n', '@daily', 'x', '--set', 'a=b')).toMatchObject({ code: 2 })
  })
})
