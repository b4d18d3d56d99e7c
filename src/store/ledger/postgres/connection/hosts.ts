/** The hosts of a PostgreSQL url: "postgres://user@db1,db2:5433/tdf" names two, of which one takes writes. */
import { TdfError } from '../../../../core/errors.ts'

export interface Host {
  /** The url with this host alone. It may carry a password: never shown. */
  url: string
  /** Host, port and database, for people. */
  shown: string
}

const PARTS = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*)(\/[^?#]*)?(\?[^#]*)?$/

/** Throws CONFIG_INVALID; its message does not repeat the url. */
export function hostsOf(urls: string | readonly string[]): Host[] {
  const hosts = [urls].flat().flatMap(url => {
    const [, head, names, database = '', query = ''] = PARTS.exec(url) ?? []
    if (head === undefined || names === undefined) {
      throw new TdfError(
        'CONFIG_INVALID',
        '[store] url is not of the form postgres://USER@HOST[:PORT][,HOST…]/DATABASE',
      )
    }
    return names.split(',').map(host => ({ url: head + host + database + query, shown: shown(host, database, query) }))
  })
  if (hosts.length === 0) throw new TdfError('CONFIG_INVALID', '[store] url names no host')
  return hosts
}

/** "?host=/run/postgresql" is the folder of a unix socket. */
function shown(host: string, database: string, query: string): string {
  return `${host || new URLSearchParams(query).get('host') || 'localhost'}${database}`
}
