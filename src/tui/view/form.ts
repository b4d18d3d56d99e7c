/** The form of a new task. */
import type { Model } from '../state/model.ts'
import { FIELDS, type Field, type Prompt } from '../state/prompt.ts'
import { type Line, pad, padLine, rule, wrapped } from './line.ts'

const ABOUT: Record<Field, { label: string; empty: string }> = {
  prompt: { label: 'prompt', empty: 'what the agent should do' },
  agent: { label: 'agent', empty: 'the default' },
  check: { label: 'check', empty: 'none: its work is not verified' },
  repo: { label: 'repository', empty: 'that of the current folder' },
}
const LABEL_WIDTH = 14
/** Of a long prompt its end is shown, which is where one writes. */
const PROMPT_LINES_MAX = 12

export function form({ size, notice }: Model, { task, at }: Extract<Prompt, { kind: 'form' }>): Line[] {
  const width = size.columns - LABEL_WIDTH - 1
  const most = Math.max(Math.min(size.rows - 9, PROMPT_LINES_MAX), 1)
  const fields = FIELDS.flatMap(name => fieldLines(name, task[name], { isHere: name === at, width, most }))
  const hint = notice?.isBad ? [{ text: ` ${notice.text}`, tone: 'bad' as const }] : []
  return [rule([{ text: 'a new task', isBold: true }], size.columns), [], ...fields, [], hint].map(line =>
    line.length === 0 ? line : padLine(line, size.columns),
  )
}

interface Place {
  isHere: boolean
  width: number
  most: number
}

function fieldLines(name: Field, text: string, { isHere, width, most }: Place): Line[] {
  const { label, empty } = ABOUT[name]
  const head = { text: pad(`${isHere ? '›' : ' '} ${label}`, LABEL_WIDTH), isBold: isHere }
  const cursor = isHere ? [{ text: ' ', isInverse: true }] : []
  if (text === '') return [[head, ...cursor, { text: ` ${empty}`.slice(isHere ? 0 : 1), tone: 'quiet' as const }]]
  const lines = text.split('\n').flatMap(line => wrapped(line, width - 1))
  const shown = name === 'prompt' ? lines.slice(-most) : [lines.at(-1) ?? '']
  return shown.map((line, index): Line => {
    const left = index === 0 ? head : { text: ' '.repeat(LABEL_WIDTH) }
    return [left, { text: line }, ...(index === shown.length - 1 ? cursor : [])]
  })
}

export const FORM_KEYS: readonly [string, string][] = [
  ['enter', 'submit'],
  ['tab', 'next'],
  ['Ctrl-E', 'editor'],
  ['esc', 'later'],
]
