/** An agent's stream for people: its messages and tools, a few lines each. Other lines stay as they are. */
import type { AgentEvent } from './event.ts'
import { beginsObject, readLine } from './read.ts'

export interface Renderer {
  /** The next piece of a log, cut anywhere. */
  push(text: string): string
  /** What is left when the log has ended. */
  rest(): string
}

const OUTPUT_LINES_MAX = 12
const THOUGHT_LENGTH_MAX = 200

export function renderer(): Renderer {
  let held = ''
  let isInRaw = false
  const show = shower()
  const line = (text: string) => (isInRaw ? `${text}\n` : readLine(text).map(show).join(''))
  return {
    push: text => {
      const lines = (held + text).split('\n')
      held = lines.pop() ?? ''
      let shown = ''
      for (const text of lines) {
        shown += line(text)
        isInRaw = false
      }
      // A line of another program may be half of a progress bar: it is shown as it comes.
      if (held === '' || (!isInRaw && beginsObject(held))) return shown
      isInRaw = true
      const half = held
      held = ''
      return shown + half
    },
    rest: () => {
      const left = held
      held = ''
      return left === '' ? '' : line(left)
    },
  }
}

/** Remembers whether a message is incomplete, and which tool was shown last: some streams report it several times. */
function shower(): (event: AgentEvent) => string {
  let isHalfSaid = false
  let shownTool = ''
  return happened => {
    const event = happened.kind === 'nested' ? happened.event : happened
    if (event.kind === 'raw') return `${event.text}\n`
    const isShown = event.kind === 'tool' && shownTool === key(event)
    // Some streams report a tool only when it is done.
    const head = event.kind === 'tool' && event.detail && !isShown ? `$ ${event.detail}` : ''
    const body = event.kind === 'tool' && event.state === 'started' ? '' : textOf(event)
    const text = [head, body].filter(Boolean).join('\n')
    if (event.kind === 'tool' && event.detail) shownTool = key(event)
    if (text === '') return ''
    const isPart = (event.kind === 'message' || event.kind === 'thought') && event.isPart
    const before = isHalfSaid && !isPart ? '\n' : ''
    isHalfSaid = isPart
    return before + (isPart ? text : `${text}\n`)
  }
}

const key = ({ id, detail }: Extract<AgentEvent, { kind: 'tool' }>) => `${id} ${detail}`

function textOf(event: AgentEvent): string {
  switch (event.kind) {
    case 'session':
      return event.model === null ? '' : `· ${[event.model, event.version].filter(Boolean).join(', version ')}`
    case 'message':
      return event.from === 'user' ? `> ${event.text.split('\n').join('\n> ')}` : event.text
    case 'thought':
      return event.isPart ? '' : event.text && `~ ${cut(event.text, THOUGHT_LENGTH_MAX)}`
    case 'tool':
      return indented(event.state === 'failed' ? `failed: ${event.output}` : event.output)
    case 'permission':
      return `? asks to use ${event.tool}: ${event.detail}`
    case 'denied':
      return `! was not allowed to use ${event.tool}`
    case 'limit':
      return event.isReached ? `! usage limit${event.resetAt === null ? '' : ` until ${event.resetAt}`}` : ''
    case 'retrying':
      return `… tries again: ${event.reason}`
    case 'terminal':
      return event.outcome === 'success' ? '' : `! ${event.failure ?? event.outcome}: ${event.summary}`
    case 'raw':
      return event.text
    default:
      return ''
  }
}

function indented(output: string): string {
  const lines = output.trimEnd().split('\n')
  if (lines.join('') === '') return ''
  const more = lines.length - OUTPUT_LINES_MAX
  const shown = more > 0 ? [...lines.slice(0, OUTPUT_LINES_MAX), `… and ${more} more lines`] : lines
  return shown.map(line => `  ${line}`).join('\n')
}

function cut(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > length ? `${line.slice(0, length)}…` : line
}
