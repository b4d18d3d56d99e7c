/** The local agent that an orderly end of the daemon leaves behind with a run: it ends by itself, and its work is not lost. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { isAlive } from '../../../../src/platform/process.ts'
import { hasEnded, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

const home = makeHome()
const repo = makeRepository()
afterAll(() => home.remove())

it('goes once its run is over, and the next daemon brings the work home', async () => {
  const daemon = await home.start({ TDF_AGENT_IDLE_MS: '2000' })
  const script = 'touch "$HOME/begun"; while [ ! -e "$HOME/go" ]; do sleep 0.1; done; echo done > made.txt'
  const id = (await tdf(home, 'submit', '--repo', repo.dir, '-q', '--', 'sh', '-c', script)).out.trim()
  await until('it runs', async () => (await home.task(id)).step === 'running')
  const left = home.agent()
  expect((await tdf(home, 'daemon', 'stop')).code).toBe(0)
  await until('the daemon ended', () => hasEnded(daemon))
  expect(left && isAlive(left)).toBe(true)
  writeFileSync(path.join(home.dir, 'go'), '')
  await until('the agent ended', () => left !== null && !isAlive(left))

  const next = await home.start()
  await until('it is over', async () => (await home.task(id)).step === null)
  expect(await home.task(id)).toMatchObject({ status: 'completed', attempt: 1, result: { filesChanged: 1 } })
  const agent = home.agent()
  expect(agent?.pid).not.toBe(left?.pid)
  expect((await tdf(home, 'daemon', 'stop')).code).toBe(0)
  await until('the daemon ended', () => hasEnded(next))
  await until('nothing of it is left', () => agent !== null && !isAlive(agent))
})
