/** Google's Gemini API. Whether a stream is wanted stands in the path. */
import type { Turn } from './scenario.ts'
import { type Api, type Body, freshId, shellAmong, shellInput, textOf, USAGE } from './wire.ts'

export const gemini: Api = {
  turns: body => (body.contents ?? []).flatMap(turnsOf),
  shell: body =>
    shellAmong(
      (body.tools ?? []).flatMap((tool: Body) => (tool.functionDeclarations ?? []).map((one: Body) => one.name)),
    ),
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

function answer(body: Body, reply: { kind: 'text'; text: string } | { kind: 'run'; command: string }): Body {
  const name = gemini.shell(body) ?? 'run_shell_command'
  const part =
    reply.kind === 'text'
      ? { text: reply.text }
      : { functionCall: { id: freshId('call'), name, args: shellInput(name, reply.command) } }
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
