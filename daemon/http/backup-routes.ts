/** Backups of the database: make one, list them, take one away. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { TdfError } from '../../src/errors.ts'
import type { Control } from './control-parts.ts'

export function backupRoutes({ backups }: Pick<Control, 'backups'>): Hono {
  const app = new Hono()
  app.get('/backups', async c => c.json(await backups.list()))
  app.post('/backups', async c => c.json(await backups.make(), 201))
  app.get('/backups/:name', async c => {
    const name = c.req.param('name')
    const file = await backups.file(name)
    if (file === undefined) throw new TdfError('NOT_FOUND', `there is no backup ${name}`, { hint: 'tdf db backup' })
    // The two declarations of a web stream differ in what this never touches.
    return c.body(Readable.toWeb(createReadStream(file)) as ReadableStream)
  })
  return app
}
