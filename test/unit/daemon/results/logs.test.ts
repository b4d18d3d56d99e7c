/** Logs that are kept: what was written counts, a bound holds whatever a node gives, and the rest comes at the next try. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keepLogs, logFiles } from '../../../../daemon/results/logs.ts'
import { repositories } from '../../../../daemon/results/repository.ts'
import type { AgentClient } from '../../../../src/clients/agent.ts'
import { TdfError } from '../../../../src/core/errors.ts'
import { LOG_CHUNK_BYTES_MAX, LOG_TAIL_BYTES } from '../../../../src/protocol/shapes.ts'
import { aPlacedTask } from '../../../support/builders.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-logs-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const ATTEMPT = { id: 't1', attempt: 2 }
const file = () => path.join(folder, 'logs/t1/2-s1.log')
const text = () => readFileSync(file(), 'utf8')
/** A node that has this much, and gives it in pieces. */
const giving = (whole: string, piece = 4) => {
  const asked: number[] = []
  const read = async (after: number) => {
    asked.push(after)
    return { bytes: Buffer.from(whole.slice(after, after + piece)) }
  }
  return { asked, read }
}

describe('a log', () => {
  it('is kept from where the last try ended, for its owner alone', async () => {
    const logs = logFiles(folder, 1_000)
    await logs.keep(ATTEMPT, 's1', giving('abcdefgh').read)
    const { asked, read } = giving('abcdefghij')
    await logs.keep(ATTEMPT, 's1', read)
    expect([text(), asked]).toEqual(['abcdefghij', [8, 10]])
    expect([statSync(file()).mode & 0o777, statSync(path.dirname(file())).mode & 0o777]).toEqual([0o600, 0o700])
  })

  it('of which there is nothing leaves no file', async () => {
    await logFiles(folder, 1_000).keep(ATTEMPT, 's1', giving('').read)
    expect(readdirSync(folder)).toEqual([])
  })

  it('without end is cut at its bound, says so once, and is asked for no more', async () => {
    const limit = 10 + 2 * LOG_TAIL_BYTES
    const logs = logFiles(folder, 10)
    let reads = 0
    const endless = async () => {
      reads += 1
      return { bytes: Buffer.alloc(5_000, 'x') }
    }
    await logs.keep(ATTEMPT, 's1', endless)
    expect(reads).toBe(Math.ceil(limit / 5_000) + 1)
    const mark = `\n[tdf: output beyond ${limit} bytes was not kept]\n`
    expect(text()).toBe('x'.repeat(limit) + mark)
    await logs.keep(ATTEMPT, 's1', async () => {
      throw new Error('it was asked again')
    })
    expect(text()).toHaveLength(limit + mark.length)
  })

  it('that is as long as its bound has nothing to say', async () => {
    const limit = 10 + 2 * LOG_TAIL_BYTES
    await logFiles(folder, 10).keep(ATTEMPT, 's1', giving('y'.repeat(limit), 9_000).read)
    expect(text()).toBe('y'.repeat(limit))
    // One that goes on after that is cut there.
    await logFiles(folder, 10).keep(ATTEMPT, 's1', giving('y'.repeat(limit + 1), 9_000).read)
    expect(text()).toBe(`${'y'.repeat(limit)}\n[tdf: output beyond ${limit} bytes was not kept]\n`)
  })

  it('that comes byte by byte is taken up to a number of reads, and the rest is left for the next try', async () => {
    const readsMax = Math.ceil((10 + 2 * LOG_TAIL_BYTES) / LOG_CHUNK_BYTES_MAX) + 100
    await logFiles(folder, 10).keep(ATTEMPT, 's1', giving('z'.repeat(500), 1).read)
    expect(text().startsWith('z'.repeat(readsMax))).toBe(true)
    expect(text()).not.toContain('z'.repeat(readsMax + 1))
  })

  it('stays as far as it came when there is no room, or the node does not answer', async () => {
    let left = 2
    const logs = logFiles(folder, 1_000, () => {
      if (left-- === 0) throw new TdfError('DISK_LOW', 'no room')
    })
    await expect(logs.keep(ATTEMPT, 's1', giving('abcdefghijkl').read)).rejects.toMatchObject({ code: 'DISK_LOW' })
    expect(text()).toBe('abcdefgh')
  })

  it('is read in chunks from a byte on; what is not there is told apart from what is empty', async () => {
    const logs = logFiles(folder, 1_000)
    await logs.keep(ATTEMPT, 's1', giving('abcdefgh').read)
    expect(String(await logs.read(ATTEMPT, 's1', 3))).toBe('defgh')
    expect((await logs.read(ATTEMPT, 's1', 8))?.length).toBe(0)
    expect((await logs.read(ATTEMPT, 's1', 99))?.length).toBe(0)
    expect(await logs.read(ATTEMPT, 's2', 0)).toBeUndefined()
    writeFileSync(file(), Buffer.alloc(LOG_CHUNK_BYTES_MAX + 5, 'x'))
    expect((await logs.read(ATTEMPT, 's1', 0))?.length).toBe(LOG_CHUNK_BYTES_MAX)
    expect((await logs.read(ATTEMPT, 's1', 10))?.length).toBe(LOG_CHUNK_BYTES_MAX - 5)
    await logs.remove('t1')
    expect(await logs.read(ATTEMPT, 's1', 0)).toBeUndefined()
  })
})

