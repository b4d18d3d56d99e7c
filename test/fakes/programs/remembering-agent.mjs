/**
 * A model of Claude Code that keeps its conversations: `node remembering-agent.mjs NOTES` appends to the file NOTES a line of
 * JSON for each prompt, with its arguments, and does what the prompt says, a deed a line:
 *
 *   write NAME (a file with a commit) · leave NAME (a file without) · fail (an error after work) · cost USD · sleep MS
 *
 * Told of a merge that is in conflict it keeps the lines of both sides.
 *
 * Like the real one it finds a conversation by the folder that it is in, and fails at once for one that it does not know.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const [notes, ...argv] = process.argv.slice(2)
const option = name => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined)
const session_id = option('--resume') ?? option('--session-id')
const projects = path.join(process.env.CLAUDE_CONFIG_DIR ?? path.join(process.env.HOME, '.claude'), 'projects')
const folder = path.join(projects, process.cwd().replace(/[^A-Za-z0-9]/g, '-'))
const memory = path.join(folder, `${session_id}.jsonl`)
const say = line => process.stdout.write(`${JSON.stringify({ session_id, ...line })}\n`)
const end = (more, costUsd = 0, outputTokens = 0) =>
  say({
    ...{ type: 'result', subtype: 'success', is_error: false, result: 'done', total_cost_usd: costUsd },
    ...{ modelUsage: { m: { inputTokens: 1, outputTokens } } },
    ...more,
  })

if (option('--resume') !== undefined && !existsSync(memory)) {
  const errors = [`No conversation found with session ID: ${session_id}`]
  end({ subtype: 'error_during_execution', is_error: true, result: undefined, errors })
  process.exit(1)
}

const KEEP_BOTH = `git grep -lE '^<{7} ' | xargs sed -i '/^[<=>|]\\{7\\}/d' && git commit -qam 'keep both'`

createInterface({ input: process.stdin })
  .on('line', text => {
    const line = JSON.parse(text)
    if (line.type !== 'user') return
    const { content } = line.message
    appendFileSync(notes, `${JSON.stringify({ argv, prompt: content, cwd: process.cwd() })}\n`)
    mkdirSync(folder, { recursive: true })
    appendFileSync(memory, `${JSON.stringify(content)}\n`)
    say({ type: 'system', subtype: 'init', claude_code_version: '2.1.331', model: 'm' })
    say({ type: 'user', isReplay: true, uuid: line.uuid, message: line.message })
    // What it is told beside that is for an agent that can read.
    if (content.includes('marks of the conflict')) execFileSync('sh', ['-c', KEEP_BOTH])
    work(content.split('\n\n', 1)[0].split('\n'))
  })
  .on('close', () => process.exit(0))

function work(lines) {
  let costUsd = 0
  for (const line of lines) {
    const [deed, what = ''] = line.split(' ')
    if (deed === 'cost') costUsd = Number(what)
    if (deed === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(what))
    if (deed === 'write' || deed === 'leave') writeFileSync(what, `${what}\n`)
    if (deed === 'write') execFileSync('sh', ['-c', `git add -A && git commit -qm ${what}`])
    if (deed !== 'fail') continue
    end({ is_error: true, result: 'it broke' }, costUsd, 1)
    process.exit(1)
  }
  end({}, costUsd, 1)
}
