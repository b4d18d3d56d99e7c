/** What people read of an agent's stream. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { renderer } from '../../../../src/transcript/render.ts'

const stream = (name: string) =>
  readFileSync(new URL(`../../../fixtures/agent-streams/${name}.jsonl`, import.meta.url), 'utf8')

function shown(text: string, size = text.length): string {
  const { push, rest } = renderer()
  let all = ''
  for (let at = 0; at < text.length; at += size) all += push(text.slice(at, at + size))
  return all + rest()
}

it.each(['claude-success', 'claude-limit-reset', 'codex-commit', 'opencode-success', 'acp-opencode-success'])(
  'shows %s',
  name => {
    expect(shown(stream(name))).toMatchSnapshot()
  },
)

it('shows the same wherever the stream is cut', () => {
  for (const name of ['claude-success', 'codex-commit', 'acp-opencode-success']) {
    expect(shown(stream(name), 7)).toBe(shown(stream(name)))
  }
})

it("leaves what is no agent's as it is, and does not wait for the end of its lines", () => {
  const text = 'one\n\n{not json\n 50%'
  expect(shown(text)).toBe(text)
  const { push } = renderer()
  expect([push('50'), push('%\n{"a'), push('":1}\nx')]).toEqual(['50', '%\n', '{"a":1}\nx'])
})

it('shows a line that is wrapped in what a terminal would obey', () => {
  const line = (text: string) => JSON.stringify({ type: 'assistant', message: { content: [{ type: 'text', text }] } })
  const text = `\uFEFF${line('one')}\r\n\x1b[0m${line('two')}\x1b[0m\n50 %\r${line('three')}\n`
  expect(shown(text)).toBe('one\ntwo\nthree\n')
})
