/** Anthropic's messages API. */
import type { Turn } from './scenario.ts'
import { type Api, type Body, called, freshId, type Said, type Sse, textOf, USAGE } from './wire.ts'

export const anthropic: Api = {
  turns: body => (body.messages ?? []).flatMap(turnsOf),
  tools: body => (body.tools ?? []).map((tool: Body) => tool.name),
  whole: (body, reply) => message(body, [blockOf(body, reply)], reply.kind === 'text' ? 'end_turn' : 'tool_use'),
  stream(body, reply) {
    const block = blockOf(body, reply)
    const isCall = block.type === 'tool_use'
    const opened = isCall ? { ...block, input: {} } : { type: 'text', text: '' }
    const delta = isCall
      ? { type: 'input_json_delta', partial_json: JSON.stringify(block.input) }
      : { type: 'text_delta', text: block.text }
    const stop = { stop_reason: isCall ? 'tool_use' : 'end_turn', stop_sequence: null }
    const events = [
      { type: 'message_start', message: message(body, [], null) },
      { type: 'content_block_start', index: 0, content_block: opened },
      { type: 'content_block_delta', index: 0, delta },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: stop, usage: { output_tokens: USAGE.output } },
      { type: 'message_stop' },
    ]
    return events.map((data): Sse => ({ event: data.type, data }))
  },
  failure: ({ type, message }) => ({ type: 'error', error: { type, message } }),
}

function turnsOf({ role, content }: Body): Turn[] {
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  return parts.flatMap((part: Body): Turn[] => {
    if (part.type === 'tool_use') return [{ kind: 'call' }]
    if (part.type === 'tool_result') return [{ kind: 'result', text: textOf(part.content) }]
    if (part.type !== 'text') return []
    // What a person says during a turn may come as a system message.
    return [{ kind: role === 'assistant' ? 'assistant' : 'user', text: part.text }]
  })
}

function blockOf(body: Body, reply: Said): Body {
  if (reply.kind === 'text') return { type: 'text', text: reply.text }
  const { name, input: plain } = called(anthropic.tools(body), reply)
  const input = reply.kind === 'run' && reply.isAside ? { ...plain, run_in_background: true } : plain
  return { type: 'tool_use', id: freshId('toolu'), name, input }
}

function message(body: Body, content: Body[], stop: string | null): Body {
  const usage = {
    input_tokens: USAGE.input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: USAGE.cached,
    output_tokens: stop === null ? 1 : USAGE.output,
  }
  const head = { id: freshId('msg'), type: 'message', role: 'assistant', model: body.model }
  return { ...head, content, stop_reason: stop, stop_sequence: null, usage }
}
