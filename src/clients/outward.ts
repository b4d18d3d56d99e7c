/**
 * HTTP to services that are not ours, by the proxy and with the certificates that the environment names. What is on this
 * machine is never asked by a proxy. Node 20 has no such client of its own (ADR 16).
 */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

export type Fetch = typeof globalThis.fetch

type Env = Readonly<Record<string, string | undefined>>

export interface WayOut {
  /** URLs of proxies; null where there is none. */
  http: string | null
  https: string | null
  /** Hosts that are asked directly, as in NO_PROXY. */
  direct: string
  /** Files of certificates that are trusted besides those of Node. Node itself reads NODE_EXTRA_CA_CERTS alone. */
  certificates: readonly string[]
  /** Variables that are set and cannot be used, with the reason. */
  unused: readonly { name: string; why: string }[]
}

/** What the variables of an environment say; lower case comes first, as with curl. */
export function wayOut(env: Env): WayOut {
  const unused: { name: string; why: string }[] = []
  const proxy = (...names: readonly string[]): string | null => {
    for (const name of names.flatMap(upper => [upper.toLowerCase(), upper])) {
      const text = env[name]?.trim()
      if (!text) continue
      const url = proxyUrl(text)
      if (url !== null) return url
      unused.push({ name, why: 'it is no http or https proxy' })
    }
    return null
  }
  const all = proxy('ALL_PROXY')
  const http = proxy('HTTP_PROXY') ?? all
  const https = proxy('HTTPS_PROXY') ?? all
  if (env.SSL_CERT_DIR)
    unused.push({ name: 'SSL_CERT_DIR', why: 'a file is wanted: SSL_CERT_FILE or NODE_EXTRA_CA_CERTS' })
  const certificates = env.SSL_CERT_FILE ? [env.SSL_CERT_FILE, env.NODE_EXTRA_CA_CERTS ?? ''].filter(Boolean) : []
  return { http, https, direct: env.no_proxy || env.NO_PROXY || '', certificates, unused }
}

/** `host:port` is an http proxy, as everywhere. */
function proxyUrl(text: string): string | null {
  const whole = text.includes('://') ? text : `http://${text}`
  return URL.canParse(whole) && /^https?:/i.test(whole) ? new URL(whole).href : null
}

/** The variables are read once: a process keeps those that it was started with. */
export function outwardFetch(env: Env): Fetch {
  const way = wayOut(env)
  const direct: Fetch = (input, init) => globalThis.fetch(input, init)
  if (way.http === null && way.https === null && way.certificates.length === 0) return direct
  let made: Promise<Fetch> | undefined
  return async (input, init) => {
    if (isHere(input instanceof Request ? input.url : input)) return direct(input, init)
    // Loaded by the first call: most daemons have no proxy.
    made ??= fetchBy(way)
    return (await made)(input, init)
  }
}

async function fetchBy({ http, https, direct, certificates }: WayOut): Promise<Fetch> {
  // The bundle has a CommonJS module as its default alone.
  const { EnvHttpProxyAgent, fetch } = (await import('undici')).default
  const ca = certificates.length === 0 ? {} : { ca: [...rootCertificates, ...certificates.map(read)] }
  const tls = { connect: ca, requestTls: ca, proxyTls: ca }
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: http ?? '', httpsProxy: https ?? '', noProxy: direct, ...tls })
  // The declarations of undici and of Node say the same of fetch in different words.
  return ((input: string, init: object) => fetch(input, { ...init, dispatcher })) as unknown as Fetch
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`the certificates of the environment cannot be read: ${file}`, { cause: error })
  }
}

/** A loopback name or address. */
export function isHere(url: string | URL): boolean {
  const { hostname } = new URL(url)
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}

/** What a service answers, which is read no further than it may be long. Throws where it is longer. */
export async function bodyOf(response: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  // The declarations of Node's streams know how to be walked through; those of the web do not.
  for await (const part of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    bytes += part.length
    if (bytes > bytesMax) throw new Error(`an answer of more than ${bytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** fetch says "fetch failed"; its cause says why. Neither holds the request's headers. */
export function fetchFailure(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  return cause instanceof Error ? cause.message : String(cause)
}
