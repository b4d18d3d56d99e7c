/** A disk that is full, under the state of the daemon or under temporary files: it is named, nothing is lost, and it goes on with room. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { hasEnded, makeHome, makeRepository, tdf, tdfWith, until } from '../../../support/daemon/home.ts'
import { whereRoot } from '../../../support/where.ts'

const FULL_SOON = '[disk]\nlow = "0B"\nreserve = "0B"\n'
const repo = makeRepository()
const errorOf = (err: string) => JSON.parse(err.trim().split('\n').at(-1) ?? '').error

/** A disk of 8 MiB in that place. */
function mount(folder: string): void {
  mkdirSync(folder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=700', 'tmpfs', folder])
}

// Only root may make a disk that is full.
whereRoot('a full disk', () => {
  it('on a full disk says so, also in why, errors and the log, accepts nothing it cannot keep, and goes on with room', async () => {
    const home = makeHome(FULL_SOON)
    const state = path.join(home.dir, 'state')
    mount(state)
    try {
      const daemon = await home.start()
      let log = ''
      for (const stream of [daemon.stdout, daemon.stderr]) stream?.on('data', chunk => (log += chunk))
      const submit = () => tdf(home, 'submit', '--repo', repo.dir, '--json', '--node', 'local', '--', 'true')
      const before = JSON.parse((await submit()).out)
      await until('the first is over', async () => (await home.task(before.id)).step === null)
      const running = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--node', 'local', '--', 'sleep', '600')
      const id = running.out.trim()
      await until('it runs', async () => (await home.task(id)).step === 'running')
      const ballast = fill(state)
      const refused = await submit()
      expect(refused.out).toBe('')
      expect([1, 75]).toContain(refused.code)
      expect(errorOf(refused.err).code).toBe('DISK_FULL')
      await until('why and errors name the disk', async () => {
        await submit()
        const [why, errors] = [await tdf(home, 'why', id), await tdf(home, 'errors', '--json')]
        return why.out.includes('the disk of the daemon is full') && JSON.parse(errors.out)[0]?.code === 'DISK_FULL'
      })
      await until('the log says it', () => log.includes('"msg":"the state database cannot be written (SQLITE_FULL)'))
      rmSync(ballast)
      await until('it is on record', async () => (await tdf(home, 'errors')).out.includes('it can be written again'))
      const after = await submit()
      expect(after.code).toBe(0)
      expect((await home.task(before.id)).status).toBe('completed')
      daemon.kill('SIGTERM')
      await until('it ended', () => hasEnded(daemon))
    } finally {
      const agent = home.agent()
      if (agent) process.kill(agent.pid, 'SIGKILL')
      execFileSync('umount', ['-l', state])
      await home.remove()
    }
  })

  it('of the state or of temporary files is named as that by every command, and never as damage or a bug', async () => {
    const home = makeHome(FULL_SOON)
    const [state, full] = [path.join(home.dir, 'state'), path.join(home.dir, 'full')]
    for (const folder of [state, full]) mount(folder)
    try {
      const daemon = await home.start()
      const made = await tdf(home, 'submit', '--repo', repo.dir, '-q', '--wait', '--', 'sh', '-c', 'echo new > new')
      fill(full)
      const away = (...words: string[]) => tdfWith(home, { cwd: repo.dir, env: { TMPDIR: full } }, ...words, '--json')
      for (const command of ['diff', 'apply', 'pull']) {
        const { code, err } = await away(command, made.out.trim())
        expect([command, code, errorOf(err).code]).toEqual([command, 75, 'DISK_FULL'])
      }
      await home.kill(daemon)
      fill(state)
      for (const command of ['check', 'backup']) {
        const { code, err } = await tdf(home, 'db', command, '--json')
        expect([command, code, errorOf(err).code]).toEqual([command, 75, 'DISK_FULL'])
      }
      expect(readdirSync(path.join(state, 'backups'))).toEqual([])
    } finally {
      const agent = home.agent()
      if (agent) process.kill(agent.pid, 'SIGKILL')
      for (const folder of [state, full]) execFileSync('umount', ['-l', folder])
      await home.remove()
    }
  })
})

function fill(folder: string): string {
  const ballast = path.join(folder, 'ballast')
  try {
    writeFileSync(ballast, Buffer.alloc(64 * 1024 * 1024))
  } catch {
    // It is full now.
  }
  return ballast
}
