/** Repositories as large as public ones: their submit, what is new of them, and what an agent changes in them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, until } from '../../support/daemon/home.ts'
import { BIG, changing, commitTen, makeBigRepository, packBytesOf } from '../../support/daemon/shapes/big.ts'
import { type SocketProxy, socketProxy } from '../../support/machines/socket-proxy.ts'
import { watchedCommand } from '../../support/machines/watched-command.ts'

const MIB = 1024 * 1024
const MEMORY_BYTES_MAX = 100 * 1_000_000
/** Ten commits of a line in a file among a hundred thousand, with the trees above them. */
const NEW_BYTES_MAX = MIB
const CHANGED_FILES = 500
const LONG_MS = 900_000

const state = async (home: Home, id: string) => {
  await until('its work is home', async () => (await home.task(id)).cleanup === 'done', LONG_MS)
  return home.task(id)
}

describe.each(Object.entries(BIG))('a repository of %s', (name, shape) => {
  let dir: string
  let home: Home
  let proxy: SocketProxy
  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'tdf-big-'))
    await makeBigRepository(dir, shape)
    home = makeHome()
    await home.start()
    proxy = await socketProxy(home)
  }, LONG_MS)
  afterAll(async () => {
    proxy.close()
    await home.remove()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Through what counts, as a person would see it. */
  async function submit(...words: string[]) {
    proxy.sentBytes = 0
    const ran = await watchedCommand({ env: { ...home.env, ...proxy.env } }, dir, 'submit', ...words)
    const { wholeMs, firstWordMs, memoryBytes, out, err, code } = ran
    const seconds = (ms: number | null) => (ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`)
    console.info(
      `${name}: ${seconds(wholeMs)}, first word after ${seconds(firstWordMs)}, ${(proxy.sentBytes / 1e6).toFixed(1)} MB sent, ${(memoryBytes / 1e6).toFixed(0)} MB resident`,
    )
    expect([code, err]).toEqual([0, expect.any(String)])
    return { id: out.trim(), memoryBytes, err, sentBytes: proxy.sentBytes }
  }

  it(
    'is taken in little memory, then what is new of it alone; and the files that an agent changed come home',
    async () => {
      expect(packBytesOf(dir)).toBeGreaterThan(Number.parseInt(name, 10) * 0.9e6)
      const first = await submit('--', 'sh', '-c', changing(CHANGED_FILES))
      expect(first.memoryBytes).toBeLessThan(MEMORY_BYTES_MAX)
      expect(first.sentBytes).toBeGreaterThan(packBytesOf(dir) * 0.8)
      expect(await state(home, first.id)).toMatchObject({
        status: 'completed',
        result: { filesChanged: CHANGED_FILES, insertions: 0 },
      })
      commitTen(dir, 'new')
      const second = await submit('--', 'git', 'diff', '--quiet', 'HEAD')
      expect(second.memoryBytes).toBeLessThan(MEMORY_BYTES_MAX)
      expect(second.sentBytes).toBeLessThan(NEW_BYTES_MAX)
      expect(await state(home, second.id)).toMatchObject({ status: 'completed', verdict: 'no_change' })
    },
    LONG_MS * 3,
  )
})
