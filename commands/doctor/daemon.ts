/** The daemon: whether it answers, whether nodes could reach it, and what it sees of itself. */
import { asTdfError } from '../../src/errors.ts'
import type { DaemonStatusJson, FindingJson } from '../../src/protocol/control.ts'
import { httpTransport } from '../../src/transport.ts'
import { VERSION } from '../../src/version.ts'
import type { Cli } from '../cli.ts'
import { finding, ok } from './finding.ts'

const STATUS_MS = 5_000
/** It looks at its database before it answers. */
const EXAMINE_MS = 20_000

/** Throws when there is none: its error says why and what to do. */
export async function checkDaemon(cli: Cli): Promise<FindingJson[]> {
  const client = cli.client()
  const status = await client.call<DaemonStatusJson>({ path: '/status', timeoutMs: STATUS_MS })
  const seen = await client.call<FindingJson[]>({ path: '/doctor', timeoutMs: EXAMINE_MS })
  return [
    ok('socket', `${client.socket} (from ${client.origin})`),
    version(status),
    await checkCallbacks(status),
    ...seen,
  ]
}

function version({ version, pid }: DaemonStatusJson): FindingJson {
  if (version === VERSION) return ok('daemon', `pid ${pid}, version ${version}`)
  const message = `it is ${version} and this is ${VERSION}; stop it and start it anew`
  return finding('daemon', 'warn', message, 'tdf daemon stop')
}

async function checkCallbacks({ callbacksUrl }: DaemonStatusJson): Promise<FindingJson> {
  const exchange = { method: 'GET', path: '/healthz', headers: {}, timeoutMs: STATUS_MS, bytesMax: 1_024 }
  try {
    const { status, body } = await httpTransport({ url: callbacksUrl })(exchange)
    if (status === 200 && body.toString('utf8') === 'ok') return ok('callbacks', callbacksUrl)
    return finding('callbacks', 'fail', `${callbacksUrl}/healthz answered ${status}`, 'tdf config show --origin')
  } catch (thrown) {
    const message = `nobody answers at ${callbacksUrl}: ${asTdfError(thrown).message}`
    return finding('callbacks', 'fail', message, 'tdf config show --origin')
  }
}
