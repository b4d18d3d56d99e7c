/** What every real agent has to come through, by `tdf submit` and from outside. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../../support/daemon/home.ts'
import { RESET_AT } from './model/scenario.ts'
import { type Scene, sceneOf } from './scene.ts'

const LONG_MS = 200_000

/** `asks`: by its own default it asks before it runs a command. */
export function realAgent(name: string, { asks = false } = {}): void {
  describe(`${name}, unattended`, () => {
    const scene = sceneOf(name)

    it(
      'brings home what it committed',
      async () => {
        const task = await scene.finished('commit')
        expect(task).toMatchObject({
          status: 'completed',
          verdict: 'unverified',
          result: { ahead: 1, salvaged: false },
        })
        expect(scene.filesOf(task)).toContain('out.txt')
        expect(task.result?.summary).toBe('Done: wrote out.txt')
        expect(task.session?.resumeRef).toBeTruthy()
        const { code, out } = await scene.run('show', task.id)
        expect([code, out]).toEqual([0, expect.stringMatching(/^agent +it \d+\.\d+\.\d+/m)])
        expect(task.usage?.inputTokens).toBeGreaterThan(0)
        expect(task.usage?.outputTokens).toBeGreaterThan(0)
        expect((task.usage?.costUsd ?? 0) > 0).toBe(scene.kind.knowsCost)
      },
      LONG_MS,
    )

    it(
      'brings home what it left uncommitted, and passes a check',
      async () => {
        const task = await scene.finished('edit', '--check', 'test -f left.txt')
        expect(task).toMatchObject({ verdict: 'verified', result: { salvaged: true } })
        expect(scene.filesOf(task)).toContain('left.txt')
      },
      LONG_MS,
    )

    it(
      'says that it changed nothing',
      async () => {
        expect(await scene.finished('nothing')).toMatchObject({ status: 'completed', verdict: 'no_change' })
      },
      LONG_MS,
    )

    if (asks) {
      it(
        'is refused what it needs with --permissions deny, and never counts as done',
        async () => {
          const task = await scene.finished('commit', '--permissions', 'deny')
          expect(task).toMatchObject({ status: 'failed', verdict: 'permission_denied' })
          expect(task.result?.ahead ?? 0).toBe(0)
        },
        LONG_MS,
      )
    }

    it(
      'says that it may not log in',
      async () => {
        const task = await scene.finished('unauthorized')
        expect(task).toMatchObject({ status: 'failed', verdict: 'agent_error' })
        expect(task.error?.message).toMatch(/log in|401|x-api-key/i)
      },
      LONG_MS,
    )

    it(
      'is ended while its model says nothing, and loses nothing',
      async () => {
        const id = await scene.submitted('hang', '--timeout', '25s')
        await until('it ends', async () => (await scene.home.task(id)).verdict !== null, LONG_MS)
        expect(await scene.home.task(id)).toMatchObject({ status: 'failed', verdict: 'timeout' })
      },
      LONG_MS,
    )

    it(
      'is cancelled in the middle of its turn, and what it had done is kept',
      async () => {
        const id = await scene.submitted('steps')
        await scene.isAtWork(id)
        expect((await scene.run('cancel', id, '--yes')).code).toBe(0)
        await until('its work is home', async () => (await scene.home.task(id)).cleanup === 'done', LONG_MS)
        const task = await scene.home.task(id)
        expect(task).toMatchObject({ status: 'cancelled', verdict: 'cancelled', result: { salvaged: true } })
        expect(scene.filesOf(task)).toContain('step-0.txt')
        expect(left(scene)).toEqual([])
      },
      LONG_MS,
    )

    it(
      'is killed in the middle of its turn, and its conversation goes on where it was',
      async () => {
        const id = await scene.submitted('steps')
        await scene.isAtWork(id)
        const before = (await scene.home.task(id)).session
        for (const pid of left(scene)) killUnlessGone(pid)
        const isResumed = async () => {
          const { session, verdict } = await scene.home.task(id)
          return verdict !== null || (session?.status === 'running' && session.id !== before?.id)
        }
        await until('it is resumed', isResumed, LONG_MS)
        expect((await scene.home.task(id)).session?.resumeRef).toBe(before?.resumeRef)
        expect((await scene.run('cancel', id, '--yes')).code).toBe(0)
        await until('its work is home', async () => (await scene.home.task(id)).cleanup === 'done', LONG_MS)
        const task = await scene.home.task(id)
        expect(task).toMatchObject({ status: 'cancelled', result: { salvaged: true } })
        expect(scene.filesOf(task)).toContain('step-0.txt')
      },
      LONG_MS,
    )

    it(
      'goes on in a new attempt, on the saved files, with the conversation that travelled with them',
      async () => {
        const id = await scene.submitted('fewsteps')
        await scene.isAtWork(id)
        expect((await scene.run('cancel', id, '--yes')).code).toBe(0)
        await until('its work is home', async () => (await scene.home.task(id)).cleanup === 'done', LONG_MS)
        const before = await scene.home.task(id)
        // What the agent itself kept is not there on another machine.
        const { conversations } = scene.kind
        if (conversations) rmSync(path.join(scene.home.dir, conversations), { recursive: true })
        expect((await scene.run('retry', id, '--resume')).code).toBe(0)
        await until('it is done', async () => (await scene.home.task(id)).verdict !== null, LONG_MS)
        const task = await scene.home.task(id)
        expect(task.error).toBe(null)
        expect(task).toMatchObject({ attempt: 2, verdict: 'unverified', result: { summary: 'Done: the steps' } })
        // One that was never carried is on this node still, for an agent that finds it in another folder.
        expect(task.session?.resumeRef === before.session?.resumeRef).toBe(conversations !== null || scene.kind.resumes)
        expect(scene.filesOf(task)).toEqual(expect.arrayContaining(['step-0.txt', 'step-11.txt']))
      },
      LONG_MS,
    )

    it(
      'is continued with other words, by its conversation or by what was asked at first',
      async () => {
        const before = await scene.finished('commit')
        const { code, err } = await scene.run('continue', before.id, '[[edit]] as well', '-q')
        expect([code, err]).toEqual([0, ''])
        await until('it is done', async () => (await scene.home.task(before.id)).cleanup === 'done', LONG_MS)
        const task = await scene.home.task(before.id)
        const resumes = scene.kind.conversations !== null || scene.kind.resumes
        expect(task).toMatchObject({ attempt: 2, verdict: 'unverified', result: { ahead: 2, salvaged: true } })
        expect(task.continued).toEqual({ of: 1, resumed: resumes ? 'conversation' : 'files' })
        expect(task.session?.resumeRef === before.session?.resumeRef).toBe(resumes)
        expect(scene.filesOf(task)).toEqual(expect.arrayContaining(['out.txt', 'left.txt']))
        const turns = scene.model.asked.at(-1)?.turns ?? []
        const told = (words: string) => turns.filter(turn => turn.kind === 'user' && turn.text.includes(words))
        expect([told('[[commit]]').length > 0, told('[[edit]]').length]).toEqual([true, 1])
      },
      LONG_MS,
    )

    it(
      'outlives the daemon and the agent of its node, whose successors give it a further prompt, once',
      async () => {
        const id = await scene.submitted(scene.kind.joinsTurns ? 'steps' : 'fewsteps')
        await scene.isAtWork(id)
        const prompt = { deliveryId: 'd1', text: 'now [[finish]] it' }
        const agent = scene.home.agent()
        if (!agent) throw new Error('there is no agent')
        process.kill(agent.pid, 'SIGKILL')
        await scene.restart()
        await scene.isAtWork(id, 4)
        await scene.nodeAnswers()
        expect(await scene.prompt(id, prompt)).toBe(202)
        expect(await scene.prompt(id, prompt)).toBe(200)
        await until('its work is home', async () => (await scene.home.task(id)).cleanup === 'done', LONG_MS)
        const task = await scene.home.task(id)
        expect(task).toMatchObject({ status: 'completed', verdict: 'unverified', session: { exitCode: 0 } })
        expect(scene.filesOf(task)).toEqual(expect.arrayContaining(['step-0.txt', 'finished.txt']))
        expect(scene.filesOf(task)).not.toContain('step-60.txt')
        const last = scene.model.asked.at(-1)?.turns ?? []
        const told = last.filter(turn => turn.kind === 'user' && turn.text.includes(prompt.text))
        expect(told).toHaveLength(1)
      },
      LONG_MS,
    )
  })

  describe(`${name}, when its model fails`, () => {
    const scene = sceneOf(name)

    it(
      'with 500: never says that it succeeded',
      async () => {
        const task = await scene.finished('broken', '--timeout', '40s')
        expect(task).toMatchObject({ status: 'failed', verdict: scene.kind.givesUp ? 'agent_error' : 'timeout' })
      },
      LONG_MS,
    )

    // The last: whoever has the same login rests until the limit is lifted.
    it(
      'with a usage limit: rests until it is lifted, where it tells of it',
      async () => {
        const id = await scene.submitted('limit', '--timeout', '40s')
        const settled = async () => {
          const task = await scene.home.task(id)
          return task.verdict !== null || task.status === 'parked'
        }
        await until('it is parked or has ended', settled, LONG_MS)
        const task = await scene.home.task(id)
        const { limits } = scene.kind
        if (limits === 'silent') return expect(task).toMatchObject({ status: 'failed', verdict: 'timeout' })
        expect(task.status).toBe('parked')
        const soonest = limits === 'until' ? RESET_AT.getTime() : Date.now()
        expect(Date.parse(task.parkedUntil ?? '')).toBeGreaterThanOrEqual(soonest)
        expect((await scene.run('cancel', id, '--yes')).code).toBe(0)
      },
      LONG_MS,
    )
  })
}

/** What an agent runs comes and goes between the look and the blow. */
function killUnlessGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Processes of the agent's sessions in this home. */
function left({ home }: Scene): number[] {
  const listed = execFileSync('sh', [
    '-c',
    'grep -lz "TDF_PROMPT_FILE=$1" /proc/[0-9]*/environ 2>/dev/null; true',
    '-',
    home.dir,
  ])
  return listed
    .toString()
    .split('\n')
    .flatMap(line => Number(/\/proc\/(\d+)\//.exec(line)?.[1]) || [])
}
