/**
 * An agent that talks like Claude Code and does what its first argument says: a `Script` of test/fakes/agent.ts as
 * JSON. It lets tests run the node's agent with questions, further prompts and reports without the real program.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const script = JSON.parse(process.argv[2] ?? '{}')
const { ms = 0, exitCode = 0, says = {}, asks, steerable, ignoresPrompts, hangs } = script
const session_id = says.resumeRef ?? 'conversation'
const say = line => process.stdout.write(`${JSON.stringify({ session_id, ...line })}\n`)

// Like the real one it keeps its conversations by folder, and resumes only what it finds there.
const folder = path.join(
  process.env.CLAUDE_CONFIG_DIR ?? '/nonexistent',
  'projects',
  process.cwd().replace(/[^A-Za-z0-9]/g, '-'),
)
const memory = path.join(folder, `${session_id}.jsonl`)
const remembers = process.argv.includes('--resume') && existsSync(memory)

let begun = false
let isDenied = false
createInterface({ input: process.stdin })
  .on('line', text => {
    const line = JSON.parse(text)
    if (line.type === 'control_response') return answered(line.response.response.behavior)
    if (line.type !== 'user') return
    if (begun && (ignoresPrompts || !steerable)) return
    say({ type: 'command_lifecycle', command_uuid: line.uuid, state: 'started' })
    if (begun) say({ type: 'user', isReplay: true, uuid: line.uuid, message: line.message })
    else begin()
  })
  .on('close', () => process.exit(exitCode))

function begin() {
  begun = true
  if (process.env.CLAUDE_CONFIG_DIR) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(memory, '{"what":"was said"}\n', { flag: 'a' })
  }
  say({ type: 'system', subtype: 'init', claude_code_version: says.agentVersion, model: says.model })
  say({ type: 'a line from the future', body: { some: 'thing' } })
  process.stdout.write('not JSON at all\n')
  if (!asks) return work()
  const request = { subtype: 'can_use_tool', tool_name: asks.tool, input: { command: asks.detail } }
  say({ type: 'control_request', request_id: asks.requestId, request })
}

function answered(behavior) {
  isDenied = behavior === 'deny'
  work()
}

function work() {
  if (hangs) return
  setTimeout(() => {
    if (says.resetAt) {
      const resetsAt = Date.parse(says.resetAt) / 1000
      say({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt } })
    }
    const isError = says.outcome !== undefined && says.outcome !== 'success'
    const { inputTokens = 0, outputTokens = 0, costUsd = 0 } = says.usage ?? {}
    say({
      ...{
        type: 'result',
        subtype: 'success',
        is_error: isError,
        result: says.summary ?? (remembers ? 'I remember' : 'done'),
      },
      api_error_status: says.outcome === 'usage_limit' ? 429 : null,
      total_cost_usd: costUsd,
      modelUsage: { model: { inputTokens, outputTokens } },
      permission_denials: isDenied ? [{ tool_name: asks.tool }] : [],
    })
    if (ignoresPrompts) process.exit(exitCode)
  }, ms)
}
