/** `[callbacks] listen`: an address that the daemon opens. */

export interface ListenAddress {
  /** Without the brackets of IPv6. */
  host: string
  /** 0: any free one. */
  port: number
}

const LISTEN = /^(?<name>[A-Za-z0-9.-]*|\[(?<ipv6>[0-9A-Fa-f:.]+)\]):(?<port>\d{1,5})$/

/** `host:port`, `[ipv6]:port` or `:port`, which is loopback only: nobody opens a port to the world by leaving a word out. */
export function parseListen(text: string): ListenAddress | undefined {
  const { name, ipv6, port } = LISTEN.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) > 65_535) return undefined
  return { host: ipv6 ?? (name || '127.0.0.1'), port: Number(port) }
}
