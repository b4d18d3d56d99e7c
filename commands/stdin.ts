/** What is piped in, whole and bounded. A terminal is never read: nobody would know what it waits for. */
import { type Cli, usage } from './cli.ts'

/** Throws USAGE on a terminal, and beyond `bytesMax`. `hint` is the command to paste instead. */
export async function readStdin(cli: Cli, what: string, bytesMax: number, hint: string): Promise<string> {
  if (cli.stdin.isTTY) throw usage(`"-" reads ${what} from stdin, and stdin is a terminal`, hint)
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of cli.stdin) {
    bytes += chunk.length
    if (bytes > bytesMax) throw usage(`${what} may have ${bytesMax} bytes`, hint)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
