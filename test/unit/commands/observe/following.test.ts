/** `@last-failed`, `retry --wait` and `ls --watch`: what one types to stay at a task until it is over. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from '../../../support/cli.ts'
import { until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()

describe('references and waiting', () => {
  it('@last-failed is the newest that failed, and retry --wait tells what came of it', async () => {
    const words = ['submit', '--repo', repo.dir, '-q', '--', 'sh', '-c', 'exit 3']
    expect((await cli(home, 'show', '@last-failed')).code).toBe(3)
    const id = (await cli(home, ...words)).out.trim()
    await until('it is over', async () => (await home.task(id)).step === null, 60_000)
    expect((await cli(home, 'status', '@last-failed', '-q')).out.trim()).toBe(id)
    const again = await cli(home, 'retry', '@last-failed', '--wait', '--json')
    expect([again.code, JSON.parse(again.out)]).toEqual([
      10,
      expect.objectContaining({ id, attempt: 2, status: 'failed' }),
    ])
    expect((await cli(home, 'retry', id, '--wait', '--wait-timeout', 'soon')).code).toBe(2)
  }, 90_000)

  it('ls --watch shows the list again when something happens', async () => {
    const { child, text } = watching(['ls', '--watch', '--columns', 'status,title', '--no-header'])
    await until('the list is there', () => text() !== '', 30_000)
    const title = ['submit', '--repo', repo.dir, '-q', '--title', 'seen by who watches', '--', 'true']
    const id = (await cli(home, ...title)).out.trim()
    await until('its end is seen', () => /completed +seen by who watches/.test(text()), 60_000)
    expect(text()).not.toContain('\x1b')
    child.kill('SIGINT')
    expect(await new Promise(resolve => child.once('exit', resolve))).toBe(130)
    expect((await home.task(id)).status).toBe('completed')
  }, 120_000)
})

function watching(words: string[]) {
  const program = path.join(import.meta.dirname, '..', '..', '..', '..', 'dist', 'tdf.js')
  const child = spawn(process.execPath, [program, ...words], { env: home.env, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', chunk => {
    out += chunk
  })
  return { child, text: () => out }
}
