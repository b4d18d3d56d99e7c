/** Google's Gemini API. Whether a stream is wanted stands in the path. */
import type { Turn } from './scenario.ts'
import { type Api, type Body, called, freshId, type Said, textOf, USAGE } from './wire.ts'

export const gemini: Api = {
  turns: body => (body.contents ?? []).flatMap(turnsOf),
  tools: body =>
    (body.tools ?? []).flatMap((tool: Body) => (tool.functionDeclarations ?? []).map((one: Body) => one.name)),
  whole: (body, reply) => answer(body, reply),
  stream: (body, reply) => [{ data: answer(body, reply) }],
  failure: ({ status, type, message }) => ({ error: { code: status, status: type, message } }),
}

function turnsOf({ role, parts }: Body): Turn[] {
  return (parts ?? []).flatMap((part: Body): Turn[] => {
    if (part.functionCall) return [{ kind: 'call' }]
    if (part.functionResponse) return [{ kind: 'result', text: JSON.stringify(part.functionResponse.response) }]
    if (part.text === undefined || part.thought) return []
    return [{ kind: role === 'model' ? 'assistant' : 'user', text: textOf(part.text) }]
  })
}

function answer(body: Body, reply: Said): Body {
  const part =
    reply.kind === 'text' ? { text: reply.text } : { functionCall: { id: freshId('call'), ...callIn(body, reply) } }
  const promptTokenCount = USAGE.input + USAGE.cached
  return {
    candidates: [{ index: 0, content: { role: 'model', parts: [part] }, finishReason: 'STOP' }],
    usageMetadata: {
      promptTokenCount,
      cachedContentTokenCount: USAGE.cached,
      candidatesTokenCount: USAGE.output,
      totalTokenCount: promptTokenCount + USAGE.output,
    },
    modelVersion: 'gemini-2.5-flash',
  }
}

function callIn(body: Body, reply: Exclude<Said, { kind: 'text' }>): Body {
  const { name, input } = called(gemini.tools(body), reply)
  return { name, args: input }
}
