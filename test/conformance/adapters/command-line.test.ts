/** Agents as a user meets them: scripted peers behind `tdf submit`, with the defaults of the configuration. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdfWith, until } from '../../support/daemon/home.ts'
import { PEER } from './stage.ts'

const SCRIPTS = new URL('../../fixtures/agent-scripts/', import.meta.url).pathname

describe('an agent behind the command line', () => {
  const repository = makeRepository()
  const scripts = ['acp-ask', 'claude-limit-past']
  let home: Home
  beforeAll(async () => {
    const tables = scripts.map(name => {
      const type = name.split('-')[0] ?? ''
      const file = [`${SCRIPTS}${name}.json`, `${SCRIPTS}${name}.txt`].find(file => existsSync(file)) ?? ''
      return `[agents.${name}]\ntype = "${type}"\ncommand = ${JSON.stringify([process.execPath, PEER, type, file])}\n`
    })
    home = makeHome(`[runner]\nmax_attempts = 2\nreconcile_interval = "1s"\n${tables.join('')}`)
    await home.start()
  })
  afterAll(() => home.remove())

  const run = (...args: string[]) => tdfWith(home, { cwd: repository.dir }, ...args)
  async function submitted(...args: string[]): Promise<string> {
    const { code, out, err } = await run('submit', '-q', ...args)
    expect(code, err).toBe(0)
    return out.trim()
  }
  const ended = (id: string) => until(`${id} ends`, async () => (await home.task(id)).verdict !== null)

  it('is allowed what it asks for by default, and its work comes home', async () => {
    const id = await submitted('do it', '--agent', 'acp-ask')
    expect((await run('wait', id)).code).toBe(0)
    expect((await run('diff', id)).out).toContain('allowed.txt')
  })

  it('is denied what it asks for with --permissions deny, and has not succeeded', async () => {
    const id = await submitted('do it', '--agent', 'acp-ask', '--permissions', 'deny')
    await ended(id)
    expect(await home.task(id)).toMatchObject({ status: 'failed', verdict: 'permission_denied' })
  })

  it('rests until a time that is still to come when it tells one that has passed', async () => {
    const id = await submitted('do it', '--agent', 'claude-limit-past')
    await until('it is parked', async () => (await home.task(id)).status === 'parked')
    expect(Date.parse((await home.task(id)).parkedUntil ?? '')).toBeGreaterThan(Date.now() + 60_000)
    expect((await run('cancel', id, '--yes')).code).toBe(0)
  })

  it('takes no more once it has ended, and `tdf send` says what to do instead', async () => {
    const flag = path.join(home.dir, 'checked')
    const id = await submitted('--check', `until test -e ${flag}; do sleep 0.1; done`, '--', 'true')
    await until('it is checked', async () => (await home.task(id)).step === 'salvage')
    const { code, err } = await run('send', id, 'one more thing')
    expect([code, err]).toEqual([5, expect.stringContaining(`tdf continue ${id} "`)])
    writeFileSync(flag, '')
    await ended(id)
  })

  it('whose machine was restarted under it is run again by max_attempts', async () => {
    const flag = path.join(home.dir, 'begun')
    const id = await submitted('--', 'sh', '-c', `test -e ${flag} || { touch ${flag}; sleep 600; }`)
    await until('it runs', () => existsSync(flag))
    const agent = home.agent()?.pid ?? 0
    process.kill(agent, 'SIGSTOP')
    const [found = ''] = readdirSync(home.dir, { recursive: true, encoding: 'utf8' }).filter(
      name => name.includes(`${id}-1-1`) && name.endsWith('claim.json'),
    )
    const claim = path.join(home.dir, found)
    const claimed = JSON.parse(readFileSync(claim, 'utf8'))
    process.kill(claimed.runner.pid, 'SIGKILL')
    // The machine is the same one: only who ran the session says that it was another boot.
    writeFileSync(claim, JSON.stringify({ ...claimed, runner: { ...claimed.runner, bootId: 'another' } }))
    process.kill(agent, 'SIGCONT')
    await until('the next attempt ends', async () => {
      const { attempt, verdict } = await home.task(id)
      return attempt === 2 && verdict !== null
    })
    expect(await home.task(id)).toMatchObject({ attempt: 2, status: 'completed', verdict: 'no_change' })
    expect((await run('errors')).out).toContain('the machine was restarted')
  })
})
