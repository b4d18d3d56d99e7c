/**
 * `transport = "direct"`: the image carries a tdf-agent of its own, which listens in a private network. The first-boot
 * document gives it its name and its token; whoever may become root there may read both, as everywhere.
 */
import { httpTransport } from '../../transport.ts'
import type { MachineWay } from './provider.ts'

const AGENT_PORT = 8787
const FOLDER = '/etc/tdf-agent'

export interface DirectOptions {
  /** What is said at the door of a node's agent. */
  token(nodeName: string): string
  /** Run as root at the first boot; empty: nothing. */
  setup: string
}

export function directWay({ token, setup }: DirectOptions): MachineWay {
  const file = (path: string, permissions: string, content: string) => ({ path, permissions, content })
  return {
    // JSON is YAML, and quotes whatever is in it.
    userData: ({ name }) =>
      `#cloud-config\n${JSON.stringify({
        write_files: [
          file(`${FOLDER}/name`, '0644', `${name}\n`),
          file(`${FOLDER}/token`, '0600', `${token(name)}\n`),
          ...(setup === '' ? [] : [file(`${FOLDER}/setup`, '0700', setup)]),
        ],
        runcmd: [...(setup === '' ? [] : [[`${FOLDER}/setup`]]), ['systemctl', 'restart', 'tdf-agent']],
      })}\n`,
    publicKey: () => null,
    connect: async ({ name, address }) => {
      const host = address?.includes(':') ? `[${address}]` : address
      return { transport: httpTransport({ url: `http://${host}:${AGENT_PORT}` }), token: token(name) }
    },
    shell: () => null,
    isOutdated: () => false,
    hangUp: () => {},
    forget: () => {},
  }
}
