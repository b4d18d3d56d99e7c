/**
 * A peer for every adapter: `node scripted-agent.mjs TYPE FILE` speaks the protocol of TYPE up to the first prompt and
 * then plays the lines of FILE as they are. A line that begins with @ is a deed:
 *
 *   @write F · @sleep MS · @exit N · @die · @waiteof · @until F (the file is there) · @stderr TEXT
 *   @open (its stdin is, else it ends) · @bytes BASE64 (and no newline) · @big N LINE (BIG in it becomes N letters)
 *   @ask LINE (waits for the answer, which
 *   goes into answer.json) · @allowed LINE · @denied LINE (printed after such an answer)
 *
 * @IN1H, @IN5D, @PAST are Unix seconds, @PROMPT the id of an ACP prompt. A FILE of `.json` is a list of ACP steps.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [, , type, file] = process.argv
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const put = text => new Promise(resolve => process.stdout.write(text, resolve))
const putLine = text => put(`${text}\n`)
const now = Math.floor(Date.now() / 1000)

let isOver = false
let hasBegun = false
let prompt = null
let answered = () => {}
let decision = null

const HISTORY = [
  { sessionUpdate: 'tool_call_update', toolCallId: 'old', status: 'failed', rawOutput: { code: 'rejected' } },
  { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Error: 401 Unauthorized' } },
]

const HEAR = {
  claude(message) {
    if (message.type === 'control_response') return answered(message, message.response?.response?.behavior === 'allow')
    if (message.type !== 'user') return
    if (!hasBegun)
      putLine('{"type":"system","subtype":"init","session_id":"c1","claude_code_version":"2.1.331","model":"m"}')
    putLine(JSON.stringify({ ...message, isReplay: true, session_id: 'c1' }))
    begin()
  },
  codex(message) {
    const reply = result => putLine(JSON.stringify({ id: message.id, result }))
    if (message.id === 'hello') reply({ userAgent: 'codex/0.169.0' })
    else if (message.id === 'open') reply({ thread: { id: 'c1', cliVersion: '0.169.0' }, model: 'm' })
    else if (String(message.id).startsWith('turn:')) {
      reply({ turn: { id: 'turn-1' } })
      putLine(JSON.stringify({ method: 'turn/started', params: { turn: { id: 'turn-1' } } }))
      begin()
    } else if (message.result?.decision) answered(message, message.result.decision === 'accept')
  },
  acp(message) {
    const reply = result => putLine(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }))
    const agentInfo = { name: 'scripted', version: '1.2.3' }
    if (message.method === 'initialize')
      reply({ protocolVersion: 1, agentCapabilities: { loadSession: !process.env.FORGETS }, agentInfo })
    else if (message.method === 'session/new') reply({ sessionId: 'c1' })
    else if (message.method === 'session/load') {
      // The conversation so far: a tool that was refused, and a login that was.
      for (const update of HISTORY)
        putLine(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { update } }))
      reply({})
    } else if (message.method === 'session/prompt') {
      prompt = message.id
      begin()
    } else if (!message.method) answered(message, message.result?.outcome?.optionId?.startsWith('ok') === true)
  },
}

function begin() {
  if (hasBegun) return
  hasBegun = true
  play()
}

async function play() {
  for (const line of linesOf(readFileSync(file, 'utf8'))) {
    const [, deed, rest] = /^@(\w+) ?(.*)$/s.exec(line) ?? []
    if (deed in DEEDS) await DEEDS[deed](rest)
    else await putLine(filled(line))
  }
  while (type !== 'command' && !isOver) await sleep(20)
  process.exit(0)
}

const DEEDS = {
  write: name => appendFileSync(name, 'x\n'),
  sleep: ms => sleep(Number(ms)),
  exit: code => process.exit(Number(code)),
  die: () => process.kill(process.pid, 'SIGKILL'),
  stderr: text => void process.stderr.write(`${text}\n`),
  bytes: text => {
    const bytes = Buffer.from(text, 'base64')
    return put(bytes.includes('@PROMPT') ? Buffer.from(filled(bytes.toString('latin1')), 'latin1') : bytes)
  },
  big: text => {
    const [, length, line] = /^(\d+) (.*)$/.exec(text)
    return putLine(filled(line).replace('BIG', 'A'.repeat(Number(length))))
  },
  waiteof: async () => {
    while (!isOver) await sleep(20)
  },
  open: () => isOver && process.exit(9),
  until: async name => {
    while (!existsSync(name)) await sleep(20)
  },
  ask: async line => {
    const answer = new Promise(resolve => {
      answered = (message, isAllowed) => resolve({ message, isAllowed })
    })
    await putLine(filled(line))
    const { message, isAllowed } = await answer
    decision = isAllowed
    writeFileSync('answer.json', JSON.stringify(message))
    if (isAllowed) writeFileSync('allowed.txt', 'yes\n')
  },
  allowed: line => decision === true && putLine(filled(line)),
  denied: line => decision === false && putLine(filled(line)),
}

function filled(line) {
  return line
    .replaceAll('@IN1H', String(now + 3_600))
    .replaceAll('@IN5D', String(now + 432_000))
    .replaceAll('@PAST', String(now - 3_600))
    .replaceAll('@PROMPT', prompt)
}

function linesOf(text) {
  if (!file.endsWith('.json')) return text.split('\n').filter(Boolean)
  return JSON.parse(text).flatMap(stepLines)
}

const OPTIONS = [
  { optionId: 'ok', kind: 'allow_once', name: 'Allow' },
  { optionId: 'no', kind: 'reject_once', name: 'No' },
]

function stepLines({ ask, options = OPTIONS, update, raw, write, sleep: ms, error, end }) {
  const rpc = message => JSON.stringify({ jsonrpc: '2.0', ...message })
  const toolCall = { toolCallId: 't', kind: 'execute', title: 'rm -rf build', rawInput: { command: 'rm -rf build' } }
  const params = { sessionId: 'c1', toolCall, options }
  return [
    ask !== undefined && `@ask ${rpc({ id: ask, method: 'session/request_permission', params })}`,
    update && rpc({ method: 'session/update', params: { sessionId: 'c1', update } }),
    raw,
    write && `@write ${write}`,
    ms && `@sleep ${ms}`,
    error && rpc({ id: '@PROMPT', error }),
    end && rpc({ id: '@PROMPT', result: end }),
  ].filter(Boolean)
}

if (type === 'command') play()
else {
  createInterface({ input: process.stdin })
    .on('line', line => HEAR[type](JSON.parse(line)))
    .on('close', () => {
      isOver = true
    })
}