describe('before a workspace goes', () => {
  const task = aPlacedTask()
  const agentOf = (log: (session: string) => Buffer): AgentClient =>
    ({
      logs: async (_workspace: string, session: string, after: number) => ({ bytes: log(session).subarray(after) }),
      logTimes: async (_workspace: string, _session: string, after: number) => ({
        bytes: Buffer.from('0 1\n').subarray(after),
      }),
      // The parts of the client that this uses.
    }) as unknown as AgentClient

  it('the output of its set-up and of each session is kept, with its times', async () => {
    await keepLogs(
      logFiles(folder, 1_000),
      task,
      't1-1-1',
      agentOf(session => Buffer.from(`of ${session}`)),
    )
    expect(readdirSync(path.join(folder, 'logs/t1')).sort()).toEqual([
      ...['1-setup.log', '1-setup.times.log', '1-t1-1-1-s1.log', '1-t1-1-1-s1.times.log'],
    ])
    expect(readFileSync(path.join(folder, 'logs/t1/1-t1-1-1-s1.log'), 'utf8')).toBe('of t1-1-1-s1')
  })

  it.each(['WORKSPACE_GONE', 'AGENT_REFUSED'] as const)('one that is not there holds nothing up (%s)', async code => {
    const agent = agentOf(session => {
      if (session === 'setup') throw new TdfError(code, 'no such log')
      return Buffer.from('there')
    })
    await keepLogs(logFiles(folder, 1_000), task, 't1-1-1', agent)
    expect(readFileSync(path.join(folder, 'logs/t1/1-t1-1-1-s1.log'), 'utf8')).toBe('there')
  })

  it('one that cannot be had now does', async () => {
    const agent = agentOf(() => {
      throw new TdfError('NODE_UNREACHABLE', 'no answer')
    })
    const kept = keepLogs(logFiles(folder, 1_000), task, 't1-1-1', agent)
    await expect(kept).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
  })
})

describe('the repository of a source', () => {
  it('is one, made when it is first needed, whole or not at all', async () => {
    const parent = path.join(folder, 'results')
    writeFileSync(parent, 'in the way')
    const { open } = repositories(parent)
    await expect(open('one')).rejects.toThrow()
    rmSync(parent)
    const repository = await open('one')
    expect(await open('one')).toBe(repository)
    expect((await open('two')).dir).not.toBe(repository.dir)
    expect((await repository.must(['rev-parse', '--is-bare-repository'])).trim()).toBe('true')
    expect(readdirSync(parent).filter(name => name.endsWith('.new'))).toEqual([])
    const words = { code: 'RESULT_BROKEN', message: expect.stringContaining('cat-file in the repository of results') }
    await expect(repository.must(['cat-file', '-t', 'nothing'])).rejects.toMatchObject(words)
  })

  it('takes the place of one that was half made, and is opened again as it is', async () => {
    const [first] = [await repositories(folder).open('one')]
    await first.must(['update-ref', 'refs/x/y', await treeCommit(first)])
    rmSync(path.join(first.dir, 'HEAD'))
    mkdirSync(`${first.dir}.new`)
    rmSync(first.dir, { recursive: true })
    const again = await repositories(folder).open('one')
    expect(await again.must(['for-each-ref'])).toBe('')
    await again.must(['update-ref', 'refs/x/y', await treeCommit(again)])
    expect(await (await repositories(folder).open('one')).must(['for-each-ref', '--format=%(refname)'])).toBe(
      'refs/x/y\n',
    )
  })

  it('is written to by one at a time, also after one has failed', async () => {
    const repository = await repositories(folder).open('one')
    const done: string[] = []
    const slow = repository.alone(async () => {
      await repository.must(['rev-parse', '--git-dir'])
      done.push('first')
    })
    const failing = repository.alone(async () => {
      done.push('second')
      throw new Error('not this one')
    })
    const last = repository.alone(async () => done.push('third'))
    await expect(failing).rejects.toThrow('not this one')
    await Promise.all([slow, last])
    expect(done).toEqual(['first', 'second', 'third'])
  })
})

/** A commit of nothing. */
async function treeCommit({ must }: Awaited<ReturnType<ReturnType<typeof repositories>['open']>>): Promise<string> {
  const tree = (await must(['hash-object', '-t', 'tree', '-w', '--stdin'], { input: '' })).trim()
  const text = `tree ${tree}\nauthor A <a@x> 0 +0000\ncommitter A <a@x> 0 +0000\n\nx\n`
  return (await must(['hash-object', '-t', 'commit', '-w', '--stdin'], { input: text })).trim()
}
