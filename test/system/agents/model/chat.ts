/** OpenAI's chat completions API. */
import type { Turn } from './scenario.ts'
import { type Api, type Body, called, freshId, type Said, textOf, USAGE } from './wire.ts'

export const chat: Api = {
  turns: body => (body.messages ?? []).flatMap(turnsOf),
  tools: body => (body.tools ?? []).flatMap((tool: Body) => tool.function?.name ?? []),
  whole: (body, reply) => ({ ...head(body), choices: [choice(body, reply, 'message')], usage: usage() }),
  stream(body, reply) {
    const { finish_reason, delta } = choice(body, reply, 'delta')
    const chunk = (choices: Body[], more = {}) => ({
      data: { ...head(body), object: 'chat.completion.chunk', choices, ...more },
    })
    return [
      chunk([{ index: 0, delta, finish_reason: null }]),
      chunk([{ index: 0, delta: {}, finish_reason }]),
      chunk([], { usage: usage() }),
      { data: '[DONE]' },
    ]
  },
  failure: ({ type, message }) => ({ error: { type, code: type, message } }),
}

function turnsOf({ role, content, tool_calls }: Body): Turn[] {
  if (role === 'tool') return [{ kind: 'result', text: textOf(content) }]
  if (role === 'user') return [{ kind: 'user', text: textOf(content) }]
  if (role !== 'assistant') return []
  return [{ kind: 'assistant', text: textOf(content) }, ...(tool_calls ?? []).map((): Turn => ({ kind: 'call' }))]
}

function choice(body: Body, reply: Said, field: 'message' | 'delta'): Body {
  if (reply.kind === 'text') {
    return { index: 0, finish_reason: 'stop', [field]: { role: 'assistant', content: reply.text } }
  }
  const { name, input } = called(chat.tools(body), reply)
  const wanted = { name, arguments: JSON.stringify(input) }
  const tool_calls = [{ index: 0, id: freshId('call'), type: 'function', function: wanted }]
  return { index: 0, finish_reason: 'tool_calls', [field]: { role: 'assistant', content: null, tool_calls } }
}

const head = (body: Body) => ({ id: freshId('chat'), object: 'chat.completion', created: 0, model: body.model })

function usage(): Body {
  const prompt = USAGE.input + USAGE.cached
  return {
    prompt_tokens: prompt,
    completion_tokens: USAGE.output,
    total_tokens: prompt + USAGE.output,
    prompt_tokens_details: { cached_tokens: USAGE.cached },
  }
}
