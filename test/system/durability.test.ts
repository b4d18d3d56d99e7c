/** A fixed sample of what `npm run test:crash` does at every point, and the death of the node's agent. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { crashRun, THE_SAME_END } from '../support/daemon/crash-run.ts'
import { makeHome, makeRepository, tdf, until } from '../support/daemon/home.ts'

describe('a daemon killed', () => {
  it.each(['before:commit:2', 'after:commit:4', 'before:agent:3', 'after:agent:4', 'after:commit:8', 'after:agent:8'])(
    '%s ends the task the same',
    async plan => {
      const { crashed, ...end } = await crashRun(plan)
      expect([crashed, end]).toEqual([true, THE_SAME_END])
    },
    60_000,
  )

  it('again and again while an agent works, the command runs once and its output is whole', async () => {
    const home = makeHome()
    const repository = makeRepository()
    try {
      let daemon = await home.start()
      const ran = path.join(home.dir, 'ran')
      const command = `echo x >> ${ran}; for i in 1 2 3 4; do echo line $i; sleep 0.5; done; echo w > w.txt`
      const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', command)
      const id = out.trim()
      await until('it runs', () => existsSync(ran))
      for (let kill = 0; kill < 3; kill++) {
        await home.kill(daemon)
        daemon = await home.start()
      }
      await until('it is over', async () => (await home.task(id)).step === null)
      expect(await home.task(id)).toMatchObject({ status: 'completed', result: { salvaged: true }, cleanup: 'done' })
      expect(readFileSync(ran, 'utf8')).toBe('x\n')
      expect((await tdf(home, 'logs', id)).out).toBe('line 1\nline 2\nline 3\nline 4\n')
    } finally {
      await home.remove()
      repository.remove()
    }
  }, 60_000)
})

describe('a node agent killed while a command runs', () => {
  it('loses neither the run nor its output nor its exit code', async () => {
    const home = makeHome('[nodes]\nheartbeat_interval = "1s"\nheartbeat_stale = "2s"\n')
    const repository = makeRepository()
    try {
      await home.start()
      const ran = path.join(home.dir, 'ran')
      const command = `echo x >> ${ran}; echo before; sleep 3; echo behind; exit 3`
      const { out } = await tdf(home, 'submit', '--repo', repository.dir, '-q', '--', 'sh', '-c', command)
      const id = out.trim()
      await until('it runs', () => existsSync(ran))
      const agent = home.agent()
      process.kill(agent?.pid ?? 0, 'SIGKILL')
      await until('it is over', async () => (await home.task(id)).step === null, 40_000)
      const task = await home.task(id)
      expect(task).toMatchObject({ status: 'failed', verdict: 'agent_error', session: { exitCode: 3 }, attempt: 1 })
      expect((await tdf(home, 'logs', id)).out).toBe('before\nbehind\n')
      expect(readFileSync(ran, 'utf8')).toBe('x\n')
      expect(home.agent()?.pid).not.toBe(agent?.pid)
    } finally {
      await home.remove()
      repository.remove()
    }
  }, 60_000)
})

describe('tdf quickstart', () => {
  it('shows the whole journey and leaves nothing behind', async () => {
    const home = makeHome()
    const { code, out, err } = await tdf(home, 'quickstart')
    expect(code).toBe(0)
    const words = ['placed on local', 'repository copied', 'agent started', 'agent ended', 'work saved', 'check']
    for (const step of [...words, '+hello from an agent']) expect(out).toContain(step)
    const folder = /in (\/\S+)/.exec(err)?.[1] ?? ''
    expect(folder).toMatch(/tdf-quickstart/)
    expect(existsSync(folder)).toBe(false)
    const [, own = ''] = /^ {2}(\S+) submit .*$/m.exec(out) ?? []
    // There is no tdf on this PATH: what it says to type next is the program itself.
    expect(execFileSync(own, ['--version'], { encoding: 'utf8' })).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(`${out}${err}`.trim().split('\n').length).toBeLessThanOrEqual(32)
    await home.remove()
  }, 60_000)
})
