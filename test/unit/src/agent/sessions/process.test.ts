/** A session's runner as the node's agent sees it: started, asked to end, ended, and its books done when it died. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { readSession, type SessionState } from '../../../../../src/agent/sessions/folder.ts'
import {
  askToEnd,
  endSession,
  killSession,
  revoke,
  settle,
  startRunner,
} from '../../../../../src/agent/sessions/process.ts'
import { identify } from '../../../../../src/platform/process.ts'
import { realWorld, type World } from '../../../../../src/platform/world.ts'
import { LOST_UNDER_RUN } from '../../../../../src/protocol/shapes.ts'
import { simWorld, timeline } from '../../../../fakes/world.ts'
import { agentOf, openFiles, REQUEST, readJson, stand, storeSession, writeJson } from '../support/session.ts'
import { eventually, tempFolder } from '../support/temp.ts'

let folder: string
beforeEach(() => {
  folder = tempFolder()
})
const at = (name: string) => path.join(folder, name)
const EXIT = { exitCode: 0, signal: null, errorMessage: null, startedAt: null, endedAt: 'now', cannotStart: null }
const claim = (runner: object) => writeJson(at('claim.json'), { kind: 'runner', runner })
const started = (leader: object) => writeJson(at('started.json'), { startedAt: 'early', leader })
const session = () => readSession(folder) as SessionState
const isThere = ({ pid }: { pid: number }) => identify(pid) !== null

describe('a runner', () => {
  const runner = (script: string) =>
    agentOf(realWorld(), ['sh', '-c', script, '-'], { PATH: process.env.PATH, OTHER: 'x' })
  const said = () => readFileSync(at('runner.log'), 'utf8')

  it('gets the folder, the environment of its command under other names, and a log', async () => {
    const seen: string[] = []
    const { agent } = runner('echo "$1 $2"; pwd; env; echo failed >&2; exit 3')
    agent.world = { ...agent.world, failpoint: (when, what) => void seen.push(`${when} ${what}`) }
    const end = await startRunner(agent, folder, { KEY: 'value' }, ['KEY'])
    expect(end).toEqual({ kind: 'ended', reason: 'exit code 3' })
    expect(said().startsWith(`run-session ${folder}\n${folder}\n`)).toBe(true)
    expect(said()).toContain('TDF_SESSION_ENV_KEY=value\n')
    expect(said()).toContain('TDF_SESSION_SECRETS=KEY\n')
    expect(said().endsWith('failed\n')).toBe(true)
    expect(said()).not.toContain('OTHER')
    expect(statSync(at('runner.log')).mode & 0o777).toBe(0o600)
    expect(seen).toEqual(['before runner', 'after runner'])
    expect(openFiles()).not.toContain(at('runner.log'))
  })

  it('that was killed says by which signal', async () => {
    const { agent } = runner('kill -9 $$')
    expect(await startRunner(agent, folder, {}, [])).toEqual({ kind: 'ended', reason: 'SIGKILL' })
  })

  it('that cannot be started was never born', async () => {
    const none = agentOf(realWorld(), ['/nonexistent/program']).agent
    const reason = expect.stringContaining('ENOENT')
    expect(await startRunner(none, folder, {}, [])).toEqual({ kind: 'not-born', reason })
    const failpoint: World['failpoint'] = () => {
      throw new Error('the power is off')
    }
    const off = { ...none, world: { ...none.world, failpoint } }
    expect(await startRunner(off, folder, {}, [])).toEqual({ kind: 'not-born', reason: 'the power is off' })
  })
})

describe('the books of a session', () => {
  const { agent, logged } = agentOf(simWorld(timeline()), ['true'])
  const now = () => new Date(agent.world.clock.now()).toISOString()

  it('are left alone while its runner lives, before it is claimed, and when it was revoked', async () => {
    expect(await settle(agent, at('none'))).toBeNull()
    storeSession(folder)
    expect(await settle(agent, folder)).toMatchObject({ claim: null, exit: null })
    const { runner } = await stand()
    claim(runner)
    expect(await settle(agent, folder)).toMatchObject({ claim: { kind: 'runner', runner }, exit: null })
    writeJson(at('claim.json'), { kind: 'revoked' })
    expect(await settle(agent, folder)).toMatchObject({ claim: { kind: 'revoked' }, exit: null })
    expect([existsSync(at('exit.json')), isThere(runner)]).toEqual([false, true])
  })

  it('are done when its runner died: its command is ended, and never whoever has the pid now', async () => {
    storeSession(folder)
    const [other, command] = [await stand(), await stand()]
    claim({ ...other.runner, startTicks: '1' })
    started({ pid: command.runner.pid, startTicks: command.runner.startTicks })
    const settled = settle(agent, folder)
    expect(await command.hasEnded).toBe('SIGKILL')
    await (agent.world as ReturnType<typeof simWorld>).clock.advance(20)
    const exit = {
      ...{ exitCode: null, signal: 'SIGKILL', errorMessage: LOST_UNDER_RUN.runner, cannotStart: null },
      ...{ startedAt: 'early', endedAt: new Date(agent.world.clock.now() - 20).toISOString() },
    }
    const found = await settled
    expect({ ...found?.exit, endedAt: exit.endedAt }).toEqual(exit)
    expect(isThere(other.runner)).toBe(true)
    expect((await settle(agent, folder))?.exit).toEqual(found?.exit)
    expect(logged).toEqual([])
  })

  it('say so when the machine was started anew: what lives there now is not its own', async () => {
    storeSession(folder)
    const { runner } = await stand()
    claim({ ...runner, bootId: 'another' })
    started({ pid: runner.pid, startTicks: runner.startTicks })
    expect((await settle(agent, folder))?.exit).toMatchObject({ errorMessage: LOST_UNDER_RUN.machine, endedAt: now() })
    expect(isThere(runner)).toBe(true)
  })

  it('take the time of the request where its command never began', async () => {
    storeSession(folder)
    const { runner } = await stand()
    claim({ ...runner, startTicks: '1' })
    expect((await settle(agent, folder))?.exit?.startedAt).toBe(REQUEST.createdAt)
  })
})

describe('a session that is to end', () => {
  it('is revoked as long as no runner has claimed it', async () => {
    storeSession(folder)
    const early = session()
    expect([revoke(early), readJson(at('claim.json'))]).toEqual([true, { kind: 'revoked' }])
    expect([revoke(session()), revoke(early)]).toEqual([true, false])
    claim((await stand()).runner)
    expect(revoke(session())).toBe(false)
  })

  it('is asked by SIGTERM to its runner, and nobody else is', async () => {
    storeSession(folder)
    const { runner, hasEnded } = await stand('sleep 600 & trap "kill $!; exit 7" TERM; echo up; wait')
    askToEnd(session())
    claim({ ...runner, startTicks: '1' })
    askToEnd(session())
    claim(runner)
    writeJson(at('exit.json'), EXIT)
    askToEnd(session())
    expect(isThere(runner)).toBe(true)
    askToEnd({ ...session(), exit: null })
    expect(await hasEnded).toBe('exit code 7')
  })

  it('is killed with its runner first', async () => {
    const { agent, logged } = agentOf(realWorld(), ['true'])
    storeSession(folder)
    const [runner, command] = [await stand(), await stand()]
    claim(runner.runner)
    started({ pid: command.runner.pid, startTicks: null })
    await killSession(agent, session())
    expect(await Promise.all([runner.hasEnded, command.hasEnded])).toEqual(['SIGKILL', 'SIGKILL'])
    expect(logged).toEqual([])
  })

  it('is waited for until its books are done', async () => {
    const { agent } = agentOf(realWorld(), ['true'])
    storeSession(folder)
    await endSession(agent, at('none'))
    const end = JSON.stringify({ ...EXIT, exitCode: 5 })
    const { runner } = await stand(
      `sleep 600 & trap 'kill $!; echo "$END" > ${at('exit.new')}; mv ${at('exit.new')} ${at('exit.json')}; exit' TERM; END='${end}'; echo up; wait`,
    )
    claim(runner)
    await endSession(agent, folder)
    expect(session().exit?.exitCode).toBe(5)
  })

  it('is ended with a runner that does not react, ten seconds after the grace of its command', async () => {
    const world = simWorld(timeline())
    const { agent } = agentOf(world, ['true'], { TDF_KILL_GRACE_MS: '5000' })
    storeSession(folder)
    const { runner, hasEnded } = await stand('trap "" TERM; echo up; exec sleep 600')
    claim(runner)
    let isOver = false
    const ended = endSession(agent, folder).then(() => {
      isOver = true
    })
    await world.clock.advance(15_000)
    expect([isOver, isThere(runner), existsSync(at('exit.json'))]).toEqual([false, true, false])
    await world.clock.advance(25)
    expect(await hasEnded).toBe('SIGKILL')
    await eventually(
      'it is over',
      async () => {
        await world.clock.advance(20)
        return isOver
      },
      60_000,
    )
    await ended
    expect(session().exit).toMatchObject({ signal: 'SIGKILL', errorMessage: LOST_UNDER_RUN.runner })
  })
})
