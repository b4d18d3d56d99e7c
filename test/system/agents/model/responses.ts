/** OpenAI's responses API. */
import { RESET_AT, type Turn } from './scenario.ts'
import { type Api, type Body, called, freshId, type Said, type Sse, textOf, USAGE } from './wire.ts'

export const responses: Api = {
  turns: body => (Array.isArray(body.input) ? body.input : [{ role: 'user', content: body.input }]).flatMap(turnOf),
  tools: body => (body.tools ?? []).flatMap(namesOf),
  whole: (body, reply) => response(body, [itemOf(body, reply)]),
  stream(body, reply) {
    const item = itemOf(body, reply)
    const done = response(body, [item])
    const events: Body[] = [
      { type: 'response.created', response: { ...done, status: 'in_progress', output: [], usage: null } },
      { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress' } },
      ...(reply.kind === 'text'
        ? [
            {
              type: 'response.output_text.delta',
              item_id: item.id,
              output_index: 0,
              content_index: 0,
              delta: reply.text,
            },
          ]
        : []),
      { type: 'response.output_item.done', output_index: 0, item },
      { type: 'response.completed', response: done },
    ]
    return events.map((data): Sse => ({ event: data.type, data }))
  },
  // A usage limit as the service behind ChatGPT plans tells it.
  failure: ({ status, type, message }) =>
    status === 429
      ? { error: { type: 'usage_limit_reached', message, plan_type: 'plus', resets_at: RESET_AT.getTime() / 1000 } }
      : { error: { type, code: type, message } },
}

/** Codex has the tools of an MCP server in a namespace of their own. */
function namesOf({ type, name, tools }: Body): string[] {
  if (type !== 'namespace') return [name ?? type]
  return tools.map((tool: Body) => `${name}.${tool.name}`)
}

function turnOf(item: Body): Turn[] {
  if (item.type === 'function_call' || item.type === 'custom_tool_call') return [{ kind: 'call' }]
  if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output') {
    return [{ kind: 'result', text: textOf(item.output) }]
  }
  if (item.role === 'user') return [{ kind: 'user', text: textOf(item.content) }]
  return item.role === 'assistant' ? [{ kind: 'assistant', text: textOf(item.content) }] : []
}

function itemOf(body: Body, reply: Said): Body {
  if (reply.kind === 'text') {
    const content = [{ type: 'output_text', text: reply.text, annotations: [] }]
    return { type: 'message', id: freshId('msg'), status: 'completed', role: 'assistant', content }
  }
  const { name: whole, input } = called(responses.tools(body), reply)
  const [name, namespace] = whole.split('.').reverse()
  const ids = { id: freshId('fc'), call_id: freshId('call') }
  return { type: 'function_call', ...ids, status: 'completed', name, namespace, arguments: JSON.stringify(input) }
}

function response(body: Body, output: Body[]): Body {
  const usage = {
    input_tokens: USAGE.input + USAGE.cached,
    input_tokens_details: { cached_tokens: USAGE.cached },
    output_tokens: USAGE.output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: USAGE.input + USAGE.cached + USAGE.output,
  }
  return { id: freshId('resp'), object: 'response', status: 'completed', model: body.model, output, usage, error: null }
}
