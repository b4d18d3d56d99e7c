/** SIGKILL of the real daemon before every commit of a landing, so also behind each of its effects: one check, one merge, one push. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LANDED_ONCE, landRun } from '../../support/daemon/crash-run.ts'
import { type GitServer, gitServer } from '../../support/daemon/git-server.ts'
import { makeRepository } from '../../support/daemon/home.ts'

const AT_ONCE = 3
const place = mkdtempSync(path.join(tmpdir(), 'tdf-landing-'))
let server: GitServer
beforeAll(async () => {
  server = await gitServer(place, null)
})
afterAll(async () => {
  await server.close()
  rmSync(place, { recursive: true, force: true })
})

function served(plan: string): { url: string; bare: string } {
  const repo = makeRepository()
  const name = `${plan.replaceAll(':', '-')}.git`
  const bare = path.join(place, name)
  execFileSync('git', ['clone', '-q', '--bare', repo.dir, bare])
  execFileSync('git', ['--git-dir', bare, 'config', 'http.receivepack', 'true'])
  return { url: `${server.url}/${name}`, bare }
}

it.each(['before'])(
  'a daemon killed %s any commit lands the result once',
  async when => {
    let points = 0
    for (let reached = true; reached; ) {
      const batch = Array.from({ length: AT_ONCE }, (_, index) => `${when}:commit:${points + index + 1}`)
      const runs = await Promise.all(
        batch.map(async plan => {
          const { url, bare } = served(plan)
          return { plan, ...(await landRun(plan, url, bare)) }
        }),
      )
      for (const { plan, crashed, ...end } of runs) expect(end, plan).toEqual(LANDED_ONCE)
      points += runs.filter(({ crashed }) => crashed).length
      reached = runs.every(({ crashed }) => crashed)
    }
    expect(points).toBeGreaterThan(10)
  },
  1_800_000,
)
