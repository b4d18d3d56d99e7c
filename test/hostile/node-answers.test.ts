/** A node that lies about its logs and about what it did: what counts is what was written, and what it was seen to do. */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { until } from '../support/daemon/home.ts'
import { withTwoNodes } from './support/two-nodes.ts'

const LOG_BYTES_MAX = 1024 * 1024
const made = withTwoNodes('[results]\nlog_max_bytes = "1MiB"\n')
afterEach(() => {
  made.liar.lies.length = 0
  made.liar.seizures.length = 0
})

it.each(['0', '5', 'NaN', '1e18'])(
  'a log without end, with %s as its next offset, is kept up to its bound',
  async offset => {
    const { home, liar } = made
    liar.seizures.push(({ method, path: asked }, response) => {
      if (method !== 'GET' || !/\/log(s|-times)$/.test(asked)) return false
      response.writeHead(200, { 'x-next-offset': offset }).end(Buffer.alloc(64 * 1024, 'x'))
      return true
    })
    const id = await made.submit('liar', '--', 'sh', '-c', 'date > new')
    await until('it is cleaned up', async () => (await home.task(id)).cleanup === 'done', 120_000)
    expect((await home.task(id)).verdict).toBe('unverified')
    const folder = path.join(home.dir, 'state', 'logs', id)
    const sizes = readdirSync(folder).map(name => statSync(path.join(folder, name)).size)
    expect(sizes.length).toBeGreaterThan(0)
    for (const size of sizes) expect(size).toBeLessThan(LOG_BYTES_MAX + 256 * 1024)
  },
)

it('a deletion that is answered from elsewhere did not happen', async () => {
  const { home, liar } = made
  liar.seizures.push(({ method }, response) => {
    if (method !== 'DELETE') return false
    response.writeHead(302, { location: 'http://localhost/' }).end()
    return true
  })
  const id = await made.submit('liar', '--', 'sh', '-c', 'date > new')
  const asked = () => liar.requests.filter(line => line.startsWith('DELETE') && line.includes(id)).length
  await until('it is asked again', () => asked() > 1)
  expect((await home.task(id)).cleanup).not.toBe('done')
  liar.lies.length = 0
  liar.seizures.length = 0
  await until('it is cleaned up', async () => (await home.task(id)).cleanup === 'done', 120_000)
})
