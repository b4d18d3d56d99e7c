/** A server of Git LFS as its specification has it: a batch says where each object is, and there it is had or put (git-lfs/docs/api). */
import { createHash } from 'node:crypto'
import type http from 'node:http'

export interface LargeStore {
  /** By sha256. */
  objects: Map<string, Buffer>
  /** How often an object was given out. */
  downloads(): number
  /** True where the request is one of Git LFS, which is answered then. */
  answers(request: http.IncomingMessage, response: http.ServerResponse): boolean
}

const BATCH = /^(.*)\/info\/lfs\/objects\/batch$/
const OBJECT = /\/lfs-objects\/([0-9a-f]{64})$/

export function largeStore(): LargeStore {
  const objects = new Map<string, Buffer>()
  let downloads = 0

  function batch(base: string, body: Buffer): object {
    const asked: { operation: string; objects: { oid: string; size: number }[] } = JSON.parse(body.toString('utf8'))
    const found = asked.objects.map(({ oid, size }) => {
      const place = { href: `${base}/lfs-objects/${oid}` }
      const isHere = objects.has(oid)
      if (asked.operation === 'upload') return isHere ? { oid, size } : { oid, size, actions: { upload: place } }
      if (isHere) return { oid, size, actions: { download: place } }
      return { oid, size, error: { code: 404, message: 'no such object' } }
    })
    return { transfer: 'basic', objects: found }
  }

  function object(method: string | undefined, sha256: string, body: Buffer, response: http.ServerResponse): void {
    const known = objects.get(sha256)
    if (method === 'PUT') {
      const isSound = createHash('sha256').update(body).digest('hex') === sha256
      if (isSound) objects.set(sha256, body)
      response.writeHead(isSound ? 200 : 422).end()
    } else if (known === undefined) response.writeHead(404).end()
    else {
      downloads += 1
      response.writeHead(200, { 'content-length': known.length }).end(known)
    }
  }

  return {
    objects,
    downloads: () => downloads,
    answers(request, response) {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost')
      const [, repository] = BATCH.exec(pathname) ?? []
      const [, sha256] = OBJECT.exec(pathname) ?? []
      if (repository === undefined && sha256 === undefined) return false
      const sent: Buffer[] = []
      request.on('data', chunk => sent.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(sent)
        if (sha256 !== undefined) return object(request.method, sha256, body, response)
        const answer = JSON.stringify(batch(`http://${request.headers.host}${repository}`, body))
        response.writeHead(200, { 'content-type': 'application/vnd.git-lfs+json' }).end(answer)
      })
      return true
    },
  }
}
