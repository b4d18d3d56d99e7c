/** What a caller sees of a daemon that is told to stop while it answers. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { expect, it } from 'vitest'
import { hasEnded, makeHome, until } from '../../../support/daemon/home.ts'

it('an upload that is under way when the daemon is stopped is taken in and answered', async () => {
  const home = makeHome('[providers.local]\nenabled = false\n')
  try {
    const daemon = await home.start()
    const sha256 = createHash('sha256').update('both halves').digest('hex')
    const bundles = path.join(home.dir, 'state', 'bundles')
    const socketPath = path.join(home.dir, 'run', 'tdf.sock')
    const url = `/v1/bundles/${sha256}?commit=${'a'.repeat(40)}&ref=main`
    const headers = { 'content-type': 'application/octet-stream', 'content-length': 11 }
    const upload = http.request({ socketPath, path: url, method: 'PUT', headers })
    const answered = once(upload, 'response') as Promise<[http.IncomingMessage]>
    upload.write('both ')
    await until('the upload has begun', () => readdirSync(bundles).some(name => name.endsWith('.part')))
    daemon.kill('SIGTERM')
    await until('it takes no more calls', () =>
      home.client.call({ path: '/status' }).then(
        () => false,
        () => true,
      ),
    )
    upload.end('halves')
    const [answer] = await answered
    let text = ''
    for await (const chunk of answer) text += chunk
    expect([answer.statusCode, JSON.parse(text)]).toEqual([201, { sha256, bytes: 11, commit: 'a'.repeat(40) }])
    await until('the daemon has ended', () => hasEnded(daemon))
    expect(daemon.exitCode).toBe(0)
  } finally {
    await home.remove()
  }
}, 60_000)
