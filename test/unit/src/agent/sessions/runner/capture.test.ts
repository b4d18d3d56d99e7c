/** A command and the pipes of its output: what holds them open, what its end leaves, and why it could not begin. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import type { SessionRequest } from '../../../../../../src/agent/sessions/folder.ts'
import { openCapture } from '../../../../../../src/agent/sessions/runner/capture.ts'
import { startCommand } from '../../../../../../src/agent/sessions/runner/command.ts'
import { sendSignal } from '../../../../../../src/platform/process.ts'
import { type SimWorld, simWorld, type Timeline, timeline } from '../../../../../fakes/world.ts'
import { openFiles, REQUEST } from '../../support/session.ts'
import { eventually, tempFolder } from '../../support/temp.ts'

let folder: string
let time: Timeline
let world: SimWorld
beforeEach(() => {
  folder = tempFolder()
  time = timeline()
  world = simWorld(time)
  writeFileSync(path.join(folder, 'prompt'), 'do it')
})
const PATH = process.env.PATH ?? ''
const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')

const capture = (inLines: boolean) => {
  const log = { path: path.join(folder, 'log'), timesPath: path.join(folder, 'times'), bytesMax: 1_000 }
  return openCapture(world, { folder, log, secrets: {}, inLines })
}
const start = (change: Partial<SessionRequest>, more: object = {}) => {
  const options = { folder, env: { PATH }, stdout: 1, stderr: 2, killGraceMs: 60_000, ...more }
  return startCommand(world, { ...REQUEST, stdin: 'nothing', workTree: folder, ...change }, options)
}

describe('the output of a command', () => {
  it.each([false, true])('is waited for two seconds where another process holds it, in lines: %s', async inLines => {
    const { stdout, stderr, closeWriteEnds, finish, lastByteMs } = await capture(inLines)
    const command = ['sh', '-c', 'echo said; sleep 600 & echo $! > left']
    const { end } = await start({ command }, { stdout, stderr }).finally(closeWriteEnds)
    expect(await end).toEqual({ exitCode: 0, signal: null })
    await eventually('it is heard', () => lastByteMs() > 0, 60_000)
    expect(lastByteMs()).toBe(world.clock.mono())
    let isOver = false
    const finished = finish().then(() => {
      isOver = true
    })
    await world.clock.advance(1_999)
    expect(isOver).toBe(false)
    await world.clock.advance(1)
    await finished
    expect([read('log'), time.timers.size]).toEqual(['said\n', 0])
    sendSignal(Number(read('left')), 'SIGKILL')
  })

  it('is over with the last process that writes it, and nothing waits any more', async () => {
    const { stdout, stderr, closeWriteEnds, finish } = await capture(true)
    const command = ['sh', '-c', 'printf one; printf two >&2; exit 3']
    const { end } = await start({ command }, { stdout, stderr }).finally(closeWriteEnds)
    expect(await end).toEqual({ exitCode: 3, signal: null })
    await finish()
    expect([read('log').split('\n').sort(), time.timers.size]).toEqual([['', 'one', 'two'], 0])
  })
})

describe('a command', () => {
  it('of no sandbox ends with the exit code that it has, whatever that says elsewhere', async () => {
    expect(await (await start({ command: ['sh', '-c', 'exit 137'] })).end).toEqual({ exitCode: 137, signal: null })
  })

  it('has its prompt to itself', async () => {
    const { end, input } = await start({ command: ['sh', '-c', 'cat > got'], stdin: 'prompt' })
    expect(openFiles()).not.toContain(path.join(folder, 'prompt'))
    expect([await end, input, read('got')]).toEqual([{ exitCode: 0, signal: null }, null, 'do it'])
  })

  it('that goes when it is asked is not killed later', async () => {
    const { terminate, end } = await start({ command: ['sleep', '600'] })
    terminate()
    expect(time.timers.size).toBe(1)
    expect(await end).toEqual({ exitCode: null, signal: 'SIGTERM' })
    expect(time.timers.size).toBe(0)
  })

  const slot = { name: 'slot1', uid: 4_711, gid: 4_711, home: '/', isVirtual: false }
  it('is run by the user of its workspace, where we may change users', async () => {
    const nobody = { ...slot, uid: 65_534, gid: 65_534, isVirtual: true }
    const command = ['sh', '-c', `test "$(id -u)" = ${nobody.uid}`]
    const { exitCode } = await (await start({ command, slot: nobody, workTree: '/' })).end
    expect(exitCode === 0).toBe(process.getuid?.() === 0)
  })

  const none = 'has no such program; PATH is'
  it.each([
    ['its user', { USER: 'ann', PATH: '/bin' }, null, `user ann ${none} /bin`],
    ['that there is no PATH', { USER: 'ann' }, null, `user ann ${none} not set`],
    ['the user of its workspace', { USER: 'ann', PATH: '/bin' }, slot, `user slot1 ${none} /bin`],
    ['that there is no PATH for the user of its workspace', {}, slot, `user slot1 ${none} not set`],
  ])('whose program is not there names %s', async (_, env, who, words) => {
    const begun = start({ command: ['no-such-program'], slot: who }, { env })
    await expect(begun).rejects.toThrow(`ENOENT: cannot start no-such-program: ${words}`)
  })

  it('with words that no program can have says so', async () => {
    await expect(start({ command: ['echo', 'a\0b'] })).rejects.toThrow('cannot start echo')
  })
})
