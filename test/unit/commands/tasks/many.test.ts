/** Many tasks at once: a file of them, a selection of them; and the four ways in which a daemon cannot be reached. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { API_LEVEL } from '../../../../src/platform/version.ts'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { cli, cliWith } from '../../../support/cli.ts'
import { runs } from '../../../support/command-tree.ts'
import { until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

const submitFile = (text: string, ...options: string[]) =>
  cliWith(home, { input: text, cwd: repo.dir }, 'submit', '--file', '-', ...options)
const count = async () => JSON.parse((await cli(home, 'ls', '--all', '--json')).out).length

describe('a file of tasks', () => {
  const lines = ['sleep 600', 'sleep 601', 'sleep 602'].map((script, index) =>
    JSON.stringify({ command: ['sh', '-c', script], title: `n${index}`, labels: { batch: index < 2 ? 'one' : 'two' } }),
  )

  it('is submitted line by line, with the options of the command line for all', async () => {
    const { code, out } = await submitFile(
      `${lines.join('\n\n')}\n`,
      '--label',
      'from=file',
      '--idempotency-key',
      'k',
      '--json',
    )
    const tasks = JSON.parse(out) as TaskJson[]
    expect([code, tasks.map(({ title }) => title)]).toEqual([0, ['n0', 'n1', 'n2']])
    expect(tasks[0]?.labels).toEqual({ from: 'file', batch: 'one' })
    const again = await submitFile(`${lines.join('\n\n')}\n`, '--label', 'from=file', '--idempotency-key', 'k', '-q')
    expect(again.out.trim().split('\n')).toEqual(tasks.map(({ id }) => id))
  })

  it.each([
    ['a key that is none', '{"prompt":"x","lables":{}}', /-:1: unknown key "lables" \(did you mean "labels"\?\)/],
    ['a value of another kind', '{"prompt":"x"}\n{"prompt":3}', /-:2: prompt must be a string/],
    ['a line that is no JSON', '{"prompt":"x"}\n\nnope', /-:3: this is no JSON object/],
    ['no prompt', '{"title":"x"}', /-:1: there is no prompt/],
    ['nothing', '\n', /holds no task/],
  ])('with %s is refused as a whole', async (_, text, message) => {
    const before = await count()
    const { code, out, err } = await submitFile(text)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(message)
    expect(await count()).toBe(before)
  })

  it('of which a label selects some: shown, asked for, cancelled', async () => {
    const dry = await cli(home, 'cancel', '--label', 'batch=one', '-n', '--json')
    expect(JSON.parse(dry.out)).toHaveLength(2)
    const unasked = await cli(home, 'cancel', '--label', 'batch=one')
    expect([unasked.code, unasked.out]).toEqual([2, ''])
    expect(unasked.err).toContain('hint: tdf cancel --label batch=one --yes')
    const done = await cli(home, 'cancel', '--label', 'batch=one', '--yes', '-q')
    expect([done.code, done.out.trim().split('\n')]).toEqual([0, expect.arrayContaining([expect.any(String)])])
    expect(done.out.trim().split('\n')).toHaveLength(2)
    expect(JSON.parse((await cli(home, 'cancel', '--label', 'batch=three', '--yes', '--json')).out)).toEqual([])
  })

  it('is listed by columns, order and label', async () => {
    const words = ['ls', '--label', 'from=file', '--columns', 'title,labels', '--sort', '-title', '--no-header']
    const { out } = await cli(home, ...words)
    expect(out.split('\n')[0]).toMatch(/^n2 +(from=file,batch=two|batch=two,from=file)$/)
    expect(out.trim().split('\n')).toHaveLength(3)
  })
})

describe('what was done to a task is said in words', () => {
  const submit = async (...words: string[]) =>
    (await cliWith(home, { cwd: repo.dir }, 'submit', '-q', ...words)).out.trim()
  const over = (id: string) => until('it is over', async () => (await home.task(id)).step === null)

  it('by cancel', async () => {
    const id = await submit('--', 'sleep', '600')
    await until('it runs', async () => (await home.task(id)).step === 'running')
    expect(await cli(home, 'cancel', id)).toMatchObject({ code: 0, out: `${id} is being cancelled\n` })
    await over(id)
    expect(await cli(home, 'rm', id)).toMatchObject({ code: 0, out: `forgot ${id}\n` })
  })

  it('by rm, which has nobody to ask in a script and does what it is told', async () => {
    const id = await submit('--wait', '--', 'sh', '-c', 'echo more > MORE.md')
    await over(id)
    expect(await cli(home, 'rm', id)).toMatchObject({ code: 0, out: `forgot ${id} and its result\n` })
  })
})

describe('a daemon that cannot be reached', () => {
  const folder = mkdtempSync('/tmp/tdf-reach-')
  afterFile(() => rmSync(folder, { recursive: true, force: true }))
  async function refused(socket: string) {
    const {
      code: exit,
      out,
      err,
    } = await cliWith({ env: {} }, { env: { TDF_HOST: `unix://${socket}` } }, 'ls', '--json')
    const { error } = JSON.parse(err)
    expect(out).toBe('')
    await runs(error.hint)
    return { exit, code: error.code as string, message: error.message as string, hint: error.hint as string }
  }

  it('because it was never started', async () => {
    const { exit, code, message } = await refused(path.join(folder, 'none.sock'))
    expect([exit, code]).toEqual([69, 'DAEMON_UNREACHABLE'])
    expect(message).toMatch(/there is no socket .*none.sock \(from TDF_HOST\)/)
  })

  it('because it died and left its socket', async () => {
    const socket = path.join(folder, 'stale.sock')
    const server = net.createServer().listen(socket)
    await new Promise(resolve => server.once('listening', resolve))
    // Closed without being unlinked, as after SIGKILL: renamed away and back.
    const { renameSync } = await import('node:fs')
    renameSync(socket, `${socket}.kept`)
    await new Promise(resolve => server.close(resolve))
    renameSync(`${socket}.kept`, socket)
    const { exit, code, message } = await refused(socket)
    expect([exit, code]).toEqual([69, 'DAEMON_UNREACHABLE'])
    expect(message).toMatch(/nobody listens at .*stale.sock.*left by one that ended/)
  })

  it('because what is there is no socket', async () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    expect(await refused(file)).toMatchObject({ exit: 69, code: 'DAEMON_UNREACHABLE' })
  })

  it('because it speaks another language; it can be named and stopped all the same', async () => {
    const socket = path.join(folder, 'other.sock')
    const asked: string[] = []
    const server = http.createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      const headers = { 'x-tdf-api': '99', 'x-tdf-version': '9.9.9', 'content-type': 'application/json' }
      // A process that is not there any more.
      response.writeHead(200, headers).end(JSON.stringify({ pid: 2 ** 30, version: '9.9.9', supervisor: null, socket }))
    })
    await new Promise<void>(resolve => server.listen(socket, resolve))
    const { exit, code, message } = await refused(socket)
    const env = { TDF_HOST: socket }
    const version = await cliWith(home, { env }, 'version', '--json')
    const stopped = await cliWith(home, { env }, 'daemon', 'stop')
    server.close()
    expect([exit, code]).toEqual([1, 'VERSION_SKEW'])
    expect(message).toMatch(/version 9\.9\.9.*this tdf/)
    expect(JSON.parse(version.out).daemon).toBe('9.9.9')
    expect(stopped).toMatchObject({ code: 0, err: expect.stringContaining('has stopped') })
    expect(asked.at(-1)).toBe('POST /v1/stop')
  })

  it('because it was started by an older tdf, which has nothing there', async () => {
    const socket = path.join(folder, 'older.sock')
    const server = http.createServer((request, response) => {
      const error = { code: 'NOT_FOUND', message: `there is nothing at ${request.url}`, hint: 'tdf ls --all' }
      response.writeHead(404, { 'x-tdf-api': API_LEVEL, 'x-tdf-version': '0.1.0' }).end(JSON.stringify({ error }))
    })
    await new Promise<void>(resolve => server.listen(socket, resolve))
    const { exit, code, message, hint } = await refused(socket)
    server.close()
    expect([exit, code, hint]).toEqual([1, 'VERSION_SKEW', 'tdf daemon restart'])
    expect(message).toMatch(/older\.sock was started by an older tdf.*nothing at \/v1\/tasks/)
  })

  it('because it was started by an older tdf, to which an attempt is a task that is not there', async () => {
    const socket = path.join(folder, 'without-attempts.sock')
    const server = http.createServer((request, response) => {
      const [, name = ''] = /^\/v1\/tasks\/([^/?]+)/.exec(request.url ?? '') ?? []
      const headers = { 'x-tdf-api': API_LEVEL, 'x-tdf-version': '0.1.0' }
      if (name === 'abcd') return void response.writeHead(200, headers).end(JSON.stringify({ id: 'abcd', attempt: 1 }))
      const error = { code: 'NOT_FOUND', message: `there is no task "${name}"`, hint: 'tdf ls --all' }
      response.writeHead(404, headers).end(JSON.stringify({ error }))
    })
    await new Promise<void>(resolve => server.listen(socket, resolve))
    const asked = (id: string) => cliWith({ env: {} }, { env: { TDF_HOST: `unix://${socket}` } }, 'logs', id, '--json')
    const [known, unknown] = [await asked('abcd'), await asked('abce')]
    server.close()
    expect(JSON.parse(known.err).error).toMatchObject({ code: 'VERSION_SKEW', hint: 'tdf daemon restart' })
    expect(JSON.parse(unknown.err).error).toMatchObject({ code: 'NOT_FOUND' })
  })
})
