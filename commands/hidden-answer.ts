/** A question whose answer is not shown while it is typed. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { TdfError } from '../src/errors.ts'
import type { Cli } from './cli.ts'

/** Throws INTERRUPTED at Ctrl-C and at the end of the input. */
export async function hiddenAnswer(cli: Cli, question: string): Promise<string> {
  cli.stderr.write(question)
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  // With `terminal` it takes the echo from the terminal and does the editing itself, into nowhere.
  const asking = createInterface({ input: cli.stdin, output: nowhere, terminal: true, historySize: 0 })
  try {
    return await new Promise<string>((resolve, reject) => {
      const giveUp = () => reject(new TdfError('INTERRUPTED', 'nothing was stored'))
      asking.once('line', resolve).once('SIGINT', giveUp).once('close', giveUp)
    })
  } finally {
    asking.close()
    cli.stderr.write('\n')
  }
}
