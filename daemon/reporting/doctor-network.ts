/** The way out, for `tdf doctor`: what the variables of a proxy and of certificates do for the daemon's own calls, and whether they get through. */
import { constants } from 'node:fs'
import process from 'node:process'
import { fetchFailure, isHere, type WayOut, wayOut } from '../../src/clients/outward.ts'
import type { Config } from '../../src/config/schema/config.ts'
import { isAccessible } from '../../src/platform/files.ts'
import type { FindingJson } from '../../src/protocol/upkeep.ts'
import type { Engine } from '../services.ts'

const check = 'network'
const LOOK_MS = 8_000
const PROXY_WANTS_LOGIN = 407
/** Of the package ca-certificates. */
const DEBIAN_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

export async function checkNetwork({ config, world }: Pick<Engine, 'config' | 'world'>): Promise<FindingJson[]> {
  const way = wayOut(process.env)
  const asked = outsideOf(config).map(origin => reached(world.fetch, origin, way))
  return [...notUsed(way), ...unreadable(), ...(await Promise.all(asked))]
}

/** Whom the daemon itself calls, without paths: a path may hold a secret. */
function outsideOf({ providers: { hetzner }, notify }: Pick<Config, 'providers' | 'notify'>): string[] {
  const urls = [hetzner.enabled ? hetzner.endpoint : '', notify.webhook, notify.ntfy].filter(url => url !== '')
  return [...new Set(urls.map(url => new URL(url).origin))]
}

/** Any answer will do: the question is whether one comes. */
async function reached(fetch: Engine['world']['fetch'], origin: string, way: WayOut): Promise<FindingJson> {
  const by = byText(origin, way)
  const hint = 'tdf errors'
  try {
    const answer = await fetch(origin, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(LOOK_MS) })
    await answer.body?.cancel()
    if (answer.status === PROXY_WANTS_LOGIN) {
      return { check, state: 'fail', message: `${origin} is not reached${by}: the proxy wants a login`, hint }
    }
    return { check, state: 'ok', message: `${origin} answers${by}`, hint: null }
  } catch (thrown) {
    return { check, state: 'fail', message: `${origin} is not reached${by}: ${fetchFailure(thrown)}`, hint }
  }
}

/** Names the proxy without its login. */
function byText(origin: string, { http, https }: WayOut): string {
  if (isHere(origin)) return ''
  const proxy = origin.startsWith('https:') ? (https ?? http) : http
  return proxy === null ? '' : ` (proxy ${new URL(proxy).host}, if NO_PROXY does not name it)`
}

const notUsed = ({ unused }: WayOut): FindingJson[] =>
  unused.map(({ name, why }) => {
    const message = `${name} is set, and the daemon's own calls do not use it: ${why}; what tasks run has it all the same`
    const hint =
      name === 'SSL_CERT_DIR' ? `export SSL_CERT_FILE=${DEBIAN_CERTIFICATES}` : `export ${name}=http://HOST:PORT`
    return { check, state: 'warn', message, hint }
  })

function unreadable(): FindingJson[] {
  return ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'].flatMap((name): FindingJson[] => {
    const file = process.env[name]
    if (!file || isAccessible(file, constants.R_OK)) return []
    const hint = `export ${name}=${DEBIAN_CERTIFICATES}`
    return [{ check, state: 'fail', message: `${name} names ${file}, which cannot be read`, hint }]
  })
}
