/** SIGKILL of the real daemon before every commit of a landing that is in conflict: one continue, one merge, one push. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../support/daemon/git-server.ts'
import { hasEnded, makeHome, tdf, until, workingRepository } from '../../support/daemon/home.ts'

const AT_ONCE = 3
/** Generous: several of them run at once. */
const WAIT_MS = 240_000
const place = mkdtempSync(path.join(tmpdir(), 'tdf-resolving-'))
let server: GitServer
beforeAll(async () => {
  server = await gitServer(place, null)
})
afterAll(async () => {
  await server.close()
  rmSync(place, { recursive: true, force: true })
})

/** `plan` is a TDF_CRASH_AT of the daemon that lands a result over a conflict; the ones after it run undisturbed. */
async function resolveRun(plan: string) {
  const repo = workingRepository()
  const bare = path.join(place, `${plan.replaceAll(':', '-')}.git`)
  repo.git('clone', '-q', '--bare', repo.dir, bare)
  repo.git('--git-dir', bare, 'config', 'http.receivepack', 'true')
  const home = makeHome()
  const ran = path.join(home.dir, 'ran')
  try {
    const first = await home.start()
    const agent = `echo once >> ${ran}; if grep -q '^<<<' README.md; then echo both > README.md; else echo mine > README.md; fi`
    const url = `${server.url}/${path.basename(bare)}`
    const id = (await tdf(home, 'submit', '--repo', url, '-q', '--', 'sh', '-c', agent)).out.trim()
    const isOver = async () => (await home.task(id).catch(() => null))?.step === null
    await until('the task is over', isOver, WAIT_MS)
    await home.kill(first)
    repo.commit({ 'README.md': 'theirs\n' })
    repo.git('push', '-q', bare, 'main')
    const daemon = await home.start({ TDF_CRASH_AT: plan })
    const land = () => tdf(home, 'land', id, '--resolve', '--json')
    const landed = hasEnded(daemon) ? null : await land()
    // What comes behind the landing is written too.
    if (landed?.code === 0)
      await until('all is done or the daemon is dead', async () => hasEnded(daemon) || isOver(), WAIT_MS)
    const crashed = hasEnded(daemon) || landed?.code !== 0
    if (crashed) {
      await until('the daemon is dead', () => hasEnded(daemon), WAIT_MS)
      await home.start()
      const again = await land()
      if (again.code !== 0) throw new Error(`${plan}: ${again.err}`)
    }
    await until('all is done', isOver, WAIT_MS)
    const { attempts, landing }: TaskJson = await home.task(id)
    const git = (...args: string[]) => execFileSync('git', ['--git-dir', bare, ...args], { encoding: 'utf8' }).trim()
    const titles = git('log', '--topo-order', '--format=%s', 'main').split('\n')
    return {
      crashed,
      state: landing?.state,
      attempts: attempts.map(({ verdict }) => verdict),
      ran: readFileSync(ran, 'utf8').trim().split('\n').length,
      titles: titles.map(title => title.split(' ')[0]).sort(),
      text: git('show', 'main:README.md'),
    }
  } finally {
    await home.remove()
  }
}

const RESOLVED_ONCE = {
  state: 'landed',
  attempts: ['unverified', 'unverified'],
  ran: 2,
  titles: ['Merge', 'Work', 'Work', 'change', 'first'],
  text: 'both',
}

it('a daemon killed before any commit has the conflict resolved once, and lands it once', async () => {
  let points = 0
  for (let reached = true; reached; ) {
    const batch = Array.from({ length: AT_ONCE }, (_, index) => `before:commit:${points + index + 1}`)
    const runs = await Promise.all(batch.map(async plan => ({ plan, ...(await resolveRun(plan)) })))
    for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(RESOLVED_ONCE)
    points += runs.filter(({ crashed }) => crashed).length
    reached = runs.every(({ crashed }) => crashed)
  }
  expect(points).toBeGreaterThan(10)
}, 1_800_000)
