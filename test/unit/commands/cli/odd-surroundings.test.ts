/** The folder, the disk and the descriptors that a command finds itself with. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

const { home, repo } = withDaemon()
const BIN = path.join(import.meta.dirname, '..', '..', '..', '..', 'bin', 'tdf')

/** Runs a line of shell in which `$TDF` is the program. */
function shell(line: string, env: Record<string, string> = {}) {
  const around = { ...home.env, TDF: `${process.execPath} ${BIN}`, REPO: repo.dir, ...env }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { env: around, encoding: 'utf8' })
  return { code: status, out: stdout, err: stderr }
}

describe('in a folder that was deleted', () => {
  const gone = (line: string) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'tdf-gone-'))
    return { dir, ...shell(`cd ${dir} && rmdir ${dir} && ${line}`) }
  }

  it.each(['ls --json', 'version', 'config path', 'exit-codes', 'daemon status'])('tdf %s works as anywhere', words => {
    expect(gone(`$TDF ${words}`)).toMatchObject({ code: 0, err: '' })
  })

  it('a folder elsewhere can be submitted', () => {
    const { code, out } = gone('$TDF submit -q --repo $REPO --wait -- true')
    expect(code).toBe(0)
    expect(out).toMatch(/^\w+\n$/)
  })

  it('a shell is opened in the workspace', async () => {
    const { out } = shell('$TDF submit -q --repo $REPO -- sleep 600')
    const id = out.trim()
    await until('it runs', async () => (await home.task(id)).step === 'running')
    const { dir, ...ran } = gone(`echo pwd | $TDF shell ${id}`)
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining(`/workspaces/${id}-1-1/`) })
    await tdf(home, 'cancel', id)
  })

  it.each(['submit -- true', 'pull @last', 'apply @last'])('tdf %s names the folder', words => {
    const { dir, code, err } = gone(`$TDF ${words}`)
    expect(code).toBe(1)
    expect(err).toContain(`error: ${dir} is not a git`)
    expect(err).not.toContain(' at ')
  })
})

describe('with stdout on a full disk', () => {
  it.each(['ls', '--version', 'version', 'help', 'exit-codes', 'show @last'])('tdf %s exits with 74', words => {
    const { code, err } = shell(`$TDF ${words} > /dev/full`)
    expect(code).toBe(74)
    expect(err).not.toContain('    at ')
  })

  it('a task that was submitted is named', async () => {
    const { code, err } = shell('$TDF submit --repo $REPO --json -- true > /dev/full')
    expect(code).toBe(74)
    const { message, hint } = JSON.parse(err).error
    const [task]: TaskJson[] = JSON.parse((await tdf(home, 'ls', '--json', '--all')).out)
    expect(message).toContain(`task ${task?.id} was submitted`)
    expect(hint).toBe(`tdf show ${task?.id}`)
  })
})

describe('without descriptors', () => {
  it.each(['>&-', '2>&-', '<&-', '>&- 2>&- <&-'])('%s: a task is submitted and ends well', async closed => {
    const key = `closed ${closed}`
    const { dir } = makeRepository()
    const line = `$TDF submit --idempotency-key "$KEY" --repo ${dir} --wait -- true ${closed}`
    expect(shell(line, { KEY: key }).code).toBe(0)
  })

  it('stderr on a full disk changes no exit code', () => {
    expect(shell('$TDF show nothing 2> /dev/full').code).toBe(3)
  })
})
