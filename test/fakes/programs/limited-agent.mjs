/**
 * A model of Claude Code or of Codex that reaches its usage limit: `node limited-agent.mjs TYPE FOLDER NAME` does what the file
 * NAME.json in FOLDER says at each start:
 *
 *   ms (how long it takes) · writes (a file with a commit) · resetsAt (Unix seconds: it is at its limit until then, once it has written) · refused (its login is)
 *
 * and appends a line of JSON to `notes` there: its name, its arguments, its prompt, what a file that the prompt names holds, and the
 * variable TOKEN.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const [type, folder, name, ...argv] = process.argv.slice(2)
const plan = path.join(folder, `${name}.json`)
const { writes, resetsAt, refused, ms = 0 } = existsSync(plan) ? JSON.parse(readFileSync(plan, 'utf8')) : {}
const put = line => process.stdout.write(`${JSON.stringify(line)}\n`)

const option = flag => (argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined)
const session_id = option('--resume') ?? option('--session-id')
const memory = path.join(process.env.HOME, '.claude', 'projects', process.cwd().replace(/[^A-Za-z0-9]/g, '-'))

const SAYS = {
  claude: {
    did: text => {
      const content = [
        { type: 'text', text },
        { type: 'tool_use', id: 't1', name: 'Bash', input: { command: text } },
      ]
      put({ session_id, type: 'assistant', message: { content } })
    },
    limited: () => {
      put({ session_id, type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt } })
      SAYS.claude.end({ is_error: true, result: 'out of it', api_error_status: 429 })
    },
    refused: () => SAYS.claude.end({ is_error: true, result: 'no login', api_error_status: 401, modelUsage: {} }),
    end: more =>
      put({
        ...{ session_id, type: 'result', subtype: 'success', is_error: false, result: 'done', total_cost_usd: 0.1 },
        ...{ modelUsage: { m: { inputTokens: 1, outputTokens: 1 } }, ...more },
      }),
  },
  codex: {
    did: text =>
      put({
        method: 'item/completed',
        params: { item: { id: 'i1', type: 'commandExecution', command: text, status: 'completed' } },
      }),
    limited: () => {
      const primary = { usedPercent: 100, resetsAt }
      put({ method: 'account/rateLimits/updated', params: { rateLimits: { primary } } })
      SAYS.codex.end({ status: 'failed', error: { message: 'out of it', codexErrorInfo: 'usageLimitExceeded' } })
    },
    refused: () => SAYS.codex.end({ status: 'failed', error: { message: 'no', codexErrorInfo: 'unauthorized' } }),
    end: more =>
      put({ method: 'turn/completed', params: { turn: { id: 'turn-1', items: [], status: 'completed', ...more } } }),
  },
}

function work(prompt) {
  const says = SAYS[type]
  const [record = null] = /\/\S+\/transcript\b/.exec(prompt) ?? []
  const told = record === null ? null : readFileSync(record, 'utf8')
  const { TOKEN = null } = process.env
  appendFileSync(path.join(folder, 'notes'), `${JSON.stringify({ name, argv, prompt, record, told, TOKEN })}\n`)
  if (refused) return says.refused()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  if (writes) {
    writeFileSync(writes, `by ${name}\n`)
    execFileSync('sh', ['-c', `git add -A && git commit -qm ${writes}`])
    says.did(`${name} wrote ${writes}`)
  }
  return resetsAt ? says.limited() : says.end({})
}

const HEAR = {
  claude(message) {
    if (message.type !== 'user') return
    mkdirSync(memory, { recursive: true })
    appendFileSync(path.join(memory, `${session_id}.jsonl`), `${JSON.stringify(message.message.content)}\n`)
    put({ session_id, type: 'system', subtype: 'init', claude_code_version: '2.1.331', model: 'm' })
    put({ session_id, type: 'user', isReplay: true, uuid: message.uuid, message: message.message })
    work(message.message.content)
  },
  codex(message) {
    const reply = result => put({ id: message.id, result })
    if (message.id === 'hello') return reply({ userAgent: 'codex/0.169.0' })
    if (message.id === 'open') return reply({ thread: { id: 'c1', cliVersion: '0.169.0' }, model: 'm' })
    if (!String(message.id).startsWith('turn:')) return
    reply({ turn: { id: 'turn-1' } })
    put({ method: 'turn/started', params: { turn: { id: 'turn-1' } } })
    work(message.params.input[0].text)
  },
}

createInterface({ input: process.stdin })
  .on('line', text => HEAR[type](JSON.parse(text)))
  .on('close', () => process.exit(0))
