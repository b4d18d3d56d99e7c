/** Plain HTTP against an agent: node:http, so that paths and headers go out as they are written. */
import { request } from 'node:http'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  bytes: Buffer
  /** biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely */
  json: any
}

export interface CallOptions {
  body?: unknown
  raw?: Buffer | string
  token?: string | null
  headers?: Record<string, string>
}

export interface Client {
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
  put(path: string, body?: unknown): Promise<Answer>
  delete(path: string): Promise<Answer>
}

export function clientOf(target: { url: string; token: string }): Client {
  const call = (method: string, path: string, options: CallOptions = {}) => send(target, method, path, options)
  return {
    call,
    get: path => call('GET', path),
    post: (path, body) => call('POST', path, body === undefined ? {} : { body }),
    put: (path, body) => call('PUT', path, body === undefined ? {} : { body }),
    delete: path => call('DELETE', path),
  }
}

function send(target: { url: string; token: string }, method: string, path: string, options: CallOptions) {
  const { hostname, port } = new URL(target.url)
  const token = options.token === undefined ? target.token : options.token
  const raw = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const headers: Record<string, string> = {}
  if (token !== null) headers.authorization = `Bearer ${token}`
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (raw !== undefined) headers['content-length'] = String(Buffer.byteLength(raw))
  Object.assign(headers, options.headers)
  return new Promise<Answer>((resolve, reject) => {
    const call = request({ hostname, port, method, path, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const isJson = String(response.headers['content-type'] ?? '').startsWith('application/json')
        const json = isJson ? JSON.parse(bytes.toString('utf8')) : null
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, json })
      })
    })
    call.setTimeout(60_000, () => call.destroy(new Error(`${method} ${path}: no answer`)))
    call.on('error', reject)
    call.end(raw)
  })
}
