/**
 * What a machine says by ssh until it is believed: the key exchange of RFC 4253 and RFC 8731 with a host key of its own,
 * and no word further. The real client decides by it whether it goes on.
 */
import { createHash, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface SshHost {
  port: number
  /** `ssh-ed25519 AAAA…`, as it is pinned. */
  hostKey: string
  /** The numbers of the messages that came from each connection, in order. */
  heard: number[][]
  stop(): Promise<void>
}

/** RFC 4253, 12. */
export const MESSAGE = { kexInit: 20, newKeys: 21, ecdhInit: 30, ecdhReply: 31 } as const

const VERSION = 'SSH-2.0-fake'
const ALGORITHMS = [
  ...['curve25519-sha256', 'ssh-ed25519', 'aes128-ctr', 'aes128-ctr', 'hmac-sha2-256', 'hmac-sha2-256'],
  ...['none', 'none', '', ''],
]

export async function sshHost(): Promise<SshHost> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = Buffer.concat([text('ssh-ed25519'), text(raw(publicKey))])
  const heard: number[][] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    const messages: number[] = []
    heard.push(messages)
    sockets.add(socket)
    socket.on('error', () => {})
    talk(socket, messages, key, privateKey)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    hostKey: `ssh-ed25519 ${key.toString('base64')}`,
    heard,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function talk(socket: Socket, messages: number[], key: Buffer, privateKey: KeyObject): void {
  const init = Buffer.concat([Buffer.from([MESSAGE.kexInit]), Buffer.alloc(16, 7), lists(), Buffer.alloc(5)])
  socket.write(`${VERSION}\r\n`)
  socket.write(packet(init))
  let clientVersion: string | undefined
  let clientInit = Buffer.alloc(0)
  let rest = Buffer.alloc(0)
  socket.on('data', chunk => {
    rest = Buffer.concat([rest, chunk])
    if (clientVersion === undefined) {
      const end = rest.indexOf('\n')
      if (end < 0) return
      clientVersion = rest.subarray(0, end).toString().trim()
      rest = rest.subarray(end + 1)
    }
    // After its new keys everything is encrypted, and nobody here could read it.
    while (messages.at(-1) !== MESSAGE.newKeys && rest.length >= 5 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const length = rest.readUInt32BE(0)
      const payload = rest.subarray(5, 4 + length - rest.readUInt8(4))
      rest = rest.subarray(4 + length)
      messages.push(payload[0] ?? 0)
      if (payload[0] === MESSAGE.kexInit) clientInit = Buffer.from(payload)
      if (payload[0] === MESSAGE.ecdhInit) {
        const words = [text(clientVersion), text(VERSION), text(clientInit), text(init)]
        socket.write(packet(reply(words, payload.subarray(5), key, privateKey)))
        socket.write(packet(Buffer.from([MESSAGE.newKeys])))
      }
    }
  })
}

/** Proves that the host key is here: its signature over everything that was said. */
function reply(words: Buffer[], clientKey: Buffer, key: Buffer, privateKey: KeyObject): Buffer {
  const own = generateKeyPairSync('x25519')
  const jwk = { kty: 'OKP', crv: 'X25519', x: clientKey.toString('base64url') }
  const shared = diffieHellman({
    privateKey: own.privateKey,
    publicKey: createPublicKey({ key: jwk, format: 'jwk' }),
  })
  const ours = raw(own.publicKey)
  const hash = createHash('sha256')
  for (const word of [...words, text(key), text(clientKey), text(ours), number(shared)]) hash.update(word)
  const signature = Buffer.concat([text('ssh-ed25519'), text(sign(null, hash.digest(), privateKey))])
  return Buffer.concat([Buffer.from([MESSAGE.ecdhReply]), text(key), text(ours), text(signature)])
}

const raw = (key: KeyObject) => Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url')
const lists = () => Buffer.concat(ALGORITHMS.map(text))

/** A string of RFC 4251, 5: its length before it. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A positive number of RFC 4251, 5: without zeros before it, but for one where its first bit is set. */
function number(value: Buffer): Buffer {
  const first = value.findIndex(byte => byte !== 0)
  const digits = value.subarray(Math.max(first, 0))
  return text((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits)
}

/** RFC 4253, 6, before anything is encrypted. */
function packet(payload: Buffer): Buffer {
  const padding = 16 - ((5 + payload.length) % 8)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length + padding)
  head.writeUInt8(padding, 4)
  return Buffer.concat([head, payload, Buffer.alloc(padding)])
}
