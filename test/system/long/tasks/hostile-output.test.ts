/**
 * What an agent prints, and what it says about itself inside its JSON, on its whole way to a terminal: through the node,
 * the database and every command that shows it, in a real pseudo-terminal. Nothing of it is obeyed.
 */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Home, makeHome, makeRepository, tdf, until } from '../../../support/daemon/home.ts'
import { HOSTILE, OBEYED } from '../../../support/daemon/hostile-proxy.ts'

const TALKING = new URL('../../../fakes/programs/talking-agent.mjs', import.meta.url).pathname
const PROGRAM = new URL('../../../../dist/tdf.js', import.meta.url).pathname
const poison = Object.values(HOSTILE).join('')
const tasks: Record<string, string> = {}

let home: Home
let repo: ReturnType<typeof makeRepository>

beforeAll(async () => {
  const says = { summary: `s${poison}`, resumeRef: `c${poison}`, agentVersion: `v${poison}`, model: `m${poison}` }
  const agents = {
    done: { says: { ...says, outcome: 'success' } },
    failed: { says: { ...says, outcome: 'error' }, exitCode: 1 },
    asks: { asks: { requestId: 'r1', tool: `t${poison}`, detail: `d${poison}` } },
  }
  const tables = Object.entries(agents).map(([name, script]) => {
    const command = [process.execPath, TALKING, JSON.stringify(script)]
    return `[agents.${name}]\ntype = "claude"\ncommand = ${tomlList(command)}\n`
  })
  home = makeHome(`[runner]\nreconcile_interval = "1s"\n${tables.join('')}`)
  repo = makeRepository()
  await home.start()
  const submit = async (...words: string[]) =>
    (await tdf(home, 'submit', 'x', '--repo', repo.dir, '-q', ...words)).out.trim()
  const print = `printf '%s' "$0"; printf '%s\\n' "$0" >&2; exit 1`
  tasks.done = await submit('--agent', 'done')
  tasks.failed = await submit('--agent', 'failed')
  tasks.asks = await submit('--agent', 'asks', '--permissions', 'ask')
  // No argument may hold NUL.
  tasks.printed = await submit('--', 'bash', '-c', print, poison.replaceAll('\0', ''))
  tasks.setup = await submit('--setup', `printf '%b' '\\033]0;pwn\\007 \\033[2J'; exit 1`, '--', 'true')
  const isSettled = async (id: string) => {
    const { verdict, step } = await home.task(id)
    return verdict !== null || step === 'awaiting_followup'
  }
  for (const [name, id] of Object.entries(tasks)) await until(`${name} is settled`, () => isSettled(id), 120_000)
}, 240_000)
afterAll(async () => {
  await home.remove()
  repo.remove()
})

function tomlList(words: string[]): string {
  // A basic string of TOML has the escapes of JSON, but for DEL, which JSON leaves as it is.
  return `[${words.map(word => JSON.stringify(word).replaceAll('\x7f', '\\u007f')).join(', ')}]`
}

/** On a terminal of its own; answers every byte that the terminal got. */
async function onTerminal(...words: string[]): Promise<string> {
  const quoted = [process.execPath, PROGRAM, ...words].map(word => `'${word}'`).join(' ')
  const env = { ...home.env, TERM: 'xterm-256color', COLUMNS: '100', NO_COLOR: '1' }
  const options = { env, cwd: path.dirname(repo.dir), timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }
  const ran = promisify(execFile)('script', ['-qec', quoted, '/dev/null'], options)
  ran.child.stdin?.end()
  return (await ran.catch(error => ({ stdout: String(error.stdout) }))).stdout
}

describe('on a terminal, nothing that an agent said is obeyed', () => {
  it.each(['done', 'failed', 'asks', 'printed', 'setup'])('by the task that is %s', async name => {
    const id = tasks[name] ?? ''
    expect(id).not.toBe('')
    for (const words of [
      ['show', id],
      ['why', id],
      ['logs', id],
      ['events'],
      ['errors'],
      ['ls', '-o', 'wide', '--all'],
    ]) {
      const shown = await onTerminal(...words)
      expect(shown.length, words.join(' ')).toBeGreaterThan(0)
      // A terminal's newline; without colours our own output has no other control.
      expect(
        OBEYED.exec(shown.replaceAll('\r\n', '\n'))?.[0],
        `${words.join(' ')}: ${JSON.stringify(shown.slice(0, 3_000))}`,
      ).toBeUndefined()
    }
  })

  it('and what was said is there to be read', async () => {
    expect(await onTerminal('logs', tasks.printed ?? '')).toContain('txt.exe')
    expect(await onTerminal('show', tasks.failed ?? '')).toContain('txt.exe')
    expect(await onTerminal('why', tasks.asks ?? '')).toContain('txt.exe')
    // It comes byte for byte where that is asked for.
    expect((await tdf(home, 'logs', tasks.printed ?? '', '--raw')).out).toContain(HOSTILE.title)
  })
})
