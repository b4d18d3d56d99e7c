/** Programs that are run to their end: each way in which one can end, within its time and its bounds. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { identify, isAlive } from '../../../../src/platform/process.ts'
import { type RunOptions, run } from '../../../../src/platform/run.ts'
import { until } from '../../../support/daemon/home.ts'
import { tempFolder } from '../agent/support/temp.ts'

const ENV = { PATH: process.env.PATH ?? '' }
const sh = (script: string, options: Partial<RunOptions> = {}) =>
  run('sh', ['-c', script], { cwd: '/', env: ENV, timeoutMs: 60_000, ...options })

describe('a program', () => {
  it('gives what it said and how it ended', async () => {
    const ended = await sh('cat; echo no >&2; exit 3', { input: 'yes\n' })
    expect(ended).toEqual({ exitCode: 3, signal: null, stdout: 'yes\n', stderr: 'no\n', timedOut: false })
    expect(await sh('kill -9 $$')).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
  })

  it('inherits nothing of our environment and reads nothing that it was not given', async () => {
    expect((await run('env', [], { cwd: '/', env: ENV, timeoutMs: 60_000 })).stdout).toBe(`PATH=${ENV.PATH}\n`)
    expect((await sh('cat')).stdout).toBe('')
  })

  it('keeps every byte in latin1', async () => {
    expect((await sh("printf '\\377\\n'", { encoding: 'latin1' })).stdout).toBe('\u00ff\n')
  })

  it('that cannot start has no exit code, and says why', async () => {
    const missing = await run('/nowhere/program', [], { cwd: '/', env: ENV, timeoutMs: 60_000 })
    expect(missing).toMatchObject({ exitCode: null, signal: null, stderr: expect.stringContaining('ENOENT') })
    const argument = await run('true', ['\0'], { cwd: '/', env: ENV, timeoutMs: 60_000 })
    expect(argument).toMatchObject({ exitCode: null, stderr: expect.stringContaining('null bytes') })
    expect(await sh('true', { cwd: '/nowhere' })).toMatchObject({ exitCode: null })
  })

  it('that says more than is wanted is ended, and has no exit code', async () => {
    const ended = await sh('yes', { outputBytesMax: 1000 })
    expect(ended).toMatchObject({ exitCode: null, timedOut: false })
    expect(ended.stdout).toHaveLength(1000)
    expect(await sh('echo 12345', { outputBytesMax: 6 })).toMatchObject({ exitCode: 0, stdout: '12345\n' })
  })

  it('may end without reading its input', async () => {
    expect(await sh('exit 4', { input: 'x'.repeat(1_000_000) })).toMatchObject({ exitCode: 4 })
    const endless = Readable.from(
      (function* () {
        for (;;) yield 'x'.repeat(65_536)
      })(),
    )
    expect(await sh('exit 4', { input: endless })).toMatchObject({ exitCode: 4 })
  })

  it('has no exit code when its input broke off', async () => {
    const input = Readable.from(
      (function* () {
        yield 'half'
        throw new Error('the disk is gone')
      })(),
    )
    expect(await sh('cat', { input })).toMatchObject({ exitCode: null, stderr: 'the disk is gone' })
  })

  it('writes its output into a file, byte for byte', async () => {
    const outputFile = join(tempFolder(), 'out')
    expect(await sh("printf '\\377'", { outputFile })).toMatchObject({ exitCode: 0, stdout: '' })
    expect(readFileSync(outputFile)).toEqual(Buffer.from([255]))
    expect(await sh('true', { outputFile: '/nowhere/out' })).toMatchObject({ exitCode: null })
  })
})

describe('a program that takes too long', () => {
  it('is ended, also when it takes no notice', async () => {
    const ended = await sh("trap '' TERM; echo up; while :; do sleep 1; done", { timeoutMs: 300 })
    expect(ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: true, stdout: 'up\n' })
  })

  it('is not waited for by way of a helper that holds its pipes', async () => {
    const ended = await sh('sleep 600 & echo $!; wait', { timeoutMs: 300 })
    expect(ended).toMatchObject({ exitCode: null, timedOut: true })
    process.kill(Number(ended.stdout), 'SIGKILL')
  })

  it('ends with its whole group where it has one', async () => {
    const ended = await sh('sleep 600 & echo $!; wait', { timeoutMs: 300, ownGroup: true })
    const helper = identify(Number(ended.stdout))
    await until('the helper ends', () => helper === null || !isAlive(helper))
  })

  it('has no exit code even when it ends well after it was asked to', async () => {
    const ended = await sh("trap 'exit 0' TERM; while :; do sleep 0.05; done", { timeoutMs: 300 })
    expect(ended).toMatchObject({ exitCode: null, timedOut: true })
  })
})

it('a program ends when it is not wanted any more', async () => {
  expect(await sh('sleep 600', { signal: AbortSignal.abort() })).toMatchObject({ exitCode: null, timedOut: false })
  const wanted = new AbortController()
  const going = sh('sleep 600', { signal: wanted.signal })
  wanted.abort()
  expect(await going).toMatchObject({ exitCode: null, signal: 'SIGTERM', timedOut: false })
})
