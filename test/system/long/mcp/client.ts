/** `tdf mcp` as a process, and a client that speaks plain JSON-RPC with it, without a library: a message a line. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type Home, root, until } from '../../../support/daemon/home.ts'

export interface Reply {
  /** The pieces of text, and all of their bytes. */
  texts: string[]
  bytes: number
  isError: boolean
  /** The first piece as JSON; empty for what is none. */
  json: Record<string, unknown>
}

export interface Server {
  initialized: Record<string, unknown>
  request(method: string, params?: object): Promise<Message>
  tool(name: string, input?: unknown): Promise<Reply>
  /** Ends the input, and gives the exit code and what came on stderr. */
  end(): Promise<{ code: number | null; err: string }>
}

interface Message {
  result?: Record<string, unknown>
  error?: { code: number; message: string }
}

/** What is on stdout has to be the protocol alone: anything else fails the test that ends it. */
export async function startMcp(
  home: Pick<Home, 'env'>,
  args: readonly string[] = [],
  { cwd = '/', env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Server> {
  const child = spawn(process.execPath, [path.join(root, 'dist/tdf.js'), 'mcp', ...args], {
    cwd,
    env: { ...home.env, ...env },
    stdio: 'pipe',
  })
  let err = ''
  let strays = ''
  child.stderr.on('data', chunk => (err += chunk))
  const waiting = new Map<number, (message: Message) => void>()
  createInterface({ input: child.stdout }).on('line', line => {
    try {
      const message = JSON.parse(line)
      if (message.jsonrpc !== '2.0') throw new Error('no message')
      waiting.get(message.id)?.(message)
    } catch {
      strays += `${line}\n`
    }
  })
  let id = 0
  const write = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  function request(method: string, params: object = {}): Promise<Message> {
    id += 1
    const own = id
    const answer = new Promise<Message>(resolve => waiting.set(own, resolve))
    write({ id: own, method, params })
    return answer
  }

  const { result = {} } = await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  })
  write({ method: 'notifications/initialized' })
  return {
    initialized: result,
    request,
    async tool(name, input) {
      const { result, error } = await request('tools/call', { name, arguments: input })
      if (result === undefined) throw new Error(`${name}: ${error?.message}`)
      const texts = (result.content as { text: string }[]).map(({ text }) => text)
      const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
      return { texts, bytes, isError: result.isError === true, json: parsed(texts[0] ?? '') }
    },
    async end() {
      child.stdin.end()
      await until('tdf mcp ends', () => child.exitCode !== null || child.signalCode !== null)
      if (strays !== '') throw new Error(`on stdout: ${strays}`)
      return { code: child.exitCode, err }
    },
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
