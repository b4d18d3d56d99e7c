/**
 * An agent that hands tasks over. Told `write NAME` it writes that file and says which way it has to hand on; told JSON it makes these
 * calls by TDF_MCP_URL, one after the other, and leaves the answers in answers.json. `$N` in an argument is the id of its N-th submit.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'

const prompt = readFileSync(process.env.TDF_PROMPT_FILE, 'utf8').trim()
const url = process.env.TDF_MCP_URL
const ids = []
let count = 0

async function rpc(method, params, headers = {}) {
  count += 1
  const body = JSON.stringify({ jsonrpc: '2.0', id: count, method, params })
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body,
  })
  return { headers: answer.headers, json: await answer.json() }
}

async function call(name, input) {
  const params = JSON.parse(JSON.stringify({ name, arguments: input }).replace(/\$(\d)/g, (_, n) => ids[n]))
  // A connection that breaks is tried again, as clients do.
  for (let left = 100; ; left--) {
    const { json } = await rpc('tools/call', params).catch(error => ({ json: { error: { message: String(error) } } }))
    const { content = [], isError = true } = json.result ?? {}
    const text = content[0]?.text ?? json.error?.message ?? ''
    const isLate = /fetch failed|has not answered yet/.test(text)
    const isWaiting = name === 'wait_tasks' && !isError && !JSON.parse(text).allEnded
    if ((!isLate && !isWaiting) || left === 0) return { isError, text }
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

if (prompt.startsWith('write ')) {
  writeFileSync(prompt.slice('write '.length), `made here\n${url === undefined ? 'alone' : 'may hand on'}\n`)
} else {
  const { calls } = JSON.parse(prompt)
  const { json } = await rpc('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: {} })
  const answers = [json.result.serverInfo.name]
  for (const [name, input] of calls) {
    if (name === 'mark') {
      appendFileSync(input.file, 'here\n')
      while (!existsSync(input.until)) await new Promise(resolve => setTimeout(resolve, 50))
      continue
    }
    const answer = await call(name, input)
    if (name === 'submit_task' && !answer.isError) ids.push(JSON.parse(answer.text).id)
    answers.push(answer)
  }
  writeFileSync('answers.json', JSON.stringify({ answers, ids }))
}
