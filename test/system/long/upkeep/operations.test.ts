/** The page for operators: each of its commands is run, in its order, by a shell that has only `tdf`. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'

const page = readFileSync('docs/operations.md', 'utf8')
const blocks = [...page.matchAll(/^```sh( start)?\n([\s\S]*?)^```/gm)].map(([, start, text]) => ({
  needsStart: start !== undefined,
  commands: (text ?? '').trim().split('\n'),
}))

it('every command of the page does what it says', async () => {
  const home = makeHome()
  const repository = makeRepository()
  try {
    const bin = path.join(home.dir, 'bin')
    mkdirSync(bin)
    symlinkSync(path.resolve('bin/tdf'), path.join(bin, 'tdf'))
    const env = { ...home.env, PATH: `${bin}:${process.env.PATH}` }
    const sh = (command: string) =>
      new Promise<{ code: number; text: string }>(resolve => {
        execFile('sh', ['-c', command], { env, cwd: home.dir, timeout: 120_000 }, (error, out, err) => {
          resolve({ code: Number(error ? (error.code ?? 1) : 0), text: `${out}${err}` })
        })
      })
    let daemon = await home.start()
    await tdf(home, 'submit', '--repo', repository.dir, '--wait', '--', 'true')
    for (const { needsStart, commands } of blocks) {
      if (needsStart) {
        await until('the daemon has ended', () => daemon.exitCode !== null)
        daemon = await home.start()
      }
      for (const command of commands) {
        const { code, text } = await sh(command)
        expect([command, code, code === 0 ? '' : text]).toEqual([command, 0, ''])
      }
    }
    expect(blocks.flatMap(({ commands }) => commands).length).toBeGreaterThan(15)
    expect(JSON.parse((await tdf(home, 'ls', '--all', '--json')).out)).toHaveLength(1)
  } finally {
    await home.remove()
    repository.remove()
  }
}, 300_000)
